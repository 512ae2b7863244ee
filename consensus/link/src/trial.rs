//! Any bytes, given to every parser of this crate that a stranger's bytes reach:
//! for fuzzing. Refuses to be part of a product: it checks, and panics when a
//! rule of its own is broken.

use std::str::FromStr;

use crate::frame::FrameDecoder;
use crate::hello::{HELLO_BYTES, Hello, PREFACE_BYTES, Preface};
use crate::key::PublicKey;
use crate::token::Token;

/// A small limit, so that the decoder's own bound is reached.
const FRAME_MAX: usize = 1_024;

/// Takes `bytes` as first words, as frames cut at `cut`, as a key and as a token.
///
/// # Panics
/// When what was read does not write back to what came.
pub fn any_bytes(bytes: &[u8], cut: usize) {
    if let Some(first) = bytes.first_chunk::<HELLO_BYTES>()
        && let Some(hello) = Hello::from_bytes(first)
    {
        assert_eq!(&hello.to_bytes(), first, "a hello changes by being read");
    }
    if let Some(first) = bytes.first_chunk::<PREFACE_BYTES>()
        && let Some(preface) = Preface::from_bytes(*first)
    {
        assert_eq!(&preface.to_bytes(), first, "a preface changes by being read");
    }
    frames(bytes, cut.min(bytes.len()));
    let _refused_or_a_key = PublicKey::from_spki_der(bytes);
    let _refused_or_a_key = PublicKey::from_certificate_der(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(token) = Token::from_str(text)
    {
        assert!(Token::from_str(&token.to_string()).is_ok(), "a token is lost by being shown");
    }
}

/// However a stream is cut, the same frames come out of it.
fn frames(bytes: &[u8], cut: usize) {
    let read = |pieces: &[&[u8]]| {
        let (mut decoder, mut out) = (FrameDecoder::new(FRAME_MAX), Vec::new());
        for piece in pieces {
            decoder.push(piece);
            while let Ok(Some(frame)) = decoder.next() {
                assert!(frame.len() <= FRAME_MAX, "a frame beyond the limit");
                out.push(frame);
            }
        }
        out
    };
    let (first, second) = bytes.split_at(cut);
    assert_eq!(read(&[bytes]), read(&[first, second]), "frames depend on how they came");
}
