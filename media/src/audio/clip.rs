//! A sound in one codec, cut into the frames that packets carry. Refuses half
//! frames.

use std::fmt;

use bytes::Bytes;
use weir_model::directory::Codec;

/// What one packet plays, in milliseconds.
pub const FRAME_MS: u32 = 20;
/// Of G.711 (8 bits at 8 kHz) as of G.722 (64 kbit/s) alike. G.722's RTP clock
/// says 8 kHz too, by an old mistake that stays (RFC 3551 §4.5.2).
pub const FRAME_BYTES: usize = 160;

/// RTP payload, frames back to back.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pub codec: Codec,
    pub ms: u32,
    pub payload: Bytes,
}

/// Without the sound itself: nobody reads megabytes in a log.
impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} {} ms)", self.codec, self.ms)
    }
}

impl Clip {
    /// `None` unless the payload is whole frames of a codec with such frames.
    pub fn new(codec: Codec, payload: Bytes) -> Option<Self> {
        let whole = payload.len().is_multiple_of(FRAME_BYTES) && !payload.is_empty();
        let frames = u32::try_from(payload.len() / FRAME_BYTES).ok()?;
        let ms = frames.checked_mul(FRAME_MS)?;
        (whole && codec != Codec::Opus).then_some(Self { codec, ms, payload })
    }

    pub fn frames(&self) -> usize {
        self.payload.len() / FRAME_BYTES
    }

    /// Shares the clip's memory.
    pub fn frame(&self, at: usize) -> Option<Bytes> {
        let from = at.checked_mul(FRAME_BYTES)?;
        let to = from.checked_add(FRAME_BYTES)?;
        (to <= self.payload.len()).then(|| self.payload.slice(from..to))
    }
}
