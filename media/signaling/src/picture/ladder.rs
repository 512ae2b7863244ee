//! Which picture fits: the camera's own where it can pass unchanged, else smaller
//! ones, down to a still every few seconds. Down at once, up only after it would
//! have fitted for a while.

/// What the camera site sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// As the camera made it.
    Passthrough,
    /// 360 lines.
    Medium { bps: u64 },
    /// 180 lines, few frames.
    Small { bps: u64 },
    /// One JPEG so often.
    Still { every_ms: u64 },
    /// Not even that fits now.
    Nothing,
}

impl Rung {
    /// The greater, the more is seen.
    pub fn height(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Still { .. } => 1,
            Self::Small { .. } => 2,
            Self::Medium { .. } => 3,
            Self::Passthrough => 4,
        }
    }
}

const MEDIUM_MIN_BPS: u64 = 220_000;
const MEDIUM_MAX_BPS: u64 = 900_000;
pub(super) const SMALL_MIN_BPS: u64 = 60_000;
const STILL_MIN_BPS: u64 = 4_000;
/// A still of so many bits at most.
const STILL_BITS: u64 = 20_000 * 8;
const STILL_EVERY_MS: (u64, u64) = (2_000, 30_000);
/// Before it goes up.
const PATIENCE_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Ladder {
    now: Rung,
    /// Since when more would have fitted.
    better_ms: Option<u64>,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { now: Rung::Nothing, better_ms: None }
    }
}

/// What `picture_bps` has room for; `camera_bps` is what the camera sends.
fn fits(picture_bps: u64, camera_bps: Option<u64>) -> Rung {
    match picture_bps {
        bps if camera_bps.is_some_and(|camera| camera <= bps) => Rung::Passthrough,
        bps if bps >= MEDIUM_MIN_BPS => Rung::Medium { bps: bps.min(MEDIUM_MAX_BPS) },
        bps if bps >= SMALL_MIN_BPS => Rung::Small { bps },
        bps if bps >= STILL_MIN_BPS => {
            let every_ms = STILL_BITS * 1_000 / bps;
            Rung::Still { every_ms: every_ms.clamp(STILL_EVERY_MS.0, STILL_EVERY_MS.1) }
        }
        _ => Rung::Nothing,
    }
}

impl Ladder {
    /// To be asked every second or so.
    pub fn choose(&mut self, now_ms: u64, picture_bps: u64, camera_bps: Option<u64>) -> Rung {
        let wanted = fits(picture_bps, camera_bps);
        let first = self.now == Rung::Nothing && self.better_ms.is_none();
        if wanted.height() <= self.now.height() || first {
            self.better_ms = (wanted == Rung::Nothing).then_some(now_ms).filter(|_| !first);
            self.now = wanted;
            return wanted;
        }
        let since = *self.better_ms.get_or_insert(now_ms);
        if now_ms >= since + PATIENCE_MS {
            self.better_ms = None;
            self.now = wanted;
        }
        self.now
    }
}
