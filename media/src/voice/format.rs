//! What each codec is called in SDP and how its frames count in RTP (RFC 3551,
//! RFC 7587).

use weir_model::directory::Codec;

use super::g711;

/// Every packet holds this much.
pub const FRAME_MS: u32 = 20;

/// A codec as RTP sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub codec: Codec,
    /// Static where RFC 3551 gives one.
    pub payload_type: u8,
    /// As in `a=rtpmap`.
    pub rtpmap: &'static str,
    /// Steps of the RTP clock in one frame. G.722 samples at 16 kHz but counts
    /// at 8 (RFC 3551 §4.5.2).
    pub frame_steps: u32,
    /// A byte that sounds like nothing; `None` when a codec has no such byte.
    pub silence: Option<u8>,
}

impl Format {
    pub const fn of(codec: Codec) -> Self {
        let (payload_type, rtpmap, frame_steps, silence) = match codec {
            Codec::Pcmu => (0, "PCMU/8000", 160, Some(g711::MU_SILENCE)),
            Codec::Pcma => (8, "PCMA/8000", 160, Some(g711::A_SILENCE)),
            Codec::G722 => (9, "G722/8000", 160, None),
            Codec::Opus => (111, "opus/48000/2", 960, None),
        };
        Self { codec, payload_type, rtpmap, frame_steps, silence }
    }
}
