//! G.711 as the device's own converter has it: two tables, filled from the laws
//! (ITU-T G.711) when the program is compiled, and the same tables read the
//! other way round. It refuses other codecs: G.722 is kept as it comes.

use std::sync::LazyLock;

use super::sdp::Codec;

/// The linear sample of every code word, 16 bit.
pub static ALAW: [i16; 256] = alaw();
pub static ULAW: [i16; 256] = ulaw();

/// What comes out of the converter; None for a codec it does not know.
pub fn decode(codec: Codec, payload: &[u8]) -> Option<Vec<i16>> {
    let table = match codec {
        Codec::Pcma => &ALAW,
        Codec::Pcmu => &ULAW,
        Codec::G722 => return None,
    };
    Some(payload.iter().map(|&code| table[usize::from(code)]).collect())
}

/// The nearest code word of every sample; None as in [`decode`].
pub fn encode(codec: Codec, samples: &[i16]) -> Option<Vec<u8>> {
    static NEAREST_ALAW: LazyLock<Vec<u8>> = LazyLock::new(|| nearest(&ALAW));
    static NEAREST_ULAW: LazyLock<Vec<u8>> = LazyLock::new(|| nearest(&ULAW));
    let table = match codec {
        Codec::Pcma => &NEAREST_ALAW,
        Codec::Pcmu => &NEAREST_ULAW,
        Codec::G722 => return None,
    };
    Some(samples.iter().map(|&sample| table[step(sample)]).collect())
}

/// Samples are told apart in steps of eight; no code word is finer but the
/// quietest of the µ-law.
fn step(sample: i16) -> usize {
    usize::from(sample.cast_unsigned() ^ 0x8000) >> 3
}

fn nearest(table: &[i16; 256]) -> Vec<u8> {
    let of_step = |step: i32| {
        let middle = step * 8 - 32_768 + 4;
        let apart = |code: &u8| (i32::from(table[usize::from(*code)]) - middle).abs();
        (0..=u8::MAX).min_by_key(apart).unwrap_or_default()
    };
    (0..8_192).map(of_step).collect()
}

const fn alaw() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        // Every second bit travels inverted.
        let word = code ^ 0x55;
        let (segment, step) = ((word >> 4) & 7, word & 15);
        let size = match segment {
            0 => step * 16 + 8,
            _ => (step * 16 + 0x108) << (segment - 1),
        };
        samples[code] = if word & 0x80 == 0 { -(size as i16) } else { size as i16 };
        code += 1;
    }
    samples
}

const fn ulaw() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        // All bits travel inverted.
        let word = code ^ 0xff;
        let (segment, step) = ((word >> 4) & 7, word & 15);
        let size = ((step * 8 + 0x84) << segment) - 0x84;
        samples[code] = if word & 0x80 == 0 { size as i16 } else { -(size as i16) };
        code += 1;
    }
    samples
}
