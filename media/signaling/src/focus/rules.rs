//! What was ordered for the whole conference: one record that every site keeps.
//! Sites that were cut off may have ordered different things; the root decides,
//! and decides the same whoever tells first.

use std::collections::BTreeSet;

use weir_model::id::SiteId;

/// Names that may be mute or removed.
const NAMED_MAX: usize = 1_024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// One more with every order.
    pub epoch: u64,
    /// Of who gave the last order, and where.
    pub rank: u8,
    pub site: SiteId,
    pub locked: bool,
    pub lecture: bool,
    pub ended: bool,
    pub muted: BTreeSet<String>,
    pub removed: BTreeSet<String>,
}

impl Rules {
    pub(super) fn new(site: SiteId) -> Self {
        Self {
            epoch: 0,
            rank: 0,
            site,
            locked: false,
            lecture: false,
            ended: false,
            muted: BTreeSet::new(),
            removed: BTreeSet::new(),
        }
    }

    /// An order was given here.
    pub(super) fn change(&mut self, rank: u8, site: &SiteId, agreed: u64) {
        // What was ordered since both agreed stands or falls together.
        let rank = if self.epoch > agreed { self.rank.max(rank) } else { rank };
        self.epoch = self.epoch.saturating_add(1);
        (self.rank, self.site) = (rank, site.clone());
    }

    /// From the wire: no more names than there may be.
    pub(super) fn bound(&mut self) {
        for names in [&mut self.muted, &mut self.removed] {
            while names.len() > NAMED_MAX {
                names.pop_last();
            }
        }
    }

    /// The root's judgement of what a branch tells, which last agreed with it at
    /// epoch `agreed`: the newer, or, where both have ordered since, the higher
    /// rank. What wins a dispute becomes newer than both.
    pub(super) fn judge(&mut self, told: Self, agreed: u64) {
        if told.epoch <= agreed {
            return;
        }
        if self.epoch <= agreed {
            *self = told;
            return;
        }
        if told == *self {
            return;
        }
        let epoch = self.epoch.max(told.epoch).saturating_add(1);
        let strength = |rules: &Self| (rules.rank, rules.epoch);
        // Of equals, the site that comes first: the same whoever tells.
        let theirs = strength(&told) > strength(self)
            || (strength(&told) == strength(self) && told.site < self.site);
        if theirs {
            *self = told;
        }
        self.epoch = epoch;
    }

    /// A branch hears the root. What it ordered itself since `agreed` is kept
    /// until the root has judged it.
    pub(super) fn adopt(&mut self, told: Self, judged: u64, agreed: &mut u64) {
        let unjudged = self.epoch > *agreed && judged < self.epoch;
        if told.epoch >= self.epoch && !unjudged {
            *agreed = told.epoch;
            *self = told;
        }
    }
}
