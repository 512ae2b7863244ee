//! Events in RTP (RFC 4733): what a payload says, and which packets are one key.
//! A sender repeats a key in many packets, its end three times; all of them carry
//! the time stamp at which the key went down.

use super::key;

/// One report of an event (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub code: u8,
    /// The key was let go.
    pub end: bool,
    /// Below full level, in dB: 0 to 63.
    pub volume: u8,
    /// So far, in steps of the RTP clock.
    pub duration: u16,
}

/// `None`: cut short. What follows the first report is passed over.
pub fn read(payload: &[u8]) -> Option<Event> {
    let [code, flags, high, low] = *payload.first_chunk::<4>()?;
    let duration = u16::from_be_bytes([high, low]);
    Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
}

#[derive(Debug, Clone, Copy)]
struct Down {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    duration: u16,
    ended: bool,
}

/// The keys of one sender, each once.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    last: Option<Down>,
}

/// Older events than this many clock steps are no late packets, but a clock that
/// began anew: 5 s at 8 kHz.
const LATE_STEPS: u32 = 40_000;

impl Reader {
    /// A packet's payload; the key, if this packet is the first to tell it.
    pub fn hear(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let event = read(payload)?;
        let digit = key(event.code)?;
        let down =
            Down { ssrc, timestamp, code: event.code, duration: event.duration, ended: event.end };
        let Some(last) = &mut self.last else {
            self.last = Some(down);
            return Some(digit);
        };
        let ahead = timestamp.wrapping_sub(last.timestamp);
        if last.ssrc == ssrc {
            if ahead == 0 {
                last.ended |= event.end;
                last.duration = last.duration.max(event.duration);
                return None;
            }
            // A packet of an earlier key that was overtaken.
            if ahead.wrapping_neg() < LATE_STEPS {
                return None;
            }
            // A key held past the longest duration goes on in a new segment
            // (§2.5.1.3); some senders move the time stamp with every packet.
            let goes_on = !last.ended && last.code == event.code;
            if goes_on && ahead <= u32::from(last.duration) {
                *last = down;
                return None;
            }
        }
        self.last = Some(down);
        Some(digit)
    }
}
