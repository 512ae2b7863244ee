//! What came out of the loudspeaker, as a file: every sample at the place its
//! RTP timestamp gives it, zeros where nothing came in time. It refuses to play
//! what comes too late, as the device's own jitter buffer would, and to grow
//! beyond two hours.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::g711;
use super::rtp::Packet;
use super::sdp::Codec;

/// Samples, or timestamp units, a millisecond.
const PER_MS: u64 = 8;
const SAMPLES_MAX: u64 = 2 * 3_600_000 * PER_MS;
/// What comes later than this after its neighbour is not played any more.
const JITTER_BUFFER: Duration = Duration::from_millis(200);
/// More holes at once than any link makes.
const HOLES_MAX: usize = 64;

/// Root mean square from which a packet counts as sound (about -50 dBFS).
const AUDIBLE: i64 = 100;

/// Missing audio, in samples since the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hole {
    start: u64,
    end: u64,
    /// Time of media when it is given up.
    due: Duration,
}

/// Missing audio that will not come any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub start_ms: u64,
    pub ms: u64,
}

#[derive(Debug)]
pub struct Recorder {
    file: File,
    codec: Codec,
    /// The amplifier is dead: the file has the length but not the sound.
    mute: bool,
    /// Timestamp and sample that belong together.
    anchor: Option<(u32, u64)>,
    end: u64,
    holes: VecDeque<Hole>,
    pub late: u64,
    /// Of packets that were louder than a quiet line.
    sounding: u64,
}

impl Recorder {
    pub fn create(path: &Path, codec: Codec, mute: bool) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            codec,
            mute,
            anchor: None,
            end: 0,
            holes: VecDeque::new(),
            late: 0,
            sounding: 0,
        })
    }

    /// The sender began anew: its next timestamp belongs to this time of media,
    /// not before what is there already.
    pub fn begin_anew(&mut self, packet: &Packet<'_>, at: Duration) {
        let sample = samples(at).next_multiple_of(20 * PER_MS).max(self.end);
        self.anchor = Some((packet.timestamp, sample));
    }

    /// `at` is the time since the first packet.
    pub fn play(&mut self, packet: &Packet<'_>, at: Duration) -> io::Result<()> {
        let mut place = self.place(packet.timestamp);
        // A timestamp that ran away from the clock means a sender that restarted.
        if place.is_some_and(|place| place > samples(at) + 10_000 * PER_MS) {
            self.begin_anew(packet, at);
            place = self.place(packet.timestamp);
        }
        let (Some(start), length) = (place, packet.payload.len() as u64) else {
            self.late += 1;
            return Ok(());
        };
        let end = start + length;
        if end > SAMPLES_MAX {
            return Ok(());
        }
        if start < self.end && !self.fill(start, end) {
            self.late += 1;
            return Ok(());
        }
        if start > self.end && self.holes.len() < HOLES_MAX {
            self.holes.push_back(Hole { start: self.end, end: start, due: at + JITTER_BUFFER });
        }
        self.end = self.end.max(end);
        self.write(start, packet.payload)
    }

    fn place(&mut self, timestamp: u32) -> Option<u64> {
        let (first, sample) = *self.anchor.get_or_insert((timestamp, 0));
        let apart = timestamp.wrapping_sub(first) as i32;
        sample.checked_add_signed(i64::from(apart))
    }

    /// Whether these samples are still waited for; then they are so no more.
    fn fill(&mut self, start: u64, end: u64) -> bool {
        let within = |hole: &Hole| hole.start <= start && end <= hole.end;
        let Some(at) = self.holes.iter().position(within) else { return false };
        let Some(hole) = self.holes.remove(at) else { return false };
        let rest = [Hole { end: start, ..hole }, Hole { start: end, ..hole }];
        for rest in rest.into_iter().rev().filter(|rest| rest.start < rest.end) {
            self.holes.insert(at, rest);
        }
        true
    }

    fn write(&mut self, start: u64, payload: &[u8]) -> io::Result<()> {
        // What it cannot decode is kept as it came: one byte for each unit of its
        // timestamp.
        let Some(mut samples) = g711::decode(self.codec, payload) else {
            return self.file.write_all_at(payload, start);
        };
        if self.mute {
            samples.fill(0);
        }
        if loud(&samples) {
            self.sounding += samples.len() as u64;
        }
        let bytes: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
        self.file.write_all_at(&bytes, start * 2)
    }

    /// Holes that will stay; all of them when `over`.
    pub fn gaps(&mut self, at: Duration, over: bool) -> Vec<Gap> {
        let mut gaps = Vec::new();
        while self.holes.front().is_some_and(|hole| over || hole.due <= at) {
            if let Some(Hole { start, end, .. }) = self.holes.pop_front() {
                gaps.push(Gap { start_ms: start / PER_MS, ms: (end - start) / PER_MS });
            }
        }
        gaps
    }

    pub fn ms(&self) -> u64 {
        self.end / PER_MS
    }

    /// How much of it was sound, not silence; zero for what is not decoded.
    pub fn sounding_ms(&self) -> u64 {
        self.sounding / PER_MS
    }

    /// For a device that ends properly.
    pub fn sync(&self) {
        // The file is evidence in a test, not a promise to anybody.
        let _ = self.file.sync_data();
    }
}

/// Whether the root mean square is that of sound.
pub fn loud(samples: &[i16]) -> bool {
    let sum: i64 = samples.iter().map(|&sample| i64::from(sample) * i64::from(sample)).sum();
    sum > AUDIBLE * AUDIBLE * samples.len() as i64
}

fn samples(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX / 16) * PER_MS
}
