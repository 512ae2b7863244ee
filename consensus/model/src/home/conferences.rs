//! The conferences that a site leads and led, as the facts tell: who is in each
//! now, and the newest that are over. Times are those of the facts, so that a
//! replay shows what life showed. Bounded, whatever a journal says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::fact::{FactBody, LeaveReason};
use crate::id::{ActivationId, ConferenceId, SiteId, WallMs};

/// Most conferences that are shown as going on.
pub const LIVE_CONFERENCES_MAX: usize = 64;
/// How many of the ended ones are shown.
pub const ENDED_CONFERENCES_SHOWN: usize = 50;
/// Most people shown in one conference; the others are counted.
pub const PRESENT_SHOWN: usize = 128;

/// Somebody who is in a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// A person of the directory, or a number.
    pub who: String,
    pub site: SiteId,
    pub since: WallMs,
}

/// A conference that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveConference {
    pub conference: ConferenceId,
    pub number: String,
    /// The run whose step opened it.
    pub by: Option<ActivationId>,
    pub since: WallMs,
    /// In the order in which they came.
    pub present: Vec<Present>,
    /// How many more are in it than are shown.
    pub present_more: u32,
    /// How many different people have been in it so far; of more than
    /// [`PRESENT_SHOWN`] nobody keeps count.
    pub joined: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedConference {
    pub conference: ConferenceId,
    pub number: String,
    pub by: Option<ActivationId>,
    pub since: WallMs,
    pub joined: u32,
    pub at: WallMs,
}

/// A copy for screens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferencesPicture {
    /// Oldest first.
    pub live: Vec<LiveConference>,
    /// Newest first.
    pub ended: Vec<EndedConference>,
}

#[derive(Debug, Clone)]
struct Open {
    live: LiveConference,
    /// Whoever has been in it: no more are remembered than are shown.
    seen: BTreeSet<String>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct ConferenceLog {
    live: BTreeMap<ConferenceId, Open>,
    /// Oldest first.
    ended: VecDeque<EndedConference>,
}

impl ConferenceLog {
    pub(super) fn fold(&mut self, at: WallMs, body: &FactBody) {
        match body.clone().with_clipped_numbers() {
            FactBody::ConferenceOpened { conference, number, by } => {
                self.opened(at, conference, number, by);
            }
            FactBody::ConferenceJoined { conference, who, site } => {
                if let Some(open) = self.live.get_mut(&conference) {
                    open.joined(Present { who, site, since: at });
                }
            }
            FactBody::ConferenceLeft { conference, who, .. } => {
                if let Some(open) = self.live.get_mut(&conference) {
                    open.left(&who);
                }
            }
            FactBody::ConferenceEnded { conference, joined } => {
                if let Some(open) = self.live.remove(&conference) {
                    self.ends(at, LiveConference { joined, ..open.live });
                }
            }
            // The node lost its journal's past, or was set back: whatever it led
            // it leads no more.
            FactBody::Began { .. } => {
                for open in std::mem::take(&mut self.live).into_values() {
                    self.ends(at, open.live);
                }
            }
            _ => {}
        }
    }

    fn opened(
        &mut self,
        at: WallMs,
        conference: ConferenceId,
        number: String,
        by: Option<ActivationId>,
    ) {
        // Told twice is opened once; one that had ended goes on.
        if self.live.contains_key(&conference) {
            return;
        }
        self.ended.retain(|one| one.conference != conference);
        if self.live.len() >= LIVE_CONFERENCES_MAX {
            let oldest = self.live.values().min_by_key(|one| (one.live.since, one.live.conference));
            let oldest = oldest.map(|one| one.live.conference);
            if let Some(open) = oldest.and_then(|oldest| self.live.remove(&oldest)) {
                self.ends(at, open.live);
            }
        }
        let (present, present_more, joined) = (Vec::new(), 0, 0);
        let since = at;
        let live = LiveConference { conference, number, by, since, present, present_more, joined };
        self.live.insert(conference, Open { live, seen: BTreeSet::new() });
    }

    fn ends(&mut self, at: WallMs, live: LiveConference) {
        let LiveConference { conference, number, by, since, joined, .. } = live;
        self.ended.push_back(EndedConference { conference, number, by, since, joined, at });
        if self.ended.len() > ENDED_CONFERENCES_SHOWN {
            self.ended.pop_front();
        }
    }

    pub(super) fn picture(&self) -> ConferencesPicture {
        let mut live: Vec<LiveConference> =
            self.live.values().map(|open| open.live.clone()).collect();
        live.sort_by_key(|one| (one.since, one.conference));
        ConferencesPicture { live, ended: self.ended.iter().rev().cloned().collect() }
    }

    /// Conferences that went on when the node fell, as facts of their end.
    pub(super) fn orphans(&self) -> Vec<FactBody> {
        let ends = self.live.values().flat_map(|open| {
            let LiveConference { conference, present, joined, .. } = &open.live;
            let (conference, joined) = (*conference, *joined);
            let why = LeaveReason::NodeStopped;
            let left = present.iter().map(move |one| {
                let who = one.who.clone();
                FactBody::ConferenceLeft { conference, who, why }
            });
            left.chain([FactBody::ConferenceEnded { conference, joined }])
        });
        ends.collect()
    }
}

impl Open {
    fn joined(&mut self, one: Present) {
        let Self { live, seen } = self;
        if seen.len() < PRESENT_SHOWN && seen.insert(one.who.clone()) {
            live.joined += 1;
        }
        // By another telephone, or told twice: one person is there once.
        live.present.retain(|before| before.who != one.who);
        if live.present.len() < PRESENT_SHOWN {
            live.present.push(one);
        } else {
            live.present_more = live.present_more.saturating_add(1);
        }
    }

    fn left(&mut self, who: &str) {
        let before = self.live.present.len();
        self.live.present.retain(|one| one.who != who);
        if self.live.present.len() == before {
            self.live.present_more = self.live.present_more.saturating_sub(1);
        }
    }
}
