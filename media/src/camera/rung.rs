//! How much of a camera's picture is wanted: rungs of a ladder, from what the
//! camera sends down to a JPEG now and then. It refuses nothing; values out of
//! bounds become the nearest that are in.

use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Rung {
    /// As the camera sends it: no processor, all its bits.
    Original {},
    /// H.264, constrained baseline, at most that high (never enlarged).
    Video { height: u16, kbit_s: u32, fps: u8 },
    /// A JPEG of at most that many bytes.
    Still { height: u16, every_ms: u32, most_bytes: u32 },
}

impl Rung {
    pub const ORIGINAL: Self = Self::Original {};

    /// 360 lines, 15 pictures a second.
    pub fn p360(kbit_s: u32) -> Self {
        Self::Video { height: 360, kbit_s, fps: 15 }
    }

    /// 180 lines, 5 pictures a second.
    pub fn p180(kbit_s: u32) -> Self {
        Self::Video { height: 180, kbit_s, fps: 5 }
    }

    /// 360 lines in at most 20 kB.
    pub fn still(every_ms: u32) -> Self {
        Self::Still { height: 360, every_ms, most_bytes: 20_000 }
    }

    /// Within what a worker accepts.
    pub(super) fn bounded(self) -> Self {
        match self {
            Self::Original {} => self,
            Self::Video { height, kbit_s, fps } => Self::Video {
                height: height.clamp(90, 2_160),
                kbit_s: kbit_s.clamp(16, 20_000),
                fps: fps.clamp(1, 60),
            },
            Self::Still { height, every_ms, most_bytes } => Self::Still {
                height: height.clamp(90, 2_160),
                every_ms: every_ms.clamp(200, 600_000),
                most_bytes: most_bytes.clamp(2_000, 1_000_000),
            },
        }
    }
}
