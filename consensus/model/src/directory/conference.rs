//! The step that brings people together: a room opens, everyone on its rosters is
//! rung, and whoever answers is in it. Who that is and where each of them is rung
//! comes from the directory alone. A room that a telephone's number hides is
//! refused when the plan is read, and so is one that its rosters could never fill.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::people::{ACK_MAX, Contact};
use super::{Directory, Person, RecordRef, RoleKind, RosterName, Scope};
use crate::id::{Extension, PersonId, SiteId};

/// Most people that one conference rings, those on several rosters counted once.
pub const ATTENDEES_MAX: usize = 64;
/// Most rosters of one conference.
pub const ROSTERS_PER_CONFERENCE_MAX: usize = 8;
/// How long people may take to come in, unless the plan says otherwise.
pub const CONFERENCE_WAIT_S: u32 = 60;
/// How a room's number begins, behind the prefix of its site.
const ROOMS: char = '5';

/// Opens a conference and rings everybody on its rosters at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceOpen {
    /// 500 to 599. Behind the prefix of the site of the launch it is the number
    /// that lets others in.
    pub room: String,
    pub rosters: Vec<RosterName>,
    /// How many must have joined for the step to be done.
    pub min_join: u32,
    /// How long they may take.
    pub wait_s: u32,
    /// The key that lets a person in who has answered, 0 to 9; without one,
    /// whoever answers is in at once.
    pub confirm: Option<u8>,
}

/// Somebody whom a conference rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    pub person: PersonId,
    /// Whose telephones and lines ring this one.
    pub site: SiteId,
    /// Where, the best first. Empty: nobody wrote down how to reach the person,
    /// who is shown as missing.
    pub numbers: Vec<Contact>,
}

/// Whether these digits, without a site's prefix, name a conference room.
pub fn is_room(digits: &str) -> bool {
    digits.len() == 3 && digits.starts_with(ROOMS) && digits.bytes().all(|b| b.is_ascii_digit())
}

impl ConferenceOpen {
    pub(super) fn check(&self, path: &str, found: &mut Findings<'_>) {
        let room = &self.room;
        if !is_room(room) {
            let fault = fault!(
                BadValue,
                "{room:?} 不是会议室号",
                "{room:?} is not a conference room",
                "写 \"500\" 到 \"599\" 之间的三位数字，不含站点前缀",
                "write three digits from \"500\" to \"599\", without a site's prefix",
            );
            found.add(format!("{path}.room"), fault);
        }
        let rosters = format!("{path}.rosters");
        found.some(rosters.as_str(), self.rosters.len());
        found.at_most(rosters.as_str(), self.rosters.len(), ROSTERS_PER_CONFERENCE_MAX);
        for (at, roster) in self.rosters.iter().enumerate().take(ROSTERS_PER_CONFERENCE_MAX) {
            if self.rosters[..at].contains(roster) {
                found.twice(format!("{rosters}.{at}"), roster);
            }
        }
        found.range(format!("{path}.min_join"), self.min_join, 1, most());
        found.range(format!("{path}.wait_s"), self.wait_s, 10, 600);
        if let Some(key) = self.confirm {
            found.range(format!("{path}.confirm"), key.into(), 0, ACK_MAX.into());
        }
    }
}

fn most() -> u32 {
    u32::try_from(ATTENDEES_MAX).unwrap_or(u32::MAX)
}

impl Directory {
    /// What others dial to come into `room` at `site`; `None` when nobody knows
    /// the site.
    pub fn room_number(&self, site: &SiteId, room: &str) -> Option<Extension> {
        let prefix = &self.sites.get(site)?.prefix;
        Extension::new(format!("{prefix}{room}")).ok()
    }

    /// Everybody on the rosters of a conference that is opened at `site`, roster
    /// after roster, each person once.
    pub fn invited(&self, conference: &ConferenceOpen, site: &SiteId) -> Vec<PersonId> {
        let rosters = conference.rosters.iter().take(ROSTERS_PER_CONFERENCE_MAX);
        let all = rosters.flat_map(|roster| self.members(roster, site));
        let mut named = BTreeSet::new();
        let people = all.map(|member| member.person);
        people.filter(|person| named.insert(person.clone())).collect()
    }

    /// Whom such a conference rings, and where: the first so many of them.
    pub fn attendees(&self, conference: &ConferenceOpen, site: &SiteId) -> Vec<Attendee> {
        let mut people = self.invited(conference, site);
        people.truncate(ATTENDEES_MAX);
        people.into_iter().map(|person| self.attendee(person, site)).collect()
    }

    /// How one person is rung into a conference at `site`.
    pub fn attendee(&self, person: PersonId, site: &SiteId) -> Attendee {
        let known = self.people.get(&person);
        let home = known.and_then(|known| self.home_of(known)).unwrap_or(site).clone();
        let numbers = known.map(Person::callable).unwrap_or_default();
        Attendee { person, site: home, numbers }
    }

    /// The site whose telephones reach a person: that of the own extension, or the
    /// only one where the person has the duty. Village heads have none.
    pub fn home_of<'d>(&'d self, person: &'d Person) -> Option<&'d SiteId> {
        let desk = person.contacts.extension.as_ref();
        let desk = desk.and_then(|number| self.extensions.get(number)).map(|phone| &phone.site);
        desk.or_else(|| {
            let mut duties = person.roles.iter().filter(|held| held.role == RoleKind::SiteDuty);
            match duties.next().map(|held| &held.sites) {
                Some(Scope::Sites(sites)) if sites.len() == 1 => sites.first(),
                Some(Scope::Sites(_) | Scope::All) | None => None,
            }
        })
    }

    pub(super) fn check_conference(
        &self,
        conference: &ConferenceOpen,
        hidden_by: Option<&RecordRef>,
        path: &str,
        found: &mut Findings<'_>,
    ) {
        if let Some(owner) = hidden_by {
            found.taken(format!("{path}.room"), &conference.room, owner);
        }
        let (mut people, mut known, mut all_fixed) = (BTreeSet::new(), true, true);
        let rosters = conference.rosters.iter().take(ROSTERS_PER_CONFERENCE_MAX);
        for (at, name) in rosters.enumerate() {
            let RosterName::Fixed(id) = name else {
                all_fixed = false;
                continue;
            };
            match self.rosters.get(id) {
                Some(roster) => people.extend(roster.members.iter().map(|member| &member.person)),
                None => {
                    known = false;
                    found.unknown(format!("{path}.rosters.{at}"), RecordRef::Roster(id.clone()));
                }
            }
        }
        let (have, need) = (people.len(), conference.min_join);
        if have > ATTENDEES_MAX {
            let fault = fault!(
                TooMany,
                "这些名单合计 {have} 人，一次会议最多 {ATTENDEES_MAX} 人",
                "these rosters hold {have} people; a conference rings {ATTENDEES_MAX} at most",
                "减少名单，或分成几次会议",
                "name fewer rosters, or open several conferences",
            );
            found.add(format!("{path}.rosters"), fault);
        }
        // How many have the duty differs from site to site.
        let countable = known && all_fixed && !conference.rosters.is_empty();
        if countable && need as usize > have && need <= most() {
            let fault = fault!(
                OutOfRange,
                "这些名单合计只有 {have} 人，不会有 {need} 人加入",
                "these rosters hold {have} people, so {need} never join",
                "把 min_join 减到 {have} 以内，或加上名单",
                "lower min_join to {have}, or name more rosters",
            );
            found.add(format!("{path}.min_join"), fault);
        }
    }
}
