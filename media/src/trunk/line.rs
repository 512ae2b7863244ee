//! A conference's trunk towards its own site: frames of the room become RTP, as
//! if a telephone were there, and back. Where everybody in the room is silent,
//! nothing is said.

use crate::voice::First;
use crate::voice::g711::{A_SILENCE, a_encode, mu_decode};
use crate::voice::mixer::{Frame, Line};
use crate::voice::rtp::{self, Packet};
use weir_signaling::sdp::Kind;

const FRAME: usize = 160;
const FRAME_STEPS: u32 = 160;
const TICK_MS: u64 = 20;
/// So much silence is said as it is, lest every pause between words cost a
/// beginning: 200 ms.
const SILENT_FRAMES: u32 = 10;
/// The room's frames may be so many steps from where our clock expects them.
const ASTRAY_STEPS: u64 = 5;
/// The other value of A-law next to none.
const A_SILENCE_BELOW: u8 = 0x55;

/// See the module.
#[derive(Debug)]
pub(super) struct LineEnd {
    line: Line,
    /// Of the next frame, in 20 ms of our clock.
    step: Option<u64>,
    silent: u32,
    seq: u16,
}

/// What the room says in 20 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Written as RTP.
    Rtp,
    /// From here on nothing.
    FellSilent,
    Silence,
}

fn in_a_law(frame: &Frame) -> Option<[u8; FRAME]> {
    match frame {
        Frame::Linear(samples) => Some(samples.map(a_encode)),
        Frame::Coded(Kind::Pcma, bytes) => Some(*bytes),
        Frame::Coded(Kind::Pcmu, bytes) => Some(bytes.map(|byte| a_encode(mu_decode(byte)))),
        Frame::Coded(Kind::G722 | Kind::Opus | Kind::Event, _) => None,
    }
}

impl LineEnd {
    pub(super) fn new(line: Line) -> Self {
        Self { line, step: None, silent: 0, seq: 0 }
    }

    /// The next frame that waits, if one does.
    pub(super) fn hear(
        &mut self,
        now_ms: u64,
        (payload_type, first): (u8, First),
        into: &mut Vec<u8>,
    ) -> Option<Said> {
        let frame = self.line.hears.try_recv().ok()?;
        let by_clock = now_ms / TICK_MS;
        let step = self.step.filter(|step| step.abs_diff(by_clock) <= ASTRAY_STEPS);
        let step = step.unwrap_or(by_clock);
        self.step = Some(step + 1);
        let Some(payload) = in_a_law(&frame) else { return Some(Said::Silence) };
        let silent = payload.iter().all(|byte| matches!(*byte, A_SILENCE | A_SILENCE_BELOW));
        self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
        if self.silent > SILENT_FRAMES {
            let fell = self.silent == SILENT_FRAMES + 1;
            return Some(if fell { Said::FellSilent } else { Said::Silence });
        }
        // Time stamps wrap; what lies above counts for nothing.
        let step = u32::try_from(step & u64::from(u32::MAX)).unwrap_or(0);
        let timestamp = step.wrapping_mul(FRAME_STEPS).wrapping_add(first.timestamp);
        let (seq, ssrc) = (self.seq, first.ssrc);
        Packet { marker: false, payload_type, seq, timestamp, ssrc, payload: &payload }.write(into);
        self.seq = seq.wrapping_add(1);
        Some(Said::Rtp)
    }

    /// `false`: the room does not read.
    pub(super) fn send(&self, packet: &[u8]) -> bool {
        let payload = rtp::parse(packet).map(|packet| packet.payload);
        let Some(bytes) = payload.and_then(|payload| payload.as_array::<FRAME>()) else {
            return true;
        };
        self.line.says.try_send(Frame::Coded(Kind::Pcma, *bytes)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    const FIRST: First = First { ssrc: 1, seq: 0, timestamp: 0 };

    /// A room falls silent and speaks again: 200 ms of silence are said, then
    /// none, and the time stamps tell how long it was.
    #[test]
    fn a_silent_room_costs_nothing() {
        let (says, _room) = mpsc::channel(10);
        let (room, hears) = mpsc::channel(10);
        let mut line = LineEnd::new(Line { says, hears });
        let mut into = Vec::new();
        let mut hear = |n: u64, loud: bool| {
            let sample = if loud { 900 } else { 0 };
            room.try_send(Frame::Linear([sample; FRAME])).unwrap();
            line.hear(n * TICK_MS, (8, FIRST), &mut into).unwrap()
        };
        let said: Vec<_> = (0..100).map(|n| hear(n, n == 0 || n == 99)).collect();
        let fell = said.iter().position(|said| *said == Said::FellSilent).unwrap();
        assert_eq!(fell, 11);
        assert!(said[..fell].iter().all(|said| *said == Said::Rtp));
        assert!(said[fell + 1..99].iter().all(|said| *said == Said::Silence));
        assert_eq!(said[99], Said::Rtp);
        assert_eq!(rtp::parse(&into).unwrap().timestamp, 99 * FRAME_STEPS);
        assert_eq!(a_encode(0), A_SILENCE);
    }
}
