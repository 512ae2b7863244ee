//! The keys of one channel in the order in which they were pressed, each once,
//! though each is told several times and some tellings are lost.

use super::format::KeyPress;

/// What a listener is told of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    pub channel: u16,
    /// Event code of RFC 4733 §3.2, 0 to 15.
    pub key: u8,
    /// Whether it was let go; every press is told down first, unless its end is
    /// all that came.
    pub end: bool,
    /// Held so long, in 20 ms.
    pub held_steps: u8,
}

/// How long a key was held of which only a later one told.
const UNSEEN_STEPS: u8 = 5;
/// The first keys that a listener may have missed: so many are told along.
const BEFORE: u8 = 3;

#[derive(Debug, Clone, Copy)]
struct Last {
    number: u8,
    step: u16,
    ended: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    last: Option<Last>,
}

impl Keys {
    /// What is new in this telling, in order.
    pub(super) fn hear(&mut self, key: &KeyPress, mut tell: impl FnMut(Press)) {
        let ahead = self.ahead(key);
        let press =
            Press { channel: key.channel, key: key.key, end: key.end, held_steps: key.held_steps };
        match ahead {
            0 => {
                let Some(last) = self.last.as_mut().filter(|last| key.end && !last.ended) else {
                    return;
                };
                last.ended = true;
                tell(press);
            }
            1..=127 => {
                for missed in (1..ahead.min(BEFORE + 1)).rev() {
                    let key = key.before.get(usize::from(missed) - 1).copied().unwrap_or(0);
                    tell(Press { key, end: true, held_steps: UNSEEN_STEPS, ..press });
                }
                self.last = Some(Last { number: key.number, step: key.step, ended: key.end });
                tell(press);
            }
            _ => {}
        }
    }

    /// How many presses further than what is known.
    fn ahead(&self, key: &KeyPress) -> u8 {
        let fresh = if key.number <= BEFORE + 1 { key.number } else { 1 };
        let Some(last) = self.last else { return fresh };
        let ahead = key.number.wrapping_sub(last.number);
        let later = key.step.wrapping_sub(last.step);
        // Old by number and yet later: the sender counts anew.
        if ahead > 127 && (1..0x8000).contains(&later) { fresh } else { ahead }
    }
}
