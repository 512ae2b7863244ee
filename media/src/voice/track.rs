//! One stream of one call, frame by frame: which packet is due at the next step
//! of 20 ms, and what the receiver's reports say of it. Opens no socket and
//! reads no clock.

use bytes::Bytes;
use weir_signaling::paging::PAUSE_MS;

use super::format::{FRAME_MS, Format};
use super::rtcp::{Block, SenderReport};
use super::rtp::Packet;
use crate::audio::Clip;

/// The silence between two repetitions, in frames.
const PAUSE_FRAMES: u64 = PAUSE_MS / FRAME_MS as u64;
/// How far past the first packet a report must be to prove reception: half a
/// second of sound, which no device acknowledges that has hung at the start.
const ACKNOWLEDGED: u16 = 25;

/// Random beginnings (RFC 3550 §5.1), never the same for two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Frame(usize),
    Pause { left: u64 },
    End,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Track {
    clip: Clip,
    format: Format,
    payload_type: u8,
    silence: Option<Bytes>,
    first: First,
    times_left: u32,
    place: Place,
    seq: u16,
    timestamp: u32,
    /// The next packet comes after silence.
    marker: bool,
    packets: u32,
    octets: u32,
    /// Whether a report has proved reception.
    received: bool,
}

impl Track {
    /// Plays nothing when the clip is empty or `times` is 0.
    pub(super) fn new(clip: Clip, payload_type: u8, times: u32, first: First) -> Self {
        let format = Format::of(clip.codec);
        let width = clip.frame(0).map_or(0, |frame| frame.len());
        let nothing = width == 0 || times == 0;
        Self {
            silence: format.silence.map(|byte| Bytes::from(vec![byte; width])),
            clip,
            format,
            payload_type,
            first,
            times_left: times.saturating_sub(1),
            place: if nothing { Place::End } else { Place::Frame(0) },
            seq: first.seq,
            timestamp: first.timestamp,
            marker: true,
            packets: 0,
            octets: 0,
            received: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.place == Place::End
    }

    /// Writes the packet that is due now and moves on by one frame; `false`
    /// when none is due.
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> bool {
        let payload = match self.place {
            Place::Frame(i) => self.clip.frame(i),
            Place::Pause { .. } => self.silence.clone(),
            Place::End => None,
        };
        if let Some(payload) = &payload {
            let (marker, payload_type) = (self.marker, self.payload_type);
            let (seq, timestamp, ssrc) = (self.seq, self.timestamp, self.first.ssrc);
            Packet { marker, payload_type, seq, timestamp, ssrc, payload }.write(into);
            self.seq = self.seq.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
            let octets = u32::try_from(payload.len()).unwrap_or(0);
            self.octets = self.octets.wrapping_add(octets);
        }
        self.marker = payload.is_none();
        self.advance();
        payload.is_some()
    }

    /// Leaves out what is too late to be heard in time; says how many frames.
    pub(super) fn skip(&mut self, frames: u32) -> u32 {
        let due = (0..frames).take_while(|_| {
            let was_due = !self.is_over();
            self.advance();
            was_due
        });
        let skipped = u32::try_from(due.count()).unwrap_or(0);
        self.marker |= skipped > 0;
        skipped
    }

    fn advance(&mut self) {
        self.place = match self.place {
            Place::Frame(i) if i + 1 < self.clip.frames() => Place::Frame(i + 1),
            Place::Frame(_) if self.times_left > 0 => Place::Pause { left: PAUSE_FRAMES },
            Place::Pause { left } if left > 1 => Place::Pause { left: left - 1 },
            Place::Pause { .. } => {
                self.times_left -= 1;
                Place::Frame(0)
            }
            Place::Frame(_) | Place::End => Place::End,
        };
        self.timestamp = self.timestamp.wrapping_add(self.format.frame_steps);
    }

    /// The report that goes with what was sent so far. `elapsed_ms` counts from
    /// the stream's beginning.
    pub(super) fn report(&self, elapsed_ms: u64) -> SenderReport {
        let fraction = ((elapsed_ms % 1_000) << 32) / 1_000;
        SenderReport {
            ssrc: self.first.ssrc,
            ntp: (elapsed_ms / 1_000) << 32 | fraction,
            timestamp: self.timestamp,
            packets: self.packets,
            octets: self.octets,
        }
    }

    /// Whether this report is the first to prove that our sound arrives: about
    /// our stream, past its beginning, and not past what was sent.
    pub(super) fn proves(&mut self, block: &Block) -> bool {
        let [_, _, high, low] = block.highest_seq.to_be_bytes();
        let beyond = u16::from_be_bytes([high, low]).wrapping_sub(self.first.seq);
        let sent = self.seq.wrapping_sub(self.first.seq);
        // A page is shorter than 65,536 packets unless it lasts 21 minutes;
        // from then on the low half alone says nothing and is believed.
        let possible = beyond < sent || self.packets > u32::from(u16::MAX);
        let proven = block.ssrc == self.first.ssrc && beyond >= ACKNOWLEDGED && possible;
        let first = proven && !self.received;
        self.received |= proven;
        first
    }
}
