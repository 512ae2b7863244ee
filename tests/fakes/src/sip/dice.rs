//! Seeded dice (SplitMix64), so that a device takes its time the same way in
//! every run, and tokens that no two lives of a device share. It refuses to be
//! used for secrets.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub struct Dice {
    behaviour: u64,
    tokens: u64,
}

impl Dice {
    pub fn new(seed: u64, number: &str) -> Self {
        let of_number = number.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // A registrar remembers the Call-ID and CSeq of an earlier process.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let life = u64::try_from(now.as_nanos() % u128::from(u64::MAX)).unwrap_or_default();
        let life = life ^ u64::from(std::process::id()).rotate_left(40);
        Self { behaviour: seed ^ of_number, tokens: life ^ of_number }
    }

    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let span = (range.end() - range.start()).saturating_add(1);
        range.start() + roll(&mut self.behaviour) % span
    }

    pub fn ms(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    pub fn token(&mut self) -> String {
        format!("{:016x}", roll(&mut self.tokens))
    }

    pub fn number(&mut self) -> u32 {
        u32::try_from(roll(&mut self.tokens) >> 32).unwrap_or_default()
    }
}

fn roll(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
