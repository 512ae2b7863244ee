//! What the link between sites may do to voice, and what must be heard of it.

mod bundles;
mod copies;
mod heard;
mod hostile;
mod keys;
mod road;

use super::format::{Head, write_entry, write_head};
use super::*;

pub(super) fn sound(channel: u16, step: u16, len: usize) -> Frame {
    // A code-0 packet of SILK, 60 ms, mono.
    let mut payload = vec![0x18_u8; 1];
    payload.resize(len.max(1), u8::try_from(step & 0xff).unwrap_or(0));
    let body = Body::Sound { codec: Codec::Opus60, payload };
    Frame { channel, step, begins: false, again: false, body }
}

pub(super) fn press(number: u8, key: u8, before: [u8; 3]) -> KeyPress {
    KeyPress {
        channel: 7,
        step: u16::from(number) * 10,
        number,
        key,
        end: false,
        held_steps: 1,
        before,
    }
}

pub(super) fn bundle(seq: u16, entries: &[Entry]) -> Vec<u8> {
    let mut datagram = Vec::new();
    write_head(Head { seq, clock_ms: seq.wrapping_mul(60) }, &mut datagram);
    for entry in entries {
        assert!(write_entry(entry, &mut datagram), "{entry:?} cannot be told");
    }
    datagram
}

/// Dice of a test, the same every time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) fn one_of_million(&mut self, ppm: u64) -> bool {
        self.below(1_000_000) < ppm
    }
}
