//! One sound in another codec, where that costs next to nothing. It refuses
//! anything that needs more than a table.

use weir_model::directory::Codec;

use crate::audio::Clip;
use crate::voice::g711::{a_decode, mu_encode};

/// μ-law from A-law (G.711), sample by sample.
pub fn mu_law_of(a_law: &Clip) -> Clip {
    let payload = a_law.payload.iter().map(|&byte| mu_encode(a_decode(byte)));
    Clip { codec: Codec::Pcmu, ms: a_law.ms, payload: payload.collect() }
}
