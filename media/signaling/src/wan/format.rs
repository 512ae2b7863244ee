//! One bundle, one datagram: the frames of many calls between two nodes, byte by
//! byte. All numbers are big-endian.
//!
//! | Bytes | Bundle |
//! | --- | --- |
//! | 1 | kind of record, 80 |
//! | 1 | version, 1 |
//! | 2 | sequence, one more with every bundle to this peer |
//! | 2 | the sender's clock in ms when it was sent |
//! | … | entries to the end, at least one |
//!
//! | Bytes | Entry |
//! | --- | --- |
//! | 2 | channel: which call and direction, agreed on by signalling |
//! | 1 | low half: what (below); 0x80 sound begins here, 0x40 sent before, 0x20 long; 0x10 is 0 |
//! | 2 | step: the place on the call's own time line, in 20 ms |
//! | 1 or 2 | bytes that follow; two when long |
//! | … | the payload |
//!
//! | What | Payload |
//! | --- | --- |
//! | 0, 1 | Opus, mono, one packet of 60 or 20 ms, 1 to 640 bytes |
//! | 2, 3, 4 | PCMU, PCMA, G.722 as the telephone sent them: 160 bytes each 20 ms, up to 80 |
//! | 5 | Opus as the telephone sent it, 20 to 120 ms, 1 to 640 bytes |
//! | 6 | none: silence from here until a frame comes |
//! | 7 | press number, end (0x80) and key, length so far in 20 ms, three keys before |
//! | 8 | report on the other direction (channel and step 0): five numbers, see [`Report`] |
//!
//! A step is sequence and media time in one: a gap in steps is a loss, unless a
//! silence went before it. What is unknown, cut short or too long makes the whole
//! bundle broken; nothing of it is believed.

use thiserror::Error;

/// The kind byte of this record; never given to another.
pub const KIND: u8 = 80;
pub const VERSION: u8 = 1;
/// A step of every call's time line.
pub const STEP_MS: u64 = 20;
/// Largest bundle: what QUIC carries in one datagram on any path.
pub const DATAGRAM_MAX: usize = 1_100;
pub const HEAD_BYTES: usize = 6;
/// What an entry costs beside its payload, when that is no longer than 255.
pub const ENTRY_BYTES: usize = 6;
/// Longest payload of one entry.
pub const SOUND_MAX: usize = 640;
/// One step of G.711 or G.722.
const PLAIN_STEP_BYTES: usize = 160;

const BEGINS: u8 = 0x80;
const AGAIN: u8 = 0x40;
const LONG: u8 = 0x20;
const RESERVED: u8 = 0x10;
const SILENCE: u8 = 6;
const KEY: u8 = 7;
const REPORT: u8 = 8;
const KEY_BYTES: usize = 5;
const REPORT_BYTES: usize = 10;

/// How a frame is coded; it fixes how long it sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// Coded by a node, one packet of 60 ms.
    Opus60,
    /// Coded by a node, one packet of 20 ms.
    Opus20,
    Pcmu,
    Pcma,
    G722,
    /// As the telephone coded it.
    OpusAsIs,
}

impl Codec {
    fn code(self) -> u8 {
        match self {
            Self::Opus60 => 0,
            Self::Opus20 => 1,
            Self::Pcmu => 2,
            Self::Pcma => 3,
            Self::G722 => 4,
            Self::OpusAsIs => 5,
        }
    }

    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Opus60,
            1 => Self::Opus20,
            2 => Self::Pcmu,
            3 => Self::Pcma,
            4 => Self::G722,
            5 => Self::OpusAsIs,
            _ => return None,
        })
    }

    /// How many steps this payload sounds; `None` when it cannot be of this codec.
    pub fn steps(self, payload: &[u8]) -> Option<u8> {
        if payload.is_empty() || payload.len() > SOUND_MAX {
            return None;
        }
        match self {
            Self::Opus60 => opus_steps(payload).filter(|steps| *steps == 3),
            Self::Opus20 => opus_steps(payload).filter(|steps| *steps == 1),
            Self::OpusAsIs => opus_steps(payload),
            Self::Pcmu | Self::Pcma | Self::G722 => {
                let whole = payload.len().is_multiple_of(PLAIN_STEP_BYTES);
                let steps = u8::try_from(payload.len() / PLAIN_STEP_BYTES).ok()?;
                whole.then_some(steps)
            }
        }
    }
}

/// How long an Opus packet sounds, in whole steps of 20 ms (RFC 6716 §3.1);
/// `None`: empty, longer than 120 ms, or no whole number of steps.
pub fn opus_steps(packet: &[u8]) -> Option<u8> {
    let first = *packet.first()?;
    let config = first >> 3;
    // In units of 2.5 ms.
    let frame = match (config, config & 3) {
        (0..12, size) => [4, 8, 16, 24][usize::from(size)],
        (12..16, size) => [4, 8][usize::from(size & 1)],
        (_, size) => 1 << size,
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u16::from(packet.get(1)? & 0x3f),
    };
    let length = frame * frames;
    let whole = length > 0 && length <= 48 && length.is_multiple_of(8);
    whole.then(|| u8::try_from(length / 8).ok()).flatten()
}

/// A piece of one call's sound, or the beginning of its silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub channel: u16,
    /// Place on the call's time line, in 20 ms; goes round after 21 minutes.
    pub step: u16,
    /// Sound begins here: after silence, or after the sender began anew.
    pub begins: bool,
    /// The second sending of a frame.
    pub again: bool,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// From here on nothing is sent until sound begins again.
    Silence,
    Sound {
        codec: Codec,
        payload: Vec<u8>,
    },
}

impl Frame {
    /// How long it lasts; silence counts as one.
    pub fn steps(&self) -> Option<u8> {
        match &self.body {
            Body::Silence => Some(1),
            Body::Sound { codec, payload } => codec.steps(payload),
        }
    }
}

/// A key that a person pressed, told beside the sound and more than once. It
/// carries the three keys before it, so that none is missed while a later one
/// arrives, and their order stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPress {
    pub channel: u16,
    /// When it went down, on the call's time line.
    pub step: u16,
    /// Counts presses on this channel from 1; goes round.
    pub number: u8,
    /// Event code of RFC 4733 §3.2, 0 to 15.
    pub key: u8,
    /// It was let go.
    pub end: bool,
    /// Held so long, in 20 ms; no more than 255.
    pub held_steps: u8,
    /// The keys before, the latest first; zeros before the first.
    pub before: [u8; 3],
}

/// What the receiver saw of bundles since its last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// The highest sequence so far.
    pub highest: u16,
    pub expected: u16,
    pub lost: u16,
    /// Frames that came after their time, in all calls.
    pub late: u16,
    /// Spread of arrivals (RFC 3550 §6.4.1).
    pub jitter_ms: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Frame(Frame),
    Key(KeyPress),
    Report(Report),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub seq: u16,
    pub clock_ms: u16,
}

/// Why a bundle was dropped whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Broken {
    #[error("{0} bytes are more than a bundle may have")]
    TooLong(usize),
    #[error("cut short")]
    Cut,
    #[error("no bundle, but a record of kind {0}")]
    Kind(u8),
    #[error("bundles of version {0} are unknown here")]
    Version(u8),
    #[error("no entries")]
    Empty,
    #[error("an entry of kind {0} is unknown")]
    Unknown(u8),
    #[error("an entry's payload cannot be what it says")]
    Payload,
}

pub(super) fn write_head(head: Head, into: &mut Vec<u8>) {
    into.extend([KIND, VERSION]);
    into.extend(head.seq.to_be_bytes());
    into.extend(head.clock_ms.to_be_bytes());
}

/// `false`, and nothing written, when it cannot be told in this format.
pub(super) fn write_entry(entry: &Entry, into: &mut Vec<u8>) -> bool {
    match entry {
        Entry::Frame(frame) => return write_frame(frame, into),
        Entry::Key(key) => {
            let [one, two, three] = key.before.map(|key| key & 0x0f);
            let ended = u8::from(key.end) << 7 | (key.key & 0x0f);
            let payload = [key.number, ended, key.held_steps, one << 4 | two, three << 4];
            write(key.channel, KEY, key.step, &payload, into);
        }
        Entry::Report(report) => {
            let Report { highest, expected, lost, late, jitter_ms } = *report;
            let payload = [highest, expected, lost, late, jitter_ms].map(u16::to_be_bytes);
            write(0, REPORT, 0, payload.as_flattened(), into);
        }
    }
    true
}

fn write_frame(frame: &Frame, into: &mut Vec<u8>) -> bool {
    if frame.steps().is_none() {
        return false;
    }
    let (code, payload) = match &frame.body {
        Body::Silence => (SILENCE, &[][..]),
        Body::Sound { codec, payload } => (codec.code(), payload.as_slice()),
    };
    let flags = if frame.begins { BEGINS } else { 0 } | if frame.again { AGAIN } else { 0 };
    write(frame.channel, code | flags, frame.step, payload, into);
    true
}

/// The payload was bounded before.
fn write(channel: u16, code: u8, step: u16, payload: &[u8], into: &mut Vec<u8>) {
    into.extend(channel.to_be_bytes());
    let step = step.to_be_bytes();
    match u8::try_from(payload.len()) {
        Ok(len) => into.extend([code, step[0], step[1], len]),
        Err(_) => {
            into.extend([code | LONG, step[0], step[1]]);
            into.extend(u16::try_from(payload.len()).unwrap_or(0).to_be_bytes());
        }
    }
    into.extend(payload);
}

/// The whole bundle, or why none of it counts.
pub fn read(datagram: &[u8]) -> Result<(Head, Vec<Entry>), Broken> {
    if datagram.len() > DATAGRAM_MAX {
        return Err(Broken::TooLong(datagram.len()));
    }
    let (head, mut rest) = datagram.split_first_chunk::<HEAD_BYTES>().ok_or(Broken::Cut)?;
    let [kind, version, s0, s1, c0, c1] = *head;
    if kind != KIND {
        return Err(Broken::Kind(kind));
    }
    if version != VERSION {
        return Err(Broken::Version(version));
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(read_entry(&mut rest)?);
    }
    if entries.is_empty() {
        return Err(Broken::Empty);
    }
    let [seq, clock_ms] = [[s0, s1], [c0, c1]].map(u16::from_be_bytes);
    Ok((Head { seq, clock_ms }, entries))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Broken> {
    let (taken, after) = rest.split_at_checked(len).ok_or(Broken::Cut)?;
    *rest = after;
    Ok(taken)
}

fn read_entry(rest: &mut &[u8]) -> Result<Entry, Broken> {
    let (head, after) = rest.split_first_chunk::<5>().ok_or(Broken::Cut)?;
    let [c0, c1, code, s0, s1] = *head;
    *rest = after;
    if code & RESERVED != 0 {
        return Err(Broken::Unknown(code));
    }
    let len = take(rest, if code & LONG != 0 { 2 } else { 1 })?;
    let len = len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    // One bundle has one form: what fits a byte is told in one.
    if len > SOUND_MAX || (code & LONG != 0 && len <= usize::from(u8::MAX)) {
        return Err(Broken::Payload);
    }
    let payload = take(rest, len)?;
    let (channel, step) = (u16::from_be_bytes([c0, c1]), u16::from_be_bytes([s0, s1]));
    match code & 0x0f {
        KEY => read_key(channel, step, code, payload),
        REPORT => read_report(channel, step, code, payload),
        what => {
            let body = match (what, Codec::of(what)) {
                (_, Some(codec)) => Body::Sound { codec, payload: payload.to_vec() },
                (SILENCE, None) if payload.is_empty() => Body::Silence,
                (SILENCE, None) => return Err(Broken::Payload),
                (_, None) => return Err(Broken::Unknown(what)),
            };
            let (begins, again) = (code & BEGINS != 0, code & AGAIN != 0);
            let frame = Frame { channel, step, begins, again, body };
            frame.steps().ok_or(Broken::Payload)?;
            Ok(Entry::Frame(frame))
        }
    }
}

fn read_key(channel: u16, step: u16, code: u8, payload: &[u8]) -> Result<Entry, Broken> {
    let [number, key, held_steps, ago, older] =
        *payload.as_array::<KEY_BYTES>().ok_or(Broken::Payload)?;
    if code != KEY || key & 0x70 != 0 || older & 0x0f != 0 {
        return Err(Broken::Payload);
    }
    let before = [ago >> 4, ago & 0x0f, older >> 4];
    let (end, key) = (key & 0x80 != 0, key & 0x0f);
    Ok(Entry::Key(KeyPress { channel, step, number, key, end, held_steps, before }))
}

fn read_report(channel: u16, step: u16, code: u8, payload: &[u8]) -> Result<Entry, Broken> {
    let bytes = payload.as_array::<REPORT_BYTES>().ok_or(Broken::Payload)?;
    if code != REPORT || (channel, step) != (0, 0) {
        return Err(Broken::Payload);
    }
    let [highest, expected, lost, late, jitter_ms] = [0, 2, 4, 6, 8].map(|at: usize| {
        let pair = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk::<2>());
        pair.map_or(0, |pair| u16::from_be_bytes(*pair))
    });
    Ok(Entry::Report(Report { highest, expected, lost, late, jitter_ms }))
}
