//! G.711 (ITU-T G.711, 1988): A-law and µ-law, one sample at a time, computed
//! rather than looked up. Refuses nothing: every sample and every byte has one
//! meaning.

/// What a quiet line carries.
pub const A_SILENCE: u8 = 0xd5;
pub const MU_SILENCE: u8 = 0xff;

/// Added before µ-law's segments are found, on the 14-bit scale.
const MU_BIAS: i32 = 33;
/// The loudest that µ-law holds, on the 14-bit scale.
const MU_LOUDEST: i32 = 8_158;

/// The segment is the place of the highest bit above the lowest segment's.
fn segment(magnitude: i32, lowest_bits: u32) -> u32 {
    let bits = 32 - magnitude.leading_zeros();
    bits.saturating_sub(lowest_bits).min(7)
}

fn low(value: i32) -> u8 {
    // Masked to eight bits, so nothing is cut.
    u8::try_from(value & 0xff).unwrap_or(0)
}

pub fn a_encode(sample: i16) -> u8 {
    // Thirteen bits; the complement keeps the lowest value in range.
    let value = i32::from(sample) >> 3;
    let (magnitude, mask) = if value >= 0 { (value, 0xd5) } else { (!value, 0x55) };
    let segment = segment(magnitude, 5);
    let mantissa = (magnitude >> segment.max(1)) & 0x0f;
    low(i32::try_from(segment << 4).unwrap_or(0) | mantissa) ^ mask
}

pub fn a_decode(byte: u8) -> i16 {
    let plain = byte ^ 0x55;
    let segment = u32::from((plain & 0x70) >> 4);
    let mantissa = (i32::from(plain & 0x0f) << 4) + 8;
    let magnitude = match segment {
        0 => mantissa,
        _ => (mantissa + 0x100) << (segment - 1),
    };
    signed(magnitude, plain & 0x80 != 0)
}

pub fn mu_encode(sample: i16) -> u8 {
    let value = i32::from(sample) >> 2;
    let (magnitude, mask) = if value >= 0 { (value, 0xff) } else { (-value, 0x7f) };
    let magnitude = magnitude.min(MU_LOUDEST) + MU_BIAS;
    let segment = segment(magnitude, 6);
    let mantissa = (magnitude >> (segment + 1)) & 0x0f;
    low(i32::try_from(segment << 4).unwrap_or(0) | mantissa) ^ mask
}

pub fn mu_decode(byte: u8) -> i16 {
    let plain = !byte;
    let segment = u32::from((plain & 0x70) >> 4);
    let magnitude = (((i32::from(plain & 0x0f) << 3) + 0x84) << segment) - 0x84;
    signed(magnitude, plain & 0x80 == 0)
}

fn signed(magnitude: i32, positive: bool) -> i16 {
    let value = if positive { magnitude } else { -magnitude };
    i16::try_from(value).unwrap_or(if positive { i16::MAX } else { i16::MIN })
}
