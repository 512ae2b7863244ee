//! Whether frames are sent twice: begun when the peer reports losses that are
//! heard, ended only after a minute without them, so that it does not flap. It
//! judges by bundles that were lost, not by frames that were missed, for copies
//! hide those. Refuses to protect where the owner says that the link has no room.

use super::format::Report;

/// Losses from which a listener notices, in bundles of a million.
const BEGIN_PPM: u64 = 7_000;
/// Below this it may end.
const END_PPM: u64 = 2_000;
const CALM_MS: u64 = 60_000;
/// One lost bundle of few proves nothing.
const ENOUGH: u64 = 50;
/// Old reports count 7/8 for each that follows: about twelve seconds' memory.
const KEEP: (u64, u64) = (7, 8);
/// Sums are kept in fractions, so that they fade to nothing.
const SCALE: u64 = 1_024;
/// More than one, though the first has begun to fade.
const ENOUGH_LOST: u64 = SCALE * 3 / 2;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    expected: u64,
    lost: u64,
    on: bool,
    calm_since_ms: Option<u64>,
    was_calm: bool,
}

impl Protection {
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Whether a minute has passed without losses, ever.
    pub fn was_calm(&self) -> bool {
        self.was_calm
    }

    /// As measured lately.
    pub fn loss_ppm(&self) -> u64 {
        (self.lost * 1_000_000).checked_div(self.expected).unwrap_or(0)
    }

    pub fn hear(&mut self, now_ms: u64, report: &Report) {
        let lost = report.lost.min(report.expected);
        let (keep, of) = KEEP;
        self.expected = self.expected * keep / of + u64::from(report.expected) * SCALE;
        self.lost = self.lost * keep / of + u64::from(lost) * SCALE;
        let loss_ppm = self.loss_ppm();
        let proven = self.expected >= ENOUGH * SCALE && self.lost >= ENOUGH_LOST;
        self.on |= loss_ppm >= BEGIN_PPM && proven;
        if loss_ppm > END_PPM {
            self.calm_since_ms = None;
            return;
        }
        let since = *self.calm_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) >= CALM_MS {
            self.on = false;
            self.was_calm = true;
        }
    }
}
