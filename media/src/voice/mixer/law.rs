//! G.711 by table, a frame at a time. What a byte means is `g711`'s to say.

use std::sync::LazyLock;

use weir_signaling::sdp::Kind;

use super::jitter::FRAME;
use crate::voice::g711;

/// Of a sample's sixteen bits, A-law looks at thirteen, µ-law at fourteen.
const A_SHIFT: u32 = 3;
const MU_SHIFT: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    A,
    Mu,
}

struct Tables {
    a_decode: [i16; 256],
    mu_decode: [i16; 256],
    a_encode: Box<[u8]>,
    mu_encode: Box<[u8]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    a_decode: decoding(g711::a_decode),
    mu_decode: decoding(g711::mu_decode),
    a_encode: encoding(g711::a_encode, A_SHIFT),
    mu_encode: encoding(g711::mu_encode, MU_SHIFT),
});

fn decoding(decode: fn(u8) -> i16) -> [i16; 256] {
    let mut table = [0; 256];
    table.iter_mut().zip(0..=u8::MAX).for_each(|(sample, byte)| *sample = decode(byte));
    table
}

fn encoding(encode: fn(i16) -> u8, shift: u32) -> Box<[u8]> {
    let samples = (0..=u16::MAX).step_by(1 << shift);
    samples.map(|sample| encode(sample.cast_signed())).collect()
}

impl Law {
    pub(super) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Pcma => Some(Self::A),
            Kind::Pcmu => Some(Self::Mu),
            Kind::G722 | Kind::Opus | Kind::Event => None,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::A => Kind::Pcma,
            Self::Mu => Kind::Pcmu,
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> impl ExactSizeIterator<Item = i16> {
        let table = match self {
            Self::A => &TABLES.a_decode,
            Self::Mu => &TABLES.mu_decode,
        };
        bytes.iter().map(|byte| table.get(usize::from(*byte)).copied().unwrap_or(0))
    }

    pub(super) fn encode(self, samples: &[i16; FRAME], into: &mut [u8; FRAME]) {
        let (table, shift) = match self {
            Self::A => (&TABLES.a_encode, A_SHIFT),
            Self::Mu => (&TABLES.mu_encode, MU_SHIFT),
        };
        for (byte, sample) in into.iter_mut().zip(samples) {
            let place = usize::from(sample.cast_unsigned() >> shift);
            *byte = table.get(place).copied().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table cuts the lowest bits off, which the law does not look at.
    #[test]
    fn tables_say_what_the_laws_say() {
        for samples in (i16::MIN..=i16::MAX).collect::<Vec<_>>().chunks(FRAME) {
            let mut frame = [0; FRAME];
            frame[..samples.len()].copy_from_slice(samples);
            let mut bytes = [0; FRAME];
            Law::A.encode(&frame, &mut bytes);
            assert_eq!(bytes, frame.map(g711::a_encode));
            Law::Mu.encode(&frame, &mut bytes);
            assert_eq!(bytes, frame.map(g711::mu_encode));
        }
    }
}
