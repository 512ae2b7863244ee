//! Rosters: lists of people in the order in which they are called, each with
//! those who stand in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::limits::{MEMBERS_PER_ROSTER_MAX, SUBSTITUTES_PER_MEMBER_MAX};
use super::people::SITE_DUTY;
use crate::id::{PersonId, RosterId, SiteId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub person: PersonId,
    /// Called in this order when the member does not answer.
    pub substitutes: Vec<PersonId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    pub id: RosterId,
    /// The site whose list it is; a list of the whole basin has none.
    pub site: Option<SiteId>,
    pub members: Vec<Member>,
}

impl Roster {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if self.id.as_str() == SITE_DUTY {
            let fault = fault!(
                BadValue,
                "名单编号 {SITE_DUTY} 已留给各站点的值班人员",
                "the roster id {SITE_DUTY} stands for each site's own duty people",
                "换一个编号，例如 R3.duty",
                "choose another id, such as R3.duty",
            );
            found.add("id", fault);
        }
        found.some("members", self.members.len());
        found.at_most("members", self.members.len(), MEMBERS_PER_ROSTER_MAX);
        let mut members = BTreeSet::new();
        for (at, member) in self.members.iter().enumerate() {
            if !members.insert(&member.person) {
                found.twice(format!("members.{at}.person"), &member.person);
            }
            let path = format!("members.{at}.substitutes");
            found.at_most(path.as_str(), member.substitutes.len(), SUBSTITUTES_PER_MEMBER_MAX);
            let mut called = BTreeSet::from([&member.person]);
            for (nth, substitute) in member.substitutes.iter().enumerate() {
                if !called.insert(substitute) {
                    found.twice(format!("{path}.{nth}"), substitute);
                }
            }
        }
    }
}
