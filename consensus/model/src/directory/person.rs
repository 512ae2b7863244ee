//! People: their roles, the sites these reach, their rank and how to reach
//! them. Passwords are not here: the directory is copied to every site.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::limits::ROLES_PER_PERSON_MAX;
use super::word::words;
use crate::id::{Extension, PersonId, SiteId};

words! {
    RoleKind {
        Commander = "commander", "指挥长";
        ChiefDispatcher = "chief_dispatcher", "总调度";
        Dispatcher = "dispatcher", "调度员";
        SiteDuty = "site_duty", "值班长";
        /// Edits the directory; commands nobody.
        Admin = "admin", "系统管理员";
    }
}

/// The rank of someone without a role.
pub const LOWEST_RANK: u8 = 9;

impl RoleKind {
    /// 1 is the highest. The one place that orders roles: floor, barge-in and
    /// contradiction follow it.
    pub fn rank(self) -> u8 {
        match self {
            Self::Commander => 1,
            Self::ChiefDispatcher => 2,
            Self::Dispatcher => 3,
            Self::SiteDuty => 4,
            Self::Admin => 5,
        }
    }
}

/// Where a role holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    #[serde(rename = "all")]
    All,
    #[serde(rename = "sites")]
    Sites(BTreeSet<SiteId>),
}

impl Scope {
    pub fn covers(&self, site: &SiteId) -> bool {
        match self {
            Self::All => true,
            Self::Sites(sites) => sites.contains(site),
        }
    }

    /// Whether the site is named: "all" names no site as one's own.
    pub fn names(&self, site: &SiteId) -> bool {
        matches!(self, Self::Sites(sites) if sites.contains(site))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub role: RoleKind,
    pub sites: Scope,
}

/// How to reach a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    pub extension: Option<Extension>,
    /// Digits, perhaps after a `+`.
    pub mobile: Option<String>,
    /// Where messages go.
    pub sms: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    pub roles: Vec<Role>,
    /// 1 is the highest; never above the person's best role. Orders people who
    /// hold the same role.
    pub rank: u8,
    pub contacts: Contacts,
}

impl Person {
    /// The rank of the best role held anywhere.
    pub fn best_rank(roles: &[Role]) -> u8 {
        roles.iter().map(|held| held.role.rank()).min().unwrap_or(LOWEST_RANK)
    }

    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.label("name", &self.name);
        found.at_most("roles", self.roles.len(), ROLES_PER_PERSON_MAX);
        for (at, held) in self.roles.iter().enumerate().take(ROLES_PER_PERSON_MAX) {
            if matches!(&held.sites, Scope::Sites(sites) if sites.is_empty()) {
                found.some(format!("roles.{at}.sites"), 0);
            }
            if self.roles[..at].iter().any(|before| before.role == held.role) {
                found.twice(format!("roles.{at}.role"), held.role);
            }
        }
        found.range("rank", self.rank.into(), 1, LOWEST_RANK.into());
        let (rank, best) = (self.rank, Self::best_rank(&self.roles));
        if (1..best).contains(&rank) {
            let fault = fault!(
                Rights,
                "职级 {rank} 高于其角色的职级 {best}",
                "rank {rank} stands above the person's best role, whose rank is {best}",
                "写 {best} 或更大的数，或授予更高的角色",
                "write {best} or a larger number, or grant a higher role",
            );
            found.add("rank", fault);
        }
        for (key, number) in [("mobile", &self.contacts.mobile), ("sms", &self.contacts.sms)] {
            if let Some(number) = number.as_ref().filter(|number| !is_phone_number(number)) {
                let fault = fault!(
                    BadValue,
                    "{number:?} 不是电话号码",
                    "{number:?} is not a telephone number",
                    "写 3 到 20 位数字，前面可加 +，不含空格",
                    "write 3 to 20 digits, perhaps after a +, without spaces",
                );
                found.add(format!("contacts.{key}"), fault);
            }
        }
    }
}

fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
