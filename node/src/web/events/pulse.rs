//! When a task last came round, for those who must not pass on what it has left
//! to grow old. It refuses to judge how long is too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(crate) struct Pulse {
    since: Instant,
    /// When it last came round, in milliseconds from `since`.
    at_ms: AtomicU64,
}

impl Pulse {
    /// Begins with a beat, so that the task has time to come round once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, at_ms: AtomicU64::new(0) }
    }

    pub(crate) fn beat(&self) {
        let at = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at_ms.store(at, Ordering::Relaxed);
    }

    pub(crate) fn is_within(&self, time: Duration) -> bool {
        let last = Duration::from_millis(self.at_ms.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(last) < time
    }
}
