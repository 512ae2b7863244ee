//! What anybody may send to a node's QUIC port: first words, frames, keys, and
//! the token that a person pastes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.first().copied().unwrap_or_default();
    weir_link::trial::any_bytes(bytes, usize::from(cut));
});
