//! Frames on a stream: a length of four bytes (big-endian), then so many bytes.
//! Pure. It refuses a length beyond the limit before it holds any of the body.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::StreamError;

pub(crate) const HEADER_BYTES: usize = 4;

/// The header of a frame with this body.
pub(crate) fn header(body_len: usize, max: usize) -> Result<Bytes, StreamError> {
    match u32::try_from(body_len) {
        Ok(len) if body_len <= max => Ok(Bytes::copy_from_slice(&len.to_be_bytes())),
        Ok(_) | Err(_) => Err(StreamError::TooLong { len: body_len, max }),
    }
}

/// Puts frames together again from whatever pieces arrive.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    held: BytesMut,
    max: usize,
}

impl FrameDecoder {
    pub(crate) fn new(max: usize) -> Self {
        Self { held: BytesMut::new(), max }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next whole frame, or `None` until more has come.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        let Some(head) = self.held.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > self.max {
            return Err(StreamError::TooLong { len, max: self.max });
        }
        if self.held.len() < HEADER_BYTES + len {
            return Ok(None);
        }
        self.held.advance(HEADER_BYTES);
        Ok(Some(self.held.split_to(len).freeze()))
    }

    /// Whether nothing is left over: a stream may end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_that_claims_too_much_is_refused_at_its_header() {
        let mut decoder = FrameDecoder::new(10);
        decoder.push(&11_u32.to_be_bytes());
        assert_eq!(decoder.next(), Err(StreamError::TooLong { len: 11, max: 10 }));
        assert_eq!(header(11, 10), Err(StreamError::TooLong { len: 11, max: 10 }));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8),
            cut in 1_usize..20,
        ) {
            let mut wire = Vec::new();
            for body in &bodies {
                wire.extend_from_slice(&header(body.len(), 64).unwrap());
                wire.extend_from_slice(body);
            }
            let mut decoder = FrameDecoder::new(64);
            let mut out = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    out.push(frame.to_vec());
                }
            }
            prop_assert!(decoder.is_empty());
            prop_assert_eq!(out, bodies);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(pieces: Vec<Vec<u8>>) {
            let mut decoder = FrameDecoder::new(1024);
            for piece in pieces {
                decoder.push(&piece);
                while let Ok(Some(_)) = decoder.next() {}
            }
        }
    }
}
