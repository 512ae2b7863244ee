//! What is counted of viewers. Read by anybody, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// For metrics; `viewers` and `pictures` are those of now, the rest are sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewerStats {
    pub viewers: u64,
    pub pictures: u64,
    /// Offers that were answered.
    pub answered: u64,
    /// Offers that were not.
    pub refused: u64,
    /// Viewers whose connection came about.
    pub connected: u64,
    /// Viewers that did not connect in time, or fell silent.
    pub expired: u64,
    /// Viewers whose connection broke the rules.
    pub failed: u64,
    /// Access units that were taken to be shown.
    pub frames: u64,
    /// Access units that could not be shown, or found their queue full.
    pub unshown: u64,
    /// Datagrams that were sent, of any kind.
    pub packets: u64,
    pub bytes: u64,
    /// Datagrams that the host did not take.
    pub unsent: u64,
    /// Key frames that sources were asked for.
    pub keys_asked: u64,
    /// Datagrams of nobody who is known here.
    pub strangers: u64,
    /// Datagrams that are nothing of WebRTC, or not in order.
    pub broken: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) unshown: AtomicU64,
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) keys_asked: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) broken: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn read(&self) -> ViewerStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ViewerStats {
            viewers: 0,
            pictures: 0,
            answered: of(&self.answered),
            refused: of(&self.refused),
            connected: of(&self.connected),
            expired: of(&self.expired),
            failed: of(&self.failed),
            frames: of(&self.frames),
            unshown: of(&self.unshown),
            packets: of(&self.packets),
            bytes: of(&self.bytes),
            unsent: of(&self.unsent),
            keys_asked: of(&self.keys_asked),
            strangers: of(&self.strangers),
            broken: of(&self.broken),
        }
    }
}
