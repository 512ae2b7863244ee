//! The evacuation siren that needs no file: what sounds when a file is missing
//! or corrupt. Two tones in turn, an alarm that nobody takes for a telephone.
//! Refuses codecs that would need a library: a page then offers G.711.

use std::f64::consts::TAU;

use bytes::Bytes;
use weir_model::directory::Codec;

use super::clip::Clip;

const RATE: usize = 8_000;
/// High and low in turn, half a second each, as public fire alarms do.
const TONES_HZ: [f64; 2] = [970.0, 800.0];
const TONE_SAMPLES: usize = RATE / 2;
const TONES: usize = 8;
/// Rises and falls over 5 ms, so that nothing clicks.
const EDGE_SAMPLES: usize = RATE / 200;
/// About −13 LUFS: above speech (−16), and still no strain for an amplifier.
const AMPLITUDE: f64 = 0.316;

/// Four seconds, to be repeated; `None` for codecs other than G.711.
pub fn siren(codec: Codec) -> Option<Clip> {
    let encode: fn(i16) -> u8 = match codec {
        Codec::Pcma => a_law,
        Codec::Pcmu => mu_law,
        Codec::G722 | Codec::Opus => return None,
    };
    let payload: Vec<u8> = (0..TONES * TONE_SAMPLES).map(|at| encode(sample(at))).collect();
    Clip::new(codec, Bytes::from(payload))
}

fn sample(at: usize) -> i16 {
    let (tone, within) = (at / TONE_SAMPLES, at % TONE_SAMPLES);
    let hz = TONES_HZ[tone % TONES_HZ.len()];
    let phase = TAU * hz * within as f64 / RATE as f64;
    let edge = within.min(TONE_SAMPLES - 1 - within).min(EDGE_SAMPLES);
    let swell = edge as f64 / EDGE_SAMPLES as f64;
    (phase.sin() * swell * AMPLITUDE * f64::from(i16::MAX)) as i16
}

/// ITU-T G.711 A-law: sign, three bits of segment, four of step; even bits
/// turned over.
pub(super) fn a_law(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let size = size.cast_unsigned() >> 3;
    let code = if size < 32 {
        size >> 1
    } else {
        // Segments double: the highest set bit says which.
        let segment = size.ilog2() - 4;
        (segment as u16) << 4 | (size >> segment) & 0x0f
    };
    (sign | code as u8) ^ 0x55
}

/// ITU-T G.711 µ-law: biased so that every segment is twice the one before; all
/// bits turned over.
pub(super) fn mu_law(sample: i16) -> u8 {
    const BIAS: u16 = 0x84;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let size = sample.unsigned_abs().min(32_635) + BIAS;
    let segment = size.ilog2() - 7;
    !(sign | (segment as u8) << 4 | (size >> (segment + 3)) as u8 & 0x0f)
}
