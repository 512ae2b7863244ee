//! What sites tell each other of a conference, whole every time, so that nothing
//! depends on what was told before; and the trunk to the root, which is asked
//! for again by itself.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::id::SiteId;

use super::order::{Limits, Output, State};
use super::rules::Rules;

/// Members of other sites that are remembered.
pub(super) const SEEN_MAX: usize = 4_096;

/// A member as another site sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub who: String,
    pub site: SiteId,
    pub state: State,
}

/// From a branch to the root: its own members. From the root to a branch: all
/// others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub room: u64,
    pub from: SiteId,
    pub rules: Rules,
    /// From a branch: the epoch at which both were last known to agree. From the
    /// root: up to which of the branch's orders it has judged.
    pub agreed: u64,
    pub members: Vec<Seen>,
    /// Sites that the root does not reach.
    pub missing: BTreeSet<SiteId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trunk {
    Closed,
    Asked { until_ms: u64 },
    Open,
    Waiting { until_ms: u64 },
}

/// The way to one other site.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) up: bool,
    trunk: Trunk,
    trunk_tries: u32,
    pub(super) members: BTreeMap<(String, SiteId), State>,
    pub(super) missing: BTreeSet<SiteId>,
    /// Of the root: up to which of the site's orders it has judged.
    pub(super) judged: u64,
    told: Option<Picture>,
    tell_ms: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: false,
            trunk: Trunk::Closed,
            trunk_tries: 0,
            members: BTreeMap::new(),
            missing: BTreeSet::new(),
            judged: 0,
            told: None,
            tell_ms: 0,
        }
    }
}

impl Link {
    /// `false`: that was known.
    pub(super) fn turn(&mut self, up: bool) -> bool {
        // Whatever was told before may not have arrived.
        self.told = None;
        self.tell_ms = 0;
        self.trunk_tries = 0;
        std::mem::replace(&mut self.up, up) != up
    }

    pub(super) fn hear(&mut self, members: impl Iterator<Item = Seen>) {
        let members = members.take(SEEN_MAX).map(|seen| ((seen.who, seen.site), seen.state));
        self.members = members.collect();
    }

    /// `at_once`: no patience.
    pub(super) fn may_tell(&self, now_ms: u64, at_once: bool) -> bool {
        self.up && (now_ms >= self.tell_ms || at_once)
    }

    /// The picture, if anything in it is new.
    pub(super) fn tell(
        &mut self,
        now_ms: u64,
        picture: Picture,
        limits: &Limits,
    ) -> Option<Box<Picture>> {
        if self.told.as_ref() == Some(&picture) {
            return None;
        }
        self.tell_ms = now_ms.saturating_add(limits.share_ms);
        self.told = Some(picture.clone());
        Some(Box::new(picture))
    }

    /// When the next picture may go out, while that is not yet.
    pub(super) fn tell_ms(&self, now_ms: u64) -> Option<u64> {
        (self.up && self.tell_ms > now_ms).then_some(self.tell_ms)
    }

    pub(super) fn trunk_ms(&self) -> Option<u64> {
        match self.trunk {
            Trunk::Asked { until_ms } | Trunk::Waiting { until_ms } => Some(until_ms),
            Trunk::Closed | Trunk::Open => None,
        }
    }

    /// The driver says so.
    pub(super) fn trunk(&mut self, now_ms: u64, up: bool, limits: &Limits) {
        if up {
            (self.trunk, self.trunk_tries) = (Trunk::Open, 0);
        } else if self.trunk != Trunk::Closed {
            self.wait(now_ms, limits);
        }
    }

    fn wait(&mut self, now_ms: u64, limits: &Limits) {
        let wait_ms = limits.trunk_ms.max(1_000) << self.trunk_tries.min(3);
        self.trunk_tries = self.trunk_tries.saturating_add(1);
        self.trunk = Trunk::Waiting { until_ms: now_ms.saturating_add(wait_ms) };
    }

    /// Opens what is wanted and closes what is not. `asks`: it is this site that
    /// asks; the other only accepts.
    pub(super) fn keep_trunk(
        &mut self,
        now_ms: u64,
        (site, asks, wanted): (&SiteId, bool, bool),
        limits: &Limits,
        out: &mut Vec<Output>,
    ) {
        match self.trunk {
            Trunk::Asked { .. } | Trunk::Open if !wanted => {
                self.trunk = Trunk::Closed;
                out.push(Output::CloseTrunk { site: site.clone() });
            }
            Trunk::Waiting { .. } if !wanted || !asks => self.trunk = Trunk::Closed,
            Trunk::Asked { until_ms } if now_ms >= until_ms => {
                out.push(Output::CloseTrunk { site: site.clone() });
                self.wait(now_ms, limits);
            }
            Trunk::Closed if wanted && asks => self.ask(now_ms, site, limits, out),
            Trunk::Waiting { until_ms } if now_ms >= until_ms => {
                self.ask(now_ms, site, limits, out);
            }
            Trunk::Closed | Trunk::Asked { .. } | Trunk::Open | Trunk::Waiting { .. } => {}
        }
    }

    fn ask(&mut self, now_ms: u64, site: &SiteId, limits: &Limits, out: &mut Vec<Output>) {
        let until_ms = now_ms.saturating_add(limits.trunk_ms.max(1_000));
        self.trunk = Trunk::Asked { until_ms };
        out.push(Output::OpenTrunk { site: site.clone() });
    }
}
