//! Seeded dice. Everything that a run leaves to chance comes from here, so that
//! a seed names a run. It refuses to be seeded by anything but a number.

use std::ops::Range;

/// The odd constant by which SplitMix64 counts.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One number out of two, each bit of which depends on every bit of both.
pub fn mix(one: u64, other: u64) -> u64 {
    let z = one.wrapping_add(other.wrapping_mul(STEP)).wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number for some bytes; good enough to tell traces and states apart.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut sum = mix(bytes.len() as u64, 0);
    for chunk in &mut chunks {
        let word = chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        sum = mix(sum, word);
    }
    let rest = chunks.remainder().iter().fold(1, |word, byte| (word << 8) | u64::from(*byte));
    mix(sum, rest)
}

/// A stream of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed, stream))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0, 1)
    }

    /// A number of the range, which must not be empty.
    pub fn between(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + self.roll() % width
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        self.roll() % 1000 < times
    }

    /// One of several, which must not be none.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let place = usize::try_from(self.between(0..of.len() as u64)).unwrap_or(0);
        of.get(place).copied()
    }

    /// Sixteen bytes, for an id.
    pub fn id(&mut self) -> [u8; 16] {
        let (high, low) = (self.roll(), self.roll());
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}
