//! Conferences: those that this node takes part in, as it hears them, and those of
//! other sites as their facts tell. How loud somebody is is no news for a screen.

use std::collections::BTreeSet;

use serde::Serialize;
use weir_model::directory::Directory;
use weir_model::home::LiveConference;
use weir_model::id::SiteId;

use crate::api::conferences::{ConferenceAnswer, MemberAnswer};
use crate::web::mirrors::Seen;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ConferenceLine {
    id: String,
    number: String,
    title: String,
    root: String,
    /// Whether this node takes part in it: orders go through no other.
    here: bool,
    since_ms: u64,
    joined: u32,
    locked: bool,
    lecture: bool,
    /// Sites whose people are not heard now.
    missing: Vec<String>,
    members: Vec<MemberLine>,
    /// More are in it than are shown.
    members_more: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct MemberLine {
    who: String,
    name: String,
    site: String,
    state: String,
    mute: bool,
    speaks: bool,
}

/// A person of the directory, or a number.
fn name(directory: &Directory, who: &str) -> String {
    if let Some(person) = directory.people.get(who) {
        return person.name.clone();
    }
    let owner = directory.extensions.get(who).and_then(|one| one.owner.as_ref());
    let owner = owner.and_then(|owner| directory.people.get(owner));
    owner.map_or_else(|| who.to_owned(), |owner| owner.name.clone())
}

pub(crate) fn conferences(
    directory: &Directory,
    seen: &Seen,
    here: Vec<ConferenceAnswer>,
) -> Vec<ConferenceLine> {
    let mut known: BTreeSet<String> = here.iter().map(|one| one.id.clone()).collect();
    let mut all: Vec<_> = here.into_iter().map(|one| heard(directory, one)).collect();
    for (site, one) in seen {
        for one in one.conferences.values().flat_map(|of| &of.live) {
            if known.insert(one.conference.to_string()) {
                all.push(told(directory, site, one));
            }
        }
    }
    all
}

fn heard(directory: &Directory, one: ConferenceAnswer) -> ConferenceLine {
    let member = |member: MemberAnswer| MemberLine {
        name: name(directory, &member.who),
        who: member.who,
        site: member.site,
        state: member.state,
        mute: member.muted,
        speaks: member.speaks,
    };
    ConferenceLine {
        id: one.id,
        number: one.number,
        title: one.title,
        root: one.root,
        here: true,
        since_ms: one.since_ms,
        joined: one.joined,
        locked: one.locked,
        lecture: one.lecture,
        missing: one.missing,
        members: one.members.into_iter().map(member).collect(),
        members_more: 0,
    }
}

fn told(directory: &Directory, site: &SiteId, one: &LiveConference) -> ConferenceLine {
    let members = one.present.iter().map(|member| MemberLine {
        who: member.who.clone(),
        name: name(directory, &member.who),
        site: member.site.to_string(),
        state: "joined".into(),
        mute: false,
        speaks: false,
    });
    ConferenceLine {
        id: one.conference.to_string(),
        number: one.number.clone(),
        title: String::new(),
        root: site.to_string(),
        here: false,
        since_ms: one.since.0,
        joined: one.joined,
        locked: false,
        lecture: false,
        missing: Vec::new(),
        members: members.collect(),
        members_more: one.present_more,
    }
}
