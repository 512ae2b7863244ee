//! Which of some known steady tones are in what is heard, how loud each is, and the
//! holes in each: a bank of Goertzel filters over the samples, each at the place
//! that its RTP timestamp gives it and silence where none came. It knows nothing of
//! who speaks which tone, and refuses to call a tone what is no louder than the
//! sound between the tones.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

/// Samples a second, and a millisecond.
const RATE: f64 = 8_000.0;
const PER_MS: u64 = 8;
/// What is played is this much older than what comes.
const PLAYOUT: u64 = 100 * PER_MS;
/// A tone is heard when it was so over this long.
const WHOLE: usize = 1_600;
/// A hole is looked for in pieces of this length, so often.
const PIECE: usize = 320;
const HOP: u64 = 10 * PER_MS;
/// Samples kept: a look may come late.
const KEPT: usize = 16_000;
/// A timestamp further from the clock than this is a sender that began anew.
const JUMP: u64 = 8_000;

/// Quieter than this is not heard (peak, of 32,768).
const AUDIBLE_DB: f64 = -45.0;
/// Louder than what lies between the tones by at least this.
const ABOVE_DB: f64 = 9.0;
/// A piece with less than this share of the tone's usual level is a hole.
const LEFT: f64 = 0.35;
/// As many good pieces make a tone whose holes count.
const STEADY: u32 = 10;
/// Longer than this it is no hole: whoever spoke has stopped.
const GONE: u64 = 1_000 * PER_MS;
/// Level that nothing has.
const NOTHING_DB: f64 = -120.0;

/// A tone that was not there for a while, and is again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    pub hz: u32,
    /// Since the listening began.
    pub at_ms: u64,
    pub ms: u64,
}

/// What was heard lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Those that are there, in order.
    pub heard: Vec<u32>,
    /// Of every tone known, in the ear's order: peak against full scale.
    pub levels_db: Vec<(u32, f64)>,
    /// That ended since the last look.
    pub holes: Vec<Hole>,
    /// The longest time without a packet since the last look.
    pub gap_ms: u64,
}

#[derive(Debug)]
struct Track {
    hz: u32,
    usual: f64,
    good: u32,
    /// The first sample of what may be a hole.
    missing: Option<u64>,
}

impl Track {
    /// One more piece that ends at `end`; the hole that it ends, if any.
    fn piece(&mut self, level: f64, end: u64) -> Option<Hole> {
        let least = peak(AUDIBLE_DB).max(self.usual * LEFT);
        if level < least {
            if self.good < STEADY {
                self.good = 0;
                return None;
            }
            let since = *self.missing.get_or_insert(end);
            if end - since >= GONE {
                *self = Self::new(self.hz);
            }
            return None;
        }
        self.usual = if self.good == 0 { level } else { self.usual * 0.9 + level * 0.1 };
        self.good = self.good.saturating_add(1);
        let since = self.missing.take()?;
        let at_ms = since.saturating_sub(PIECE as u64 / 2) / PER_MS;
        Some(Hole { hz: self.hz, at_ms, ms: (end - since) / PER_MS })
    }

    fn new(hz: u32) -> Self {
        Self { hz, usual: 0.0, good: 0, missing: None }
    }
}

/// See the module. Times are since the listening began.
#[derive(Debug)]
pub struct Ear {
    tracks: Vec<Track>,
    /// Between the tones and beside them.
    between: Vec<f64>,
    samples: VecDeque<i16>,
    /// The place of the first one kept.
    first: u64,
    /// Timestamp and place that belong together.
    anchor: Option<(u32, u64)>,
    /// Up to here it was looked for holes.
    done: u64,
    last: Option<Duration>,
    gap: Duration,
    holes: Vec<Hole>,
}

impl Ear {
    /// `tones` in Hz, at least 100 apart and below 3,500; ones given twice count once.
    pub fn new(tones: &[u32]) -> Self {
        let mut tones = tones.to_vec();
        tones.sort_unstable();
        tones.dedup();
        let mut between: Vec<f64> =
            tones.windows(2).map(|pair| f64::from(pair[0] + pair[1]) / 2.0).collect();
        between.extend(tones.first().map(|&hz| f64::from(hz) - 75.0));
        between.extend(tones.last().map(|&hz| f64::from(hz) + 75.0));
        Self {
            tracks: tones.into_iter().map(Track::new).collect(),
            between,
            samples: VecDeque::new(),
            first: 0,
            anchor: None,
            done: 0,
            last: None,
            gap: Duration::ZERO,
            holes: Vec::new(),
        }
    }

    /// A packet that came.
    pub fn takes(&mut self, now: Duration, timestamp: u32, samples: &[i16]) {
        self.gap = self.gap.max(now.saturating_sub(self.last.unwrap_or(now)));
        self.last = Some(now);
        let clock = place(now);
        let at = self.anchor.and_then(|(first, at)| {
            at.checked_add_signed(i64::from(timestamp.wrapping_sub(first) as i32))
        });
        let at = at.filter(|at| at.abs_diff(clock) <= JUMP);
        let at = at.unwrap_or_else(|| {
            self.anchor = Some((timestamp, clock));
            clock
        });
        for (sample, at) in samples.iter().zip(at..) {
            self.put(at, *sample);
        }
        while self.samples.len() > KEPT {
            self.samples.pop_front();
            self.first += 1;
        }
    }

    fn put(&mut self, at: u64, sample: i16) {
        // What is older than anything kept comes too late to be heard.
        let Some(index) = at.checked_sub(self.first) else { return };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= self.samples.len() {
            // Places are within [`JUMP`] of the clock, so this stays small.
            self.samples.resize(index + 1, 0);
        }
        if let Some(slot) = self.samples.get_mut(index) {
            *slot = sample;
        }
    }

    /// What there is of the piece; silence where nothing came.
    fn piece(&self, from: u64, length: usize) -> Vec<f64> {
        let one = |at: u64| {
            let index = at.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
            let sample = index.and_then(|index| self.samples.get(index)).copied();
            f64::from(sample.unwrap_or_default())
        };
        (from..from + length as u64)
            .zip(0_u32..)
            .map(|(at, nth)| one(at) * hann(nth, length))
            .collect()
    }

    /// What was heard in the 200 ms that were played last.
    pub fn look(&mut self, now: Duration) -> Look {
        let played = place(now).saturating_sub(PLAYOUT);
        self.follow(played);
        let waited = now.saturating_sub(self.last.unwrap_or(now));
        let gap = std::mem::take(&mut self.gap).max(waited);
        let piece = self.piece(played.saturating_sub(WHOLE as u64), WHOLE);
        let mut noise: Vec<f64> =
            self.between.iter().map(|hz| decibels(level(&piece, *hz))).collect();
        noise.sort_by(f64::total_cmp);
        let noise = noise.get(noise.len() / 2).copied().unwrap_or(NOTHING_DB);
        let levels_db: Vec<(u32, f64)> = self
            .tracks
            .iter()
            .map(|track| (track.hz, decibels(level(&piece, f64::from(track.hz)))))
            .collect();
        let there = |(_, db): &&(u32, f64)| *db >= AUDIBLE_DB && *db >= noise + ABOVE_DB;
        let heard = levels_db.iter().filter(there).map(|(hz, _)| *hz).collect();
        let holes = std::mem::take(&mut self.holes);
        let gap_ms = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
        Look { heard, levels_db, holes, gap_ms }
    }

    fn follow(&mut self, played: u64) {
        // After a long time without a look, the middle is not looked at.
        self.done = self.done.max(played.saturating_sub(KEPT as u64));
        while self.done + PIECE as u64 <= played {
            let piece = self.piece(self.done, PIECE);
            let end = self.done + PIECE as u64;
            for track in &mut self.tracks {
                self.holes.extend(track.piece(level(&piece, f64::from(track.hz)), end));
            }
            self.done += HOP;
        }
    }
}

fn place(now: Duration) -> u64 {
    u64::try_from(now.as_micros() * u128::from(PER_MS) / 1_000).unwrap_or(u64::MAX / 2)
}

fn hann(nth: u32, length: usize) -> f64 {
    // Doubled, so that a steady tone keeps its level.
    1.0 - (TAU * f64::from(nth) / length as f64).cos()
}

/// The peak of this tone in a windowed piece, of 1 (Goertzel).
fn level(piece: &[f64], hz: f64) -> f64 {
    let turn = TAU * hz / RATE;
    let factor = 2.0 * turn.cos();
    let (mut newer, mut older) = (0.0, 0.0);
    for sample in piece {
        (newer, older) = (sample + factor * newer - older, newer);
    }
    let energy = newer * newer + older * older - factor * newer * older;
    2.0 * energy.max(0.0).sqrt() / (piece.len().max(1) as f64 * 32_768.0)
}

fn decibels(peak: f64) -> f64 {
    if peak > 0.0 { (20.0 * peak.log10()).max(NOTHING_DB) } else { NOTHING_DB }
}

fn peak(decibels: f64) -> f64 {
    10_f64.powf(decibels / 20.0)
}
