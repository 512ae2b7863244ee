//! What is counted of a trunk and of all of them. Read by anybody, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of one trunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrunkCallStats {
    /// Since the peer's last frame or key; `None`: there was none. Who says
    /// nothing over a thin link sends nothing.
    pub heard_ago: Option<Duration>,
    /// Since the last RTP at our port, or frame of the line.
    pub spoke_ago: Option<Duration>,
    /// How long frames wait here, against unevenness; `None`: nobody speaks.
    pub delay_ms: Option<u64>,
    pub frames_sent: u64,
    pub frames_received: u64,
    /// Steps of 20 ms that were made up.
    pub concealed: u64,
    /// Steps of 20 ms beyond what can be made up.
    pub missing: u64,
    /// Frames that came after their time.
    pub late: u64,
    pub keys_sent: u64,
    pub keys_received: u64,
    /// Datagrams at our port from addresses that are not believed.
    pub strangers: u64,
    /// At our port: not RTP, not what was agreed on, or while nobody was to hear.
    pub unusable: u64,
    /// Packets, or the line's frames, that were not taken.
    pub unsent: u64,
    /// Joins that could not be carried out.
    pub refused: u64,
}

/// For metrics; over all trunks there ever were, unless it says now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrunkStats {
    /// Open now.
    pub trunks: u64,
    /// Known now: with trunks, or without since less than a minute.
    pub peers: u64,
    /// Peers to which every frame goes twice now.
    pub doubled: u64,
    /// Of the peer that loses most now, as it reports.
    pub loss_ppm: u64,
    /// What the codec may do now, 0 to 8.
    pub complexity: u64,
    pub frames_sent: u64,
    pub frames_received: u64,
    pub keys_sent: u64,
    pub keys_received: u64,
    pub concealed: u64,
    pub missing: u64,
    pub late: u64,
    pub bundles_sent: u64,
    /// Without what carries bundles.
    pub bytes_sent: u64,
    /// Bundles that the link did not take.
    pub bundles_unsent: u64,
    pub bundles_received: u64,
    pub bytes_received: u64,
    /// No bundles of ours, or broken.
    pub broken: u64,
    /// From nodes to which no trunk is open.
    pub strangers: u64,
    /// For channels that are not open, or not joined yet.
    pub unknown: u64,
    /// Came faster than they were read.
    pub dropped: u64,
    pub refused: u64,
    pub ticks: u64,
    /// Ticks that were left out because the thread came too late.
    pub skipped: u64,
    /// Of work, and of time since the beginning.
    pub busy_us: u64,
    pub age_ms: u64,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

pub(super) fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}

fn of(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Of one trunk; times are milliseconds of the thread's clock, plus one.
#[derive(Debug, Default)]
pub(super) struct CallCounters {
    pub(super) heard: AtomicU64,
    pub(super) spoke: AtomicU64,
    /// Plus one, too.
    pub(super) delay: AtomicU64,
    pub(super) frames_sent: AtomicU64,
    pub(super) frames_received: AtomicU64,
    pub(super) concealed: AtomicU64,
    pub(super) missing: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) keys_sent: AtomicU64,
    pub(super) keys_received: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) unusable: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl CallCounters {
    pub(super) fn read(&self, now_ms: u64) -> TrunkCallStats {
        let ago = |counter: &AtomicU64| {
            let at_ms = of(counter).checked_sub(1)?;
            Some(Duration::from_millis(now_ms.saturating_sub(at_ms)))
        };
        TrunkCallStats {
            heard_ago: ago(&self.heard),
            spoke_ago: ago(&self.spoke),
            delay_ms: of(&self.delay).checked_sub(1),
            frames_sent: of(&self.frames_sent),
            frames_received: of(&self.frames_received),
            concealed: of(&self.concealed),
            missing: of(&self.missing),
            late: of(&self.late),
            keys_sent: of(&self.keys_sent),
            keys_received: of(&self.keys_received),
            strangers: of(&self.strangers),
            unusable: of(&self.unusable),
            unsent: of(&self.unsent),
            refused: of(&self.refused),
        }
    }
}

/// Of all trunks.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) peers: AtomicU64,
    pub(super) doubled: AtomicU64,
    pub(super) loss_ppm: AtomicU64,
    pub(super) complexity: AtomicU64,
    pub(super) frames_sent: AtomicU64,
    pub(super) frames_received: AtomicU64,
    pub(super) keys_sent: AtomicU64,
    pub(super) keys_received: AtomicU64,
    pub(super) concealed: AtomicU64,
    pub(super) missing: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) bundles_sent: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    pub(super) bundles_unsent: AtomicU64,
    pub(super) bundles_received: AtomicU64,
    pub(super) bytes_received: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) ticks: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) busy_us: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, trunks: u32, age_ms: u64) -> TrunkStats {
        TrunkStats {
            trunks: u64::from(trunks),
            peers: of(&self.peers),
            doubled: of(&self.doubled),
            loss_ppm: of(&self.loss_ppm),
            complexity: of(&self.complexity),
            frames_sent: of(&self.frames_sent),
            frames_received: of(&self.frames_received),
            keys_sent: of(&self.keys_sent),
            keys_received: of(&self.keys_received),
            concealed: of(&self.concealed),
            missing: of(&self.missing),
            late: of(&self.late),
            bundles_sent: of(&self.bundles_sent),
            bytes_sent: of(&self.bytes_sent),
            bundles_unsent: of(&self.bundles_unsent),
            bundles_received: of(&self.bundles_received),
            bytes_received: of(&self.bytes_received),
            broken: of(&self.broken),
            strangers: of(&self.strangers),
            unknown: of(&self.unknown),
            dropped: of(&self.dropped),
            refused: of(&self.refused),
            ticks: of(&self.ticks),
            skipped: of(&self.skipped),
            busy_us: of(&self.busy_us),
            age_ms,
        }
    }
}
