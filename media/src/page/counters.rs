//! What paging did, counted. Plain numbers that only grow; who shows them is
//! not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::fact::EffectResult;

use crate::voice::PlayerCounters;

/// A reading of all counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PagerCounters {
    pub pages_done: u64,
    /// Pre-empted ones and those below their evidence too.
    pub pages_failed: u64,
    pub pages_unreachable: u64,
    pub pages_ceased: u64,
    /// Their window passed while they waited.
    pub pages_not_begun: u64,
    pub calls_placed: u64,
    pub speakers_answered: u64,
    /// Calls that came to nothing.
    pub speakers_failed: u64,
    /// Calls whose reports proved that sound arrives.
    pub speakers_receiving: u64,
    pub packets_sent: u64,
    /// The host did not take them.
    pub packets_unsent: u64,
    /// Left out because the node was held up.
    pub frames_late: u64,
    /// Dialogs of an earlier life that surely ended, and those given up.
    pub stale_ended: u64,
    pub stale_given_up: u64,
    /// The file of calls under way could not be written.
    pub notes_unwritten: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) done: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) ceased: AtomicU64,
    pub(super) not_begun: AtomicU64,
    pub(super) placed: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) receiving: AtomicU64,
    pub(super) stale_ended: AtomicU64,
    pub(super) stale_given_up: AtomicU64,
    pub(super) notes_unwritten: AtomicU64,
    pub(super) player: Arc<PlayerCounters>,
}

pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(super) fn ended(&self, result: &EffectResult) {
        match result {
            EffectResult::Done => one(&self.done),
            EffectResult::Failed { .. } => one(&self.failed),
            EffectResult::Unreachable { .. } => one(&self.unreachable),
            EffectResult::Ceased => one(&self.ceased),
            EffectResult::NotBegun => one(&self.not_begun),
            // Nothing that ran here ends so.
            EffectResult::Unknown { .. } => {}
        }
    }

    pub(super) fn read(&self) -> PagerCounters {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PagerCounters {
            pages_done: of(&self.done),
            pages_failed: of(&self.failed),
            pages_unreachable: of(&self.unreachable),
            pages_ceased: of(&self.ceased),
            pages_not_begun: of(&self.not_begun),
            calls_placed: of(&self.placed),
            speakers_answered: of(&self.answered),
            speakers_failed: of(&self.unanswered),
            speakers_receiving: of(&self.receiving),
            packets_sent: self.player.packets_sent(),
            packets_unsent: self.player.packets_unsent(),
            frames_late: self.player.frames_late(),
            stale_ended: of(&self.stale_ended),
            stale_given_up: of(&self.stale_given_up),
            notes_unwritten: of(&self.notes_unwritten),
        }
    }
}
