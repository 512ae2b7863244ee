//! What is known of a participant and of the mixer. Written by one thread, read
//! by anybody, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Of one participant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeatStats {
    /// Packets with sound or keys that were taken.
    pub packets: u64,
    /// Of these, too late to be heard whole.
    pub late: u64,
    /// Since the last packet or report; `None`: there was none.
    pub heard_ago: Option<Duration>,
    pub sent: u64,
    /// Packets that the host did not take.
    pub unsent: u64,
    /// Datagrams from addresses that are not believed.
    pub strangers: u64,
    /// Neither RTP nor RTCP.
    pub broken: u64,
    /// Of payload types that are not mixed.
    pub unknown: u64,
    /// As the far end last reported of what we send: 256ths, and RTP steps.
    pub far_lost: u8,
    pub far_jitter: u32,
}

/// For metrics; over all rooms there ever were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MixerStats {
    pub rooms: u64,
    pub seats: u64,
    pub ticks: u64,
    /// Ticks that were left out because the thread came too late.
    pub skipped: u64,
    /// One for every participant and tick.
    pub mixes: u64,
    /// Spent on them.
    pub busy_us: u64,
    pub strangers: u64,
    pub broken: u64,
    pub unsent: u64,
    /// What was heard and found its queue full.
    pub untold: u64,
}

/// One writer only: a plain sum is enough.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// Between a seat's handle and the thread.
#[derive(Debug, Default)]
pub(super) struct SeatShared {
    /// Orders.
    pub(super) mute: AtomicBool,
    pub(super) deaf: AtomicBool,
    /// What was seen.
    pub(super) mean_square: AtomicU32,
    pub(super) speaks: AtomicBool,
    pub(super) packets: AtomicU64,
    pub(super) late: AtomicU64,
    /// Milliseconds of the mixer's clock, plus one; 0: never.
    pub(super) heard: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) far_lost: AtomicU32,
    pub(super) far_jitter: AtomicU32,
}

impl SeatShared {
    pub(super) fn heard(&self, now_ms: u64) {
        self.heard.store(now_ms.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn heard_ms(&self) -> Option<u64> {
        self.heard.load(Ordering::Relaxed).checked_sub(1)
    }

    pub(super) fn read(&self, now_ms: u64) -> SeatStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ago = |at: u64| Duration::from_millis(now_ms.saturating_sub(at));
        SeatStats {
            packets: of(&self.packets),
            late: of(&self.late),
            heard_ago: self.heard_ms().map(ago),
            sent: of(&self.sent),
            unsent: of(&self.unsent),
            strangers: of(&self.strangers),
            broken: of(&self.broken),
            unknown: of(&self.unknown),
            far_lost: u8::try_from(self.far_lost.load(Ordering::Relaxed)).unwrap_or(u8::MAX),
            far_jitter: self.far_jitter.load(Ordering::Relaxed),
        }
    }
}

/// Of one thread.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) ticks: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) mixes: AtomicU64,
    pub(super) busy_us: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) untold: AtomicU64,
}

impl Counters {
    pub(super) fn add_to(&self, sum: &mut MixerStats) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        sum.ticks += of(&self.ticks);
        sum.skipped += of(&self.skipped);
        sum.mixes += of(&self.mixes);
        sum.busy_us += of(&self.busy_us);
        sum.strangers += of(&self.strangers);
        sum.broken += of(&self.broken);
        sum.unsent += of(&self.unsent);
        sum.untold += of(&self.untold);
    }
}
