//! What is counted of a lane and of the relay. Written by one thread, read by
//! anybody, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of what one side sent to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SideStats {
    /// RTP that was taken, also while nobody was to hear it.
    pub packets: u64,
    pub bytes: u64,
    /// Missing by their numbers; late ones are taken off again.
    pub lost: u64,
    /// Since the last RTP or RTCP; `None`: there was none.
    pub heard_ago: Option<Duration>,
    /// Datagrams from addresses that are not believed.
    pub strangers: u64,
    /// Neither RTP nor RTCP, or with lengths that do not hold.
    pub broken: u64,
    /// Of payload types that were not agreed on.
    pub unknown: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneStats {
    pub a: SideStats,
    pub b: SideStats,
}

/// For metrics; over all lanes there ever were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    pub lanes: u64,
    /// RTP and RTCP that went on to the other side.
    pub passed: u64,
    /// Taken, but nobody was to hear it.
    pub held: u64,
    pub strangers: u64,
    pub broken: u64,
    pub unknown: u64,
    /// Datagrams that the host did not take.
    pub unsent: u64,
    /// What was heard and found its queue full.
    pub untold: u64,
}

/// One writer only: a plain sum is enough.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[derive(Debug, Default)]
pub(super) struct SideCounters {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lost: AtomicU64,
    /// Milliseconds of the relay's clock, plus one; 0: never.
    pub(super) heard: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) unknown: AtomicU64,
}

impl SideCounters {
    pub(super) fn lost(&self, lost: i64) {
        let before = self.lost.load(Ordering::Relaxed);
        self.lost.store(before.saturating_add_signed(lost), Ordering::Relaxed);
    }

    pub(super) fn heard(&self, now_ms: u64) {
        self.heard.store(now_ms.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn read(&self, now_ms: u64) -> SideStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let heard_ms = of(&self.heard).checked_sub(1);
        SideStats {
            packets: of(&self.packets),
            bytes: of(&self.bytes),
            lost: of(&self.lost),
            heard_ago: heard_ms.map(|at| Duration::from_millis(now_ms.saturating_sub(at))),
            strangers: of(&self.strangers),
            broken: of(&self.broken),
            unknown: of(&self.unknown),
        }
    }
}

/// Of one worker.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) passed: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) untold: AtomicU64,
}

impl Counters {
    pub(super) fn add_to(&self, sum: &mut RelayStats) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sum.passed += of(&self.passed);
        sum.held += of(&self.held);
        sum.strangers += of(&self.strangers);
        sum.broken += of(&self.broken);
        sum.unknown += of(&self.unknown);
        sum.unsent += of(&self.unsent);
        sum.untold += of(&self.untold);
    }
}
