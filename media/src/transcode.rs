//! One sound in another codec, where that costs next to nothing. It refuses
//! anything that needs more than a table.

use weir_model::directory::Codec;

use crate::audio::{Clip, FRAME_BYTES, FRAME_MS};
use crate::voice::Format;
use crate::voice::g711::{a_decode, mu_encode};

/// μ-law from A-law (G.711), sample by sample.
pub fn mu_law_of(a_law: &Clip) -> Clip {
    let payload = a_law.payload.iter().map(|&byte| mu_encode(a_decode(byte)));
    Clip { codec: Codec::Pcmu, ms: a_law.ms, payload: payload.collect() }
}

/// Silence of this length; `None` for a codec that needs an encoder for it.
pub fn silence_of(codec: Codec, ms: u32) -> Option<Vec<u8>> {
    let silence = Format::of(codec).silence?;
    let frames = usize::try_from(ms.div_ceil(FRAME_MS)).ok()?;
    Some(vec![silence; frames.checked_mul(FRAME_BYTES)?])
}
