//! Time as this machine uses it. Within a life, durations are monotonic; facts
//! carry wall-clock stamps, from which the next life takes up. Reads no clock.

use crate::id::WallMs;

/// The edge's clocks, read for one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: WallMs,
    /// Milliseconds since some point in this life; never runs backwards.
    pub mono_ms: u64,
}

/// A point of monotonic time, in milliseconds. Signed, because what was
/// journaled may lie before this life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mono(pub(super) i64);

impl Mono {
    pub(super) fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(signed(ms)))
    }

    pub(super) fn shift(&mut self, by_ms: i64) {
        self.0 = self.0.saturating_add(by_ms);
    }

    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

/// Both clocks at one moment: how one turns into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) wall: WallMs,
    pub(super) mono: Mono,
}

impl Clock {
    pub(super) fn of(now: Now, floor: WallMs) -> Self {
        Self { wall: now.wall.max(floor), mono: Mono(signed(now.mono_ms)) }
    }

    /// While a journal is read, its stamps are the only time there is.
    pub(super) fn replayed(at: WallMs) -> Self {
        Self { wall: at, mono: Mono(signed(at.0)) }
    }

    pub(super) fn mono_of(self, wall: WallMs) -> Mono {
        let ahead = signed(wall.0).saturating_sub(signed(self.wall.0));
        Mono(self.mono.0.saturating_add(ahead))
    }

    pub(super) fn wall_of(self, mono: Mono) -> WallMs {
        let ahead = mono.0.saturating_sub(self.mono.0);
        WallMs(self.wall.0.saturating_add_signed(ahead))
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
