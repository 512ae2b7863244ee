//! What a site's telephones do and did, as the facts tell: calls that go on, the
//! newest that ended, and emergency calls that nobody answered, which stay until
//! a person says that they were seen. Times are those of the facts, so that a
//! replay shows what life showed. Bounded, whatever a journal says.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Home;
use crate::fact::{CallEnd, FactBody};
use crate::id::{CallId, WallMs};

/// Most calls that are shown as going on.
pub const LIVE_CALLS_MAX: usize = 2_000;
/// How many of the ended ones are shown.
pub const ENDED_CALLS_SHOWN: usize = 100;
/// Most missed emergencies that wait for a person; of more, the oldest go.
pub const MISSED_CALLS_MAX: usize = 64;

/// A call that was answered and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    pub call: CallId,
    pub from: String,
    pub dialled: String,
    pub by: String,
    pub emergency: bool,
    pub held: bool,
    /// When it was answered.
    pub since: WallMs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedCall {
    pub call: CallId,
    pub from: String,
    pub dialled: String,
    pub by: Option<String>,
    pub why: CallEnd,
    pub talked_ms: Option<u64>,
    pub emergency: bool,
    pub missed: bool,
    pub at: WallMs,
}

/// A copy for screens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsPicture {
    /// Oldest first.
    pub live: Vec<LiveCall>,
    /// Newest first.
    pub ended: Vec<EndedCall>,
    /// Missed emergencies that nobody has seen yet, oldest first.
    pub missed: Vec<EndedCall>,
    /// How many more were missed than are shown.
    pub missed_more: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct CallLog {
    live: BTreeMap<CallId, LiveCall>,
    /// Oldest first.
    ended: VecDeque<EndedCall>,
    missed: VecDeque<EndedCall>,
    missed_more: u64,
}

impl CallLog {
    pub(super) fn fold(&mut self, at: WallMs, body: &FactBody) {
        match body.clone().with_clipped_numbers() {
            FactBody::CallAnswered { call, from, dialled, by, emergency } => {
                let live = LiveCall { call, from, dialled, by, emergency, held: false, since: at };
                if self.live.len() >= LIVE_CALLS_MAX && !self.live.contains_key(&call) {
                    let oldest = self.live.values().min_by_key(|one| (one.since, one.call));
                    if let Some(oldest) = oldest.map(|one| one.call) {
                        self.live.remove(&oldest);
                    }
                }
                self.live.insert(call, live);
            }
            FactBody::CallChanged { call, held } => {
                if let Some(live) = self.live.get_mut(&call) {
                    live.held = held;
                }
            }
            FactBody::CallEnded { call, from, dialled, by, why, talked_ms, emergency, missed } => {
                self.live.remove(&call);
                self.ends(EndedCall {
                    call,
                    from,
                    dialled,
                    by,
                    why,
                    talked_ms,
                    emergency,
                    missed,
                    at,
                });
            }
            FactBody::CallSeen { call, .. } => self.missed.retain(|one| one.call != call),
            // The node lost its journal's past, or was set back: whoever held
            // these calls is not there to end them.
            FactBody::Began { .. } => {
                for live in std::mem::take(&mut self.live).into_values() {
                    self.ends(EndedCall { at, ..unfinished(live, CallEnd::Unknown) });
                }
            }
            _ => {}
        }
    }

    fn ends(&mut self, ended: EndedCall) {
        // What stood as unknown, or was told twice, is told better now.
        self.ended.retain(|one| one.call != ended.call);
        self.missed.retain(|one| one.call != ended.call);
        if ended.emergency && ended.missed {
            self.missed.push_back(ended.clone());
        }
        if self.missed.len() > MISSED_CALLS_MAX {
            self.missed.pop_front();
            self.missed_more = self.missed_more.saturating_add(1);
        }
        self.ended.push_back(ended);
        if self.ended.len() > ENDED_CALLS_SHOWN {
            self.ended.pop_front();
        }
    }

    pub(super) fn picture(&self) -> CallsPicture {
        let mut live: Vec<LiveCall> = self.live.values().cloned().collect();
        live.sort_by_key(|one| (one.since, one.call));
        CallsPicture {
            live,
            ended: self.ended.iter().rev().cloned().collect(),
            missed: self.missed.iter().cloned().collect(),
            missed_more: self.missed_more,
        }
    }
}

/// A call as it stands when nobody saw it end.
fn unfinished(live: LiveCall, why: CallEnd) -> EndedCall {
    let LiveCall { call, from, dialled, by, emergency, since, .. } = live;
    let (by, talked_ms, missed) = (Some(by), None, false);
    EndedCall { call, from, dialled, by, why, talked_ms, emergency, missed, at: since }
}

impl Home {
    /// A fact about a call or a conference, or one that bears on all of them, with
    /// the stamp that the journal gave it. The machine does nothing about it.
    pub fn heard_of_call(&mut self, at: WallMs, body: &FactBody) {
        self.calls.fold(at, body);
        self.conferences.fold(at, body);
    }

    /// Calls and conferences that were going on when the node fell, as facts of
    /// their end for the driver to write at its start. Asked before any new call.
    pub fn orphaned_calls(&self) -> Vec<FactBody> {
        let ends = self.calls.live.values().cloned().map(|live| {
            let EndedCall { call, from, dialled, by, why, talked_ms, emergency, missed, .. } =
                unfinished(live, CallEnd::NodeStopped);
            FactBody::CallEnded { call, from, dialled, by, why, talked_ms, emergency, missed }
        });
        ends.chain(self.conferences.orphans()).collect()
    }
}
