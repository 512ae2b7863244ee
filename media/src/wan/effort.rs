//! How much work the codec may put into a frame: as much as a share of one core
//! allows for all calls, by what encoding was measured to cost. It moves one step
//! at a time, and up only after ten seconds with room to spare. Reads no clock.

use core::time::Duration;

use super::codec::COMPLEXITY;

const MOST: u8 = 8;
/// Measurements between two steps down, so that the last step shows first.
const SETTLE: u32 = 50;
/// Calm measurements before a step up.
const CALM: u32 = 500;
/// Each measurement counts a sixteenth.
const SMOOTH: u64 = 16;

/// See the module. One for all calls of a node.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Of one core, in thousandths.
    share: u64,
    ns_per_piece: u64,
    complexity: u8,
    since: u32,
    calm: u32,
}

impl Effort {
    /// `share`: thousandths of one core that encoding may take in all.
    pub fn new(share: u64) -> Self {
        let share = share.max(1);
        Self { share, ns_per_piece: 0, complexity: COMPLEXITY, since: 0, calm: 0 }
    }

    pub fn complexity(&self) -> u8 {
        self.complexity
    }

    /// What 20 ms of one call cost, smoothed.
    pub fn cost(&self) -> Duration {
        Duration::from_nanos(self.ns_per_piece)
    }

    /// Encoding so many pieces of 20 ms took so long, while there are so many
    /// calls.
    pub fn measured(&mut self, pieces: u64, took: Duration, calls: u64) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / pieces.max(1);
        // One that was interrupted proves nothing.
        let ns = if self.ns_per_piece == 0 { ns } else { ns.min(self.ns_per_piece * 4) };
        self.ns_per_piece = match self.ns_per_piece {
            0 => ns,
            before => (before * (SMOOTH - 1) + ns) / SMOOTH,
        };
        self.since += 1;
        // A piece lasts 20 ms.
        let used = self.ns_per_piece.saturating_mul(calls) / 20_000;
        self.calm = if used * 2 < self.share { self.calm + 1 } else { 0 };
        if used > self.share && self.since >= SETTLE && self.complexity > 0 {
            self.complexity -= 1;
            (self.since, self.calm) = (0, 0);
        } else if self.calm >= CALM && self.complexity < MOST {
            self.complexity += 1;
            (self.since, self.calm) = (0, 0);
        }
    }
}
