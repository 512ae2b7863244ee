//! Steps that reach people: calls down a roster until somebody acknowledges, and
//! messages to everyone on it; and the questions that both ask of the directory:
//! who is on a list, who stands in, where a person is reached. A text that names
//! a time is refused as for pages; a roster too long to keep track of is refused
//! when the plan is read, not on the night.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::plan::{Sound, unfilled};
use super::spoken::check_spoken;
use super::word::words;
use super::{Directory, Member, Person, RecordRef, RoleKind};
use crate::id::{Extension, NameError, PersonId, RosterId, SiteId};

/// The roster that every site has: its own duty people, by rank.
pub const SITE_DUTY: &str = "site.duty";
/// Most people that one step calls or messages.
pub const PEOPLE_PER_STEP_MAX: usize = 128;
/// Most bytes that their ids take, so that one fact can name all of them.
const PEOPLE_BYTES_MAX: usize = 3_072;
/// The highest key that acknowledges.
pub const ACK_MAX: u8 = 9;
/// Most further tries at one person.
pub const RETRY_MAX: u32 = 3;
/// Most calls that a plan makes for one member, to those who stand in included.
pub const CALLS_PER_MEMBER_MAX: usize = 14;

words! {
    /// In which order the members of a roster are called.
    CallMode {
        /// All members at once.
        Parallel = "blast", "群呼";
        /// The next member when the one before is over.
        Sequential = "sequential", "依次";
    }
}

/// A roster as a plan names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RosterName {
    /// `site.duty`: the duty people of the launch site.
    SiteDuty,
    Fixed(RosterId),
}

impl TryFrom<String> for RosterName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text == SITE_DUTY { Ok(Self::SiteDuty) } else { RosterId::new(text).map(Self::Fixed) }
    }
}

impl std::str::FromStr for RosterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl From<RosterName> for String {
    fn from(name: RosterName) -> String {
        name.to_string()
    }
}

impl fmt::Display for RosterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SiteDuty => f.write_str(SITE_DUTY),
            Self::Fixed(roster) => roster.fmt(f),
        }
    }
}

/// Of how many an acknowledgement is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Need {
    /// Of every member, or of one who stands in for them.
    #[serde(rename = "all")]
    All,
    /// Of so many different people; then the rest is left in peace.
    #[serde(rename = "count")]
    Count(u32),
}

/// Rings people, plays them something and wants a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRoster {
    pub roster: RosterName,
    pub sound: Sound,
    /// The key that acknowledges, 0 to 9.
    pub ack: u8,
    pub mode: CallMode,
    /// How long one attempt rings.
    pub timeout_s: u32,
    /// Further tries at each person.
    pub retry: u32,
    pub need: Need,
}

/// Sends a text to everyone on a roster. `{site}` stands for the launch site's
/// name; any other blank is refused, for nobody could fill it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub roster: RosterName,
    pub text_zh: String,
    pub text_en: Option<String>,
}

/// Where a person is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Contact {
    Extension(Extension),
    /// A number of the public network, perhaps after a `+`.
    Phone(String),
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(number) => number.fmt(f),
            Self::Phone(number) => number.fmt(f),
        }
    }
}

impl Person {
    /// Where to call the person, the best first.
    pub fn callable(&self) -> Vec<Contact> {
        let desk = self.contacts.extension.clone().map(Contact::Extension);
        desk.into_iter().chain(self.contacts.mobile.clone().map(Contact::Phone)).collect()
    }

    /// Where messages go: the number for them, or the mobile, or the extension.
    pub fn messaged(&self) -> Option<Contact> {
        let phone = self.contacts.sms.clone().or_else(|| self.contacts.mobile.clone());
        let desk = || self.contacts.extension.clone().map(Contact::Extension);
        phone.map(Contact::Phone).or_else(desk)
    }
}

impl CallRoster {
    pub(super) fn check(&self, path: &str, found: &mut Findings<'_>) {
        self.sound.check(path, found);
        found.range(format!("{path}.ack"), self.ack.into(), 0, ACK_MAX.into());
        found.range(format!("{path}.timeout_s"), self.timeout_s, 10, 120);
        found.range(format!("{path}.retry"), self.retry, 0, RETRY_MAX);
        if let Need::Count(need) = self.need {
            let most = u32::try_from(PEOPLE_PER_STEP_MAX).unwrap_or(u32::MAX);
            found.range(format!("{path}.need"), need, 1, most);
        }
    }
}

impl Message {
    pub(super) fn check(&self, path: &str, found: &mut Findings<'_>) {
        let english = self.text_en.as_deref().map(|text| ("text_en", text));
        for (key, text) in [("text_zh", self.text_zh.as_str())].into_iter().chain(english) {
            let path = format!("{path}.{key}");
            check_spoken(&path, text, found);
            if text.replace("{site}", "").contains('{') {
                found.add(path, unfilled());
            }
        }
    }

    /// The text as `site` sends it.
    pub fn text(&self, directory: &Directory, site: &SiteId) -> String {
        let known = directory.sites.get(site);
        let zh = known.map_or(site.as_str(), |site| site.name_zh.as_str());
        let en = known.and_then(|site| site.name_en.as_deref()).unwrap_or(zh);
        let mut text = self.text_zh.replace("{site}", zh);
        if let Some(english) = &self.text_en {
            text.push('\n');
            text.push_str(&english.replace("{site}", en));
        }
        text
    }
}

/// Whether one step can keep track of all these.
pub(crate) fn is_trackable<'p>(people: impl Iterator<Item = &'p PersonId>) -> bool {
    let sizes: Vec<usize> = people.map(|person| person.as_str().len() + 2).collect();
    sizes.len() <= PEOPLE_PER_STEP_MAX && sizes.iter().sum::<usize>() <= PEOPLE_BYTES_MAX
}

impl Directory {
    /// The duty people of `site`, who are those whose duty names it: the best
    /// rank first, then by id.
    pub fn duty(&self, site: &SiteId) -> Vec<&Person> {
        let on_duty = |person: &&Person| {
            let mut held = person.roles.iter();
            held.any(|held| held.role == RoleKind::SiteDuty && held.sites.names(site))
        };
        let mut people: Vec<&Person> = self.people.values().filter(on_duty).collect();
        people.sort_by_key(|person| person.rank);
        people
    }

    /// Who is on a roster when a plan is launched at `site`, in the order of
    /// calling, each person once. Of a site's duty, everyone of a lower rank
    /// stands in for those above.
    pub fn members(&self, roster: &RosterName, site: &SiteId) -> Vec<Member> {
        match roster {
            RosterName::Fixed(id) => {
                let members = self.rosters.get(id).map(|roster| roster.members.clone());
                let mut named = BTreeSet::new();
                let mut members = members.unwrap_or_default();
                members.retain(|member| named.insert(member.person.clone()));
                members
            }
            RosterName::SiteDuty => {
                let people: Vec<_> =
                    self.duty(site).into_iter().map(|person| person.id.clone()).collect();
                let next = |at: usize| people.iter().skip(at + 1).cloned().collect();
                let member = |(at, id): (usize, &PersonId)| Member {
                    person: id.clone(),
                    substitutes: next(at),
                };
                people.iter().enumerate().map(member).collect()
            }
        }
    }

    pub(super) fn check_people(&self, name: &RosterName, path: &str, found: &mut Findings<'_>) {
        let RosterName::Fixed(id) = name else { return };
        let path = format!("{path}.roster");
        let Some(roster) = self.rosters.get(id) else {
            return found.unknown(path, RecordRef::Roster(id.clone()));
        };
        if !is_trackable(roster.members.iter().map(|member| &member.person)) {
            let most = PEOPLE_PER_STEP_MAX;
            let fault = fault!(
                TooMany,
                "名单 {id} 对一个步骤来说太长",
                "the roster {id} is too long for one step",
                "拆成不超过 {most} 人的名单，编号合计不超过 {PEOPLE_BYTES_MAX} 字节",
                "split it: at most {most} people, their ids at most {PEOPLE_BYTES_MAX} bytes",
            );
            found.add(path, fault);
        }
    }

    /// More acknowledgements than there are people could never be had, and who
    /// stands in last must still be called.
    pub(super) fn check_calls(&self, call: &CallRoster, path: &str, found: &mut Findings<'_>) {
        let RosterName::Fixed(id) = &call.roster else { return };
        let Some(roster) = self.rosters.get(id) else { return };
        let most = roster.members.iter().map(|member| 1 + member.substitutes.len()).max();
        let calls = most.unwrap_or(0).saturating_mul(1 + call.retry as usize);
        if calls > CALLS_PER_MEMBER_MAX && call.retry <= RETRY_MAX {
            let fault = fault!(
                OutOfRange,
                "名单 {id} 中一人及其替补最多要呼叫 {calls} 次",
                "one member of {id} and those who stand in would take {calls} calls",
                "减少 retry 或替补，使每人不超过 {CALLS_PER_MEMBER_MAX} 次",
                "lower retry or name fewer substitutes; {CALLS_PER_MEMBER_MAX} are the most",
            );
            found.add(format!("{path}.retry"), fault);
        }
        let Need::Count(need) = call.need else { return };
        let members = roster.members.iter();
        let people = members.flat_map(|one| std::iter::once(&one.person).chain(&one.substitutes));
        let people = people.collect::<BTreeSet<_>>().len();
        if need as usize > people {
            found.at_most(format!("{path}.need"), need as usize, people);
        }
    }
}
