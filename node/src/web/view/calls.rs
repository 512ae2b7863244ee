//! Telephone calls of every site whose facts are here. Who is rung is known at the
//! node that rings them only; of other nodes there is what their facts tell, as old
//! as these are. A missed emergency stays until a person says that it was seen.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::directory::Directory;
use weir_model::home::{EndedCall, LiveCall};
use weir_model::id::{CallId, Extension, NodeId, PersonId, SiteId, WallMs};

use super::board::person;
use crate::api::calls::CallAnswer;
use crate::web::mirrors::Seen;

/// How long an ended call stays on the screen.
const ENDED_MS: u64 = 10 * 60_000;
const LIVE_MAX: usize = 200;
const ENDED_MAX: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    /// Emergencies first, then the newest.
    live: Vec<CallLine>,
    /// How many more go on than are shown.
    live_more: usize,
    /// Missed emergencies that nobody has seen, oldest first.
    missed: Vec<CallLine>,
    missed_more: u64,
    /// Newest first.
    ended: Vec<CallLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct CallLine {
    id: String,
    site: String,
    node: u64,
    /// Whether the node that shows this holds the call: only that one can end it.
    here: bool,
    from: String,
    from_name: Option<String>,
    dialled: String,
    dialled_name: Option<String>,
    /// Who answered.
    by: Option<String>,
    by_name: Option<String>,
    /// Who is rung; known at the call's own node only.
    rings: Vec<String>,
    /// `ringing`, `talked`, `held` or `ended`.
    state: String,
    /// When it began or was answered; of an ended one, when it ended.
    at_ms: u64,
    emergency: bool,
    missed: bool,
    /// Why it ended, such as `caller_hung_up`.
    why: Option<&'static str>,
    talked_ms: Option<u64>,
    seen: Option<SeenBy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SeenBy {
    who: String,
    name: String,
    at_ms: u64,
}

/// Who looks, and when.
pub(crate) struct Here<'a> {
    pub(crate) node: NodeId,
    pub(crate) site: &'a SiteId,
    /// This node's calls as it holds them.
    pub(crate) live: Vec<CallAnswer>,
    pub(crate) now: WallMs,
}

type SeenCalls = BTreeMap<CallId, (PersonId, WallMs)>;

/// Whose telephone a number is.
struct Names<'d>(BTreeMap<&'d str, &'d str>);

impl<'d> Names<'d> {
    fn of(directory: &'d Directory) -> Self {
        let mut names = BTreeMap::new();
        for person in directory.people.values() {
            let desk = person.contacts.extension.as_ref().map(Extension::as_str);
            for number in desk.into_iter().chain(person.contacts.mobile.as_deref()) {
                names.entry(number).or_insert(person.name.as_str());
            }
        }
        // A telephone's own record knows best.
        let owned = directory.extensions.values().filter_map(|one| {
            let owner = directory.people.get(one.owner.as_ref()?)?;
            Some((one.number.as_str(), owner.name.as_str()))
        });
        names.extend(owned);
        Self(names)
    }

    fn of_number(&self, number: &str) -> Option<String> {
        self.0.get(number).map(|name| (*name).to_owned())
    }
}

pub(crate) fn seen_calls(seen: &Seen) -> SeenCalls {
    seen.values().flat_map(|site| &site.seen).map(|(call, by)| (*call, by.clone())).collect()
}

pub(crate) fn calls(directory: &Directory, seen: &Seen, here: Here<'_>) -> Calls {
    let known = seen_calls(seen);
    let names = Names::of(directory);
    let both = (directory, &names);
    let mut all = Calls::default();
    for (site, node, of) in seen
        .iter()
        .flat_map(|(site, one)| one.calls.iter().map(move |(node, calls)| (site, *node, calls)))
    {
        let at = (site, node, node == here.node);
        if node != here.node {
            all.live.extend(of.live.iter().map(|call| live(&names, at, call)));
        }
        let unseen = of.missed.iter().filter(|call| !known.contains_key(&call.call));
        all.missed.extend(unseen.map(|call| ended(both, at, call, &known)));
        all.missed_more = all.missed_more.saturating_add(of.missed_more);
        let late = of.ended.iter().filter(|call| here.now.since(call.at) < ENDED_MS);
        all.ended.extend(late.map(|call| ended(both, at, call, &known)));
    }
    let own = here.live.into_iter().map(|call| held(&names, (here.site, here.node, true), call));
    all.live.extend(own);
    all.live.sort_by(|a, b| {
        b.emergency.cmp(&a.emergency).then(b.at_ms.cmp(&a.at_ms)).then(a.id.cmp(&b.id))
    });
    all.live_more = all.live.len().saturating_sub(LIVE_MAX);
    all.live.truncate(LIVE_MAX);
    all.missed.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    all.ended.sort_by(|a, b| (b.at_ms, &b.id).cmp(&(a.at_ms, &a.id)));
    all.ended.truncate(ENDED_MAX);
    all
}

type At<'a> = (&'a SiteId, NodeId, bool);

fn line(names: &Names<'_>, (site, node, here): At<'_>, from: &str, dialled: &str) -> CallLine {
    CallLine {
        id: String::new(),
        site: site.to_string(),
        node: node.0,
        here,
        from: from.to_owned(),
        from_name: names.of_number(from),
        dialled: dialled.to_owned(),
        dialled_name: names.of_number(dialled),
        by: None,
        by_name: None,
        rings: Vec::new(),
        state: "ended".into(),
        at_ms: 0,
        emergency: false,
        missed: false,
        why: None,
        talked_ms: None,
        seen: None,
    }
}

fn live(names: &Names<'_>, at: At<'_>, call: &LiveCall) -> CallLine {
    CallLine {
        id: call.call.to_string(),
        by: Some(call.by.clone()),
        by_name: names.of_number(&call.by),
        state: if call.held { "held" } else { "talked" }.into(),
        at_ms: call.since.0,
        emergency: call.emergency,
        ..line(names, at, &call.from, &call.dialled)
    }
}

fn held(names: &Names<'_>, at: At<'_>, call: CallAnswer) -> CallLine {
    CallLine {
        by_name: call.by.as_deref().and_then(|by| names.of_number(by)),
        at_ms: call.since_ms,
        emergency: call.emergency,
        ..CallLine {
            id: call.id,
            by: call.by,
            rings: call.rings,
            state: call.state,
            ..line(names, at, &call.from, &call.dialled)
        }
    }
}

fn ended(
    (directory, names): (&Directory, &Names<'_>),
    at: At<'_>,
    call: &EndedCall,
    known: &SeenCalls,
) -> CallLine {
    let seen = known.get(&call.call).map(|(who, at)| SeenBy {
        who: who.to_string(),
        name: person(directory, who),
        at_ms: at.0,
    });
    CallLine {
        id: call.call.to_string(),
        by: call.by.clone(),
        by_name: call.by.as_deref().and_then(|by| names.of_number(by)),
        at_ms: call.at.0,
        emergency: call.emergency,
        missed: call.missed,
        why: Some(call.why.code()),
        talked_ms: call.talked_ms,
        seen,
        ..line(names, at, &call.from, &call.dialled)
    }
}
