//! What a loudspeaker gets, and what is believed of what it sends back.

mod playing;
mod wire;

use bytes::Bytes;
use weir_model::directory::Codec;

use super::*;
use crate::audio::Clip;

/// Frame `i` holds nothing but `i`.
pub(super) fn clip(codec: Codec, frames: u8) -> Clip {
    let payload: Vec<u8> = (0..frames).flat_map(|i| [i; 160]).collect();
    Clip { codec, ms: u32::from(frames) * 20, payload: Bytes::from(payload) }
}

pub(super) const FIRST: First = First { ssrc: 0xfeed_0001, seq: 0xffff, timestamp: 0xffff_ff80 };
