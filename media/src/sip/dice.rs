//! Unguessable text: nonces, tags, branches. Seeded once from the system, so
//! that nothing under way can fail for want of it; refuses to show its seed.

use std::fmt;

use sha2::{Digest, Sha256};

pub(super) struct Dice {
    seed: [u8; 32],
    thrown: u64,
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice(..)")
    }
}

impl Dice {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, thrown: 0 }
    }

    pub(super) fn bytes(&mut self) -> [u8; 16] {
        self.thrown += 1;
        let sum = Sha256::new().chain_update(self.seed).chain_update(self.thrown.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(sum.finalize()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// 32 hexadecimal digits.
    pub(super) fn text(&mut self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.bytes()))
    }
}
