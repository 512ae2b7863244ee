//! What a telephone sends as RTP, a frame every 20 ms: its voice, and keys as
//! events (RFC 4733) or as tones within the voice. It refuses to send: it makes
//! packets, a call sends them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use weir_fakes::sip::g711;
use weir_fakes::sip::sdp::Offer;

use crate::voice::{FRAME, Larynx, Voice, event};

const EVERY: Duration = Duration::from_millis(20);
/// Later than this, frames are left out instead of sent in a burst.
const BEHIND: Duration = Duration::from_millis(200);
/// How long a key is held, and what is kept free after it, in frames.
const HELD: u32 = 8;
const PAUSE: u32 = 6;
const WAITING_MAX: usize = 32;
const END: u8 = 0x80;
/// In -dBm0 (RFC 4733 §2.3.4).
const VOLUME: u8 = 10;

#[derive(Debug)]
struct Keying {
    key: char,
    event: bool,
    tone: bool,
    /// Frames since it went down.
    frames: u32,
    began: u32,
}

#[derive(Debug)]
pub(crate) struct Mouth {
    larynx: Larynx,
    voice: Voice,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    next: Instant,
    started: bool,
    keying: Option<Keying>,
    waiting: VecDeque<Keying>,
}

impl Mouth {
    pub(crate) fn new(now: Instant, ssrc: u32) -> Self {
        Self {
            larynx: Larynx::new(ssrc),
            voice: Voice::Quiet,
            ssrc,
            sequence: (ssrc >> 16) as u16,
            timestamp: ssrc.rotate_left(9),
            next: now,
            started: false,
            keying: None,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn say(&mut self, voice: Voice) {
        self.voice = voice;
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.voice == Voice::Quiet
    }

    /// A key that goes down as soon as those before it are up.
    pub(crate) fn press(&mut self, key: char, event: bool, tone: bool) {
        if (event || tone) && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Keying { key, event, tone, frames: 0, began: 0 });
        }
    }

    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    /// The packets of every frame that is due.
    pub(crate) fn tick(&mut self, now: Instant, offer: &Offer) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while self.next <= now {
            let late = now - self.next > BEHIND;
            let frame = self.frame(offer);
            if !late && offer.receives {
                packets.extend(frame);
            }
            self.next += EVERY;
        }
        packets
    }

    fn frame(&mut self, offer: &Offer) -> Vec<Vec<u8>> {
        if self.keying.is_none()
            && let Some(key) = self.waiting.pop_front()
        {
            self.keying = Some(Keying { began: self.timestamp, ..key });
        }
        let mut packets = Vec::new();
        let mut voice = Some(self.voice);
        if let Some(mut keying) = self.keying.take() {
            if keying.frames < HELD {
                // A phone that sends events sends no voice meanwhile.
                voice = if keying.tone { Some(Voice::Key(keying.key)) } else { None };
                packets.extend(self.events(&keying, offer));
            }
            keying.frames += 1;
            self.keying = (keying.frames < HELD + PAUSE).then_some(keying);
        }
        if let Some(voice) = voice {
            let samples = self.larynx.frame(voice);
            if let Some(payload) = g711::encode(offer.codec, &samples) {
                let first = !std::mem::replace(&mut self.started, true);
                let timestamp = self.timestamp;
                packets.push(self.packet(offer.payload_type, first, timestamp, &payload));
            }
        }
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        packets
    }

    /// The end of an event is told three times (RFC 4733 §2.5.1.4).
    fn events(&mut self, keying: &Keying, offer: &Offer) -> Vec<Vec<u8>> {
        let (Some(payload_type), Some(code), true) = (offer.event, event(keying.key), keying.event)
        else {
            return Vec::new();
        };
        let last = keying.frames + 1 == HELD;
        let duration = (keying.frames + 1) as u16 * FRAME as u16;
        let [high, low] = duration.to_be_bytes();
        let payload = [code, if last { END | VOLUME } else { VOLUME }, high, low];
        let times = if last { 3 } else { 1 };
        let marker = keying.frames == 0;
        (0..times).map(|_| self.packet(payload_type, marker, keying.began, &payload)).collect()
    }

    fn packet(&mut self, kind: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, kind | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        packet
    }
}
