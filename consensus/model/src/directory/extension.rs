//! Extensions: the numbers of telephones. Loudspeakers have numbers too, but
//! those stand with their zone, so that a speaker is written down once.

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::word::words;
use crate::id::{Extension, PersonId, SiteId};

words! {
    ExtensionKind {
        DeskPhone = "desk_phone", "话机";
        Softphone = "softphone", "软电话";
        /// A dispatcher's position.
        Console = "console", "调度台";
        /// Wi-Fi or DECT.
        Wireless = "wireless", "无线话机";
        /// A gateway to radio, satellite telephones or the public network.
        Gateway = "gateway", "网关";
        /// A line to the public network: dialled through, never dialled itself.
        Trunk = "trunk", "外线";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionRecord {
    pub number: Extension,
    pub site: SiteId,
    pub kind: ExtensionKind,
    /// Whose telephone it is; a shared one has no owner.
    pub owner: Option<PersonId>,
}

impl ExtensionRecord {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        check_number("number", self.number.as_str(), found);
    }
}

/// A dialled number is two to sixteen digits.
pub(super) fn check_number(path: &str, number: &str, found: &mut Findings<'_>) {
    if !(2..=16).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        let fault = fault!(
            BadValue,
            "{number} 不是可拨号码",
            "{number} is not a number that can be dialled",
            "写 2 到 16 位数字，以站点前缀开头",
            "write 2 to 16 digits that begin with the site's prefix",
        );
        found.add(path, fault);
    }
}
