//! What one side says, on its way to the other: under one SSRC of ours that
//! lasts as long as the lane, in one run of sequence numbers and time stamps,
//! whoever speaks. Loss, repetition and reordering pass as they are: hiding them
//! is the receiver's business, and only it knows how. Opens no socket, reads no
//! clock.

use std::net::SocketAddr;

use crate::voice::First;

/// A sequence number further off than this begins anew.
const JUMP: i16 = 3_000;
/// A time stamp further back than this is a new clock, no late packet.
const BACK_STEPS: i32 = 48_000;

/// Who speaks, and how its numbers become ours.
#[derive(Debug, Clone, Copy)]
struct Speaker {
    from: SocketAddr,
    ssrc: u32,
    /// Added to its numbers.
    seq_offset: u16,
    time_offset: u32,
    /// Its first and its highest number; cycles in the upper half, counted as
    /// the speaker itself counts them.
    first: u32,
    highest: u32,
}

/// What the packet's head says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) ssrc: u32,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    /// Bytes of sound.
    pub(super) payload: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Passage {
    ssrc: u32,
    /// The highest number and the newest time that we sent, and when.
    seq: u16,
    timestamp: u32,
    at_ms: u64,
    speaker: Option<Speaker>,
    /// Something was held back, so that the next packet goes on after it.
    held: bool,
    packets: u32,
    octets: u32,
}

/// What the sender's report needs, in our numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ssrc: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Passage {
    /// Begins at `first`.
    pub(super) fn new(first: First) -> Self {
        Self {
            ssrc: first.ssrc,
            seq: first.seq,
            timestamp: first.timestamp,
            at_ms: 0,
            speaker: None,
            held: false,
            packets: 0,
            octets: 0,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn sent(&self) -> Sent {
        Sent { ssrc: self.ssrc, packets: self.packets, octets: self.octets }
    }

    /// A packet was not passed, because nobody was to hear it.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Rewrites a packet in place. `datagram` was parsed into `head`; `clock_khz`
    /// is that of its format. How many packets are missing right before this
    /// one; -1 when it was late, and had been counted as missing.
    pub(super) fn pass(
        &mut self,
        now_ms: u64,
        from: SocketAddr,
        clock_khz: u32,
        head: Head,
        datagram: &mut [u8],
    ) -> i64 {
        let goes_on = self.speaker.filter(|speaker| {
            let same = speaker.from == from && speaker.ssrc == head.ssrc && !self.held;
            same && ahead(head.seq, speaker.highest).unsigned_abs() <= JUMP.unsigned_abs()
        });
        let anew = goes_on.is_none();
        let mut speaker = goes_on.unwrap_or_else(|| self.begin(now_ms, from, clock_khz, head));
        let step = ahead(head.seq, speaker.highest);
        if step > 0 {
            let step = u32::from(step.unsigned_abs());
            speaker.highest = speaker.highest.saturating_add(step);
        }
        let lost = if step < 0 { -1 } else { (i64::from(step) - 1).max(0) };
        let seq = head.seq.wrapping_add(speaker.seq_offset);
        let timestamp = head.timestamp.wrapping_add(speaker.time_offset);
        if ahead_16(seq, self.seq) > 0 || anew {
            self.seq = seq;
        }
        let later = timestamp.wrapping_sub(self.timestamp).cast_signed();
        if !(-BACK_STEPS..=0).contains(&later) || anew {
            (self.timestamp, self.at_ms) = (timestamp, now_ms);
        }
        self.speaker = Some(speaker);
        self.held = false;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(head.payload).unwrap_or(0));
        write(datagram, anew, seq, timestamp, self.ssrc);
        lost
    }

    /// A new run of numbers, joined to what was sent before.
    fn begin(&self, now_ms: u64, from: SocketAddr, clock_khz: u32, head: Head) -> Speaker {
        let (seq, timestamp) = if self.packets == 0 && self.speaker.is_none() {
            (self.seq, self.timestamp)
        } else {
            let passed = now_ms.saturating_sub(self.at_ms).saturating_mul(u64::from(clock_khz));
            // Time stamps wrap; what lies above counts for nothing.
            let steps = u32::try_from(passed & u64::from(u32::MAX)).unwrap_or(0);
            (self.seq.wrapping_add(1), self.timestamp.wrapping_add(steps))
        };
        Speaker {
            from,
            ssrc: head.ssrc,
            seq_offset: seq.wrapping_sub(head.seq),
            time_offset: timestamp.wrapping_sub(head.timestamp),
            first: u32::from(head.seq),
            highest: u32::from(head.seq),
        }
    }

    /// Of the present speaker: its SSRC, and the number that it gave to what we
    /// sent as `highest`. `None` when that is not of its making.
    pub(super) fn theirs(&self, highest: u32) -> Option<(u32, u32)> {
        let speaker = self.speaker?;
        let seq = low(highest).wrapping_sub(speaker.seq_offset);
        // Receivers count cycles from where we began; only the low half says
        // which of its packets is meant.
        let back = ahead(seq, speaker.highest);
        let named = speaker.highest.checked_add_signed(i32::from(back))?;
        (named >= speaker.first && back <= 0).then_some((speaker.ssrc, named))
    }

    pub(super) fn speaker_ssrc(&self) -> Option<u32> {
        self.speaker.map(|speaker| speaker.ssrc)
    }

    /// A time stamp of the present speaker, as we send it.
    pub(super) fn ours(&self, ssrc: u32, timestamp: u32) -> Option<u32> {
        let speaker = self.speaker.filter(|speaker| speaker.ssrc == ssrc)?;
        Some(timestamp.wrapping_add(speaker.time_offset))
    }
}

fn low(extended: u32) -> u16 {
    let [_, _, high, low] = extended.to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn ahead_16(seq: u16, of: u16) -> i16 {
    seq.wrapping_sub(of).cast_signed()
}

fn ahead(seq: u16, of: u32) -> i16 {
    ahead_16(seq, low(of))
}

/// The marker is set, but never taken away.
fn write(datagram: &mut [u8], marker: bool, seq: u16, timestamp: u32, ssrc: u32) {
    let Some(head) = datagram.first_chunk_mut::<12>() else { return };
    head[1] |= u8::from(marker) << 7;
    let [s0, s1] = seq.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    [head[2], head[3]] = [s0, s1];
    [head[4], head[5], head[6], head[7]] = [t0, t1, t2, t3];
    [head[8], head[9], head[10], head[11]] = [c0, c1, c2, c3];
}
