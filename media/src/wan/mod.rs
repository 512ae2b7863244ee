//! Voice of calls to another site: the codec that a thin link asks for, and both
//! ends of one direction of a call, from a telephone's RTP to frames and back.
//! Bundles, second sendings and the jitter buffer are rules and lie in
//! [`weir_signaling::wan`]; sockets and the link lie with whoever drives this. It
//! refuses G.722 over thin links: there a telephone is to be offered G.711.

pub mod codec;
pub mod conceal;
mod decoder;
mod effort;
mod encoder;
mod keys;
pub mod resample;
#[cfg(test)]
mod tests;

pub use codec::{CodecError, Frames, OpusDecoder, OpusEncoder};
pub use decoder::{Decoder, DecoderCounters};
pub use effort::Effort;
pub use encoder::{Encoder, EncoderCounters, Outgoing, TICK_MS};

use weir_model::directory::Codec;

/// What lies between the two sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Fast and wide: the telephone's own frames pass unchanged, and both
    /// telephones speak the same codec.
    Terrestrial,
    /// Fast and thin: Opus in frames of 20 ms.
    Thin { bitrate_bps: i32 },
    /// Far and thin: Opus in frames of 60 ms, 8 to 16 kbit/s.
    Satellite { bitrate_bps: i32 },
}

impl Link {
    /// `None`: no frames of ours.
    fn frames(self) -> Option<(Frames, i32)> {
        match self {
            Self::Terrestrial => None,
            Self::Thin { bitrate_bps } => Some((Frames::Ms20, bitrate_bps)),
            Self::Satellite { bitrate_bps } => Some((Frames::Ms60, bitrate_bps)),
        }
    }

    /// What may be offered to a telephone whose call crosses this link.
    pub fn carries(self, codec: Codec) -> bool {
        self == Self::Terrestrial || codec != Codec::G722
    }
}

/// The telephone at this end, as its RTP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telephone {
    pub codec: Codec,
    pub payload_type: u8,
    /// Of telephone-event (RFC 4733), where it has one.
    pub event_type: Option<u8>,
}
