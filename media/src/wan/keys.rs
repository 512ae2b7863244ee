//! Keys in RTP (RFC 4733) on both ends of a link: what a telephone's many packets
//! say once, and many packets again for the telephone at the other end. Refuses
//! events that are no keys.

use std::collections::VecDeque;

use weir_signaling::wan::{KeyPress, Press};

/// Event codes of a keypad's sixteen keys.
const KEYS: u8 = 16;
/// Waiting to be regenerated.
const WAITING_MAX: usize = 32;
/// A key sounds at least so long, in steps of 20 ms, and as long as it was held.
const LEAST_STEPS: u8 = 3;
/// A key whose end never comes, and one behind which others wait.
const UNENDED_STEPS: u8 = 200;
const CROWDED_STEPS: u8 = 5;
/// The end is said so often (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// Between two keys.
const PAUSE_STEPS: u8 = 3;

#[derive(Debug, Clone, Copy)]
struct Down {
    ssrc: u32,
    timestamp: u32,
    press: KeyPress,
}

/// Reads a telephone's event packets.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyReader {
    last: Option<Down>,
}

/// One event packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) ssrc: u32,
    pub(super) timestamp: u32,
    pub(super) payload: &'a [u8],
    /// RTP clock steps in 20 ms.
    pub(super) frame_steps: u32,
}

impl KeyReader {
    /// What is new: a key went down, or was let go.
    pub(super) fn hear(&mut self, channel: u16, step: u16, event: Event<'_>) -> Option<KeyPress> {
        let [key, flags, high, low] = *event.payload.first_chunk::<4>()?;
        if key >= KEYS {
            return None;
        }
        let held = u32::from(u16::from_be_bytes([high, low])).div_ceil(event.frame_steps.max(1));
        let held_steps = u8::try_from(held).unwrap_or(u8::MAX);
        let end = flags & 0x80 != 0;
        let (mut number, mut before) = (1, [0; 3]);
        if let Some(last) = &mut self.last {
            let ahead = event.timestamp.wrapping_sub(last.timestamp);
            if last.ssrc == event.ssrc && ahead == 0 {
                let news = end && !last.press.end;
                let end = last.press.end || end;
                last.press = KeyPress { channel, end, held_steps, ..last.press };
                return news.then_some(last.press);
            }
            // Of a key before; a telephone's clock does not run backwards by less.
            if last.ssrc == event.ssrc && ahead.wrapping_neg() < event.frame_steps * 250 {
                return None;
            }
            number = last.press.number.wrapping_add(1);
            let [one, two, _] = last.press.before;
            before = [last.press.key, one, two];
        }
        let press = KeyPress { channel, step, number, key, end, held_steps, before };
        self.last = Some(Down { ssrc: event.ssrc, timestamp: event.timestamp, press });
        Some(press)
    }
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    key: u8,
    /// As told; `None` while it is held.
    held_steps: Option<u8>,
    /// Sounded so far.
    steps: u8,
    ends_left: u8,
    timestamp: u32,
}

/// The next event packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) timestamp: u32,
    /// The key's first.
    pub(super) marker: bool,
    pub(super) payload: [u8; 4],
}

/// Makes event packets for a telephone, one each 20 ms while a key sounds.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyPlayer {
    waiting: VecDeque<(u8, Option<u8>)>,
    now: Option<Sounding>,
    pause: u8,
}

impl KeyPlayer {
    /// `false`: too many wait.
    pub(super) fn press(&mut self, press: Press) -> bool {
        let held = press.end.then_some(press.held_steps);
        let open = match (self.waiting.back_mut(), &mut self.now) {
            (Some((key, held)), _) => Some((*key, held)),
            (None, Some(now)) => Some((now.key, &mut now.held_steps)),
            (None, None) => None,
        };
        if let Some((key, open)) = open
            && press.end
            && key == press.key
            && open.is_none()
        {
            *open = held;
            return true;
        }
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting.push_back((press.key, held));
        true
    }

    /// The packet of these 20 ms, if a key sounds.
    pub(super) fn tick(&mut self, timestamp: u32, frame_steps: u32) -> Option<Told> {
        if self.now.is_none() {
            if self.pause > 0 {
                self.pause -= 1;
                return None;
            }
            let (key, held_steps) = self.waiting.pop_front()?;
            self.now = Some(Sounding { key, held_steps, steps: 0, ends_left: ENDS, timestamp });
        }
        let crowded = !self.waiting.is_empty();
        let now = self.now.as_mut()?;
        let marker = now.steps == 0;
        let until = match now.held_steps {
            Some(held) => held.max(LEAST_STEPS),
            None if crowded => CROWDED_STEPS,
            None => UNENDED_STEPS,
        };
        let ending = now.steps >= until || now.ends_left < ENDS;
        if ending {
            now.ends_left -= 1;
        } else {
            now.steps += 1;
        }
        let duration = u16::try_from(u32::from(now.steps) * frame_steps).unwrap_or(u16::MAX);
        let [high, low] = duration.to_be_bytes();
        // Ten below full level, as telephones say.
        let payload = [now.key, u8::from(ending) << 7 | 10, high, low];
        let told = Told { timestamp: now.timestamp, marker, payload };
        if now.ends_left == 0 {
            self.now = None;
            self.pause = PAUSE_STEPS;
        }
        Some(told)
    }
}
