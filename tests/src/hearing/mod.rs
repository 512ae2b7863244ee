//! A listener at a loudspeaker: given what it played and what it should have
//! played, says whether that was heard, when, how often and how whole, and
//! whether anything else sounded. It judges captured samples only: it refuses
//! to know what anybody meant to send.
//!
//! All audio is 16 bit, mono, 8,000 samples a second.

mod correlate;
mod fourier;
mod tone;

use std::path::Path;

use anyhow::{Context, Result, ensure};

pub use tone::{Tone, tone};

/// Samples a second.
pub const RATE: usize = 8_000;
const PER_MS: usize = RATE / 1_000;

/// From this likeness on, a place is looked at piece by piece. G.711, gain and
/// a few lost packets leave more than 0.9, half of it about 0.7; other speech of
/// the same voice comes near this where the reference has only two seconds.
const LIKE: f64 = 0.4;
/// The same for one piece, at the place that the whole has fixed.
const PIECE_LIKE: f64 = 0.7;
/// Fewer of its pieces than this are a fragment, not the sound.
const ENOUGH: f64 = 0.25;
/// A sound is judged in pieces of this length.
const PIECE_MS: usize = 100;
const PIECE: usize = PIECE_MS * PER_MS;
/// Root mean square from which a piece counts as sound (about -50 dBFS).
const AUDIBLE: f64 = 100.0;
/// Shorter strange sounds are clicks.
const STRANGE_MS: u64 = 200;
/// A peak this near to the best is as good, so that the earliest one counts.
const AS_GOOD: f64 = 0.98;

/// One time that the reference was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// Since sample 0; below zero when its beginning was lost.
    pub at_ms: i64,
    /// Likeness over the whole reference: 1 is the same up to its loudness.
    pub score: f64,
    /// Which share of its sounding pieces is there.
    pub share: f64,
    /// The longest stretch of it that is missing.
    pub missing_ms: u64,
}

/// A stretch of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub at_ms: u64,
    pub ms: u64,
}

/// Raw samples, little endian, as a fake loudspeaker keeps them.
///
/// # Errors
/// When the file cannot be read or is cut within a sample.
pub fn load(path: &Path) -> Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("no audio at {}", path.display()))?;
    ensure!(bytes.len() % 2 == 0, "{} ends within a sample", path.display());
    Ok(bytes.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect())
}

/// Every time that `reference` was heard in `pcm`, in order of time. What broke
/// off early still counts: look at `share` for how much of it there was.
pub fn heard(pcm: &[i16], reference: &[i16]) -> Vec<Heard> {
    found(pcm, reference).into_iter().map(|(_, time)| time).collect()
}

/// How often the reference was heard without more than `pause_ms` between one
/// and the next: the longest such run.
pub fn in_a_row(times: &[Heard], reference: &[i16], pause_ms: u64) -> usize {
    let length = i64::try_from(reference.len() / PER_MS).unwrap_or(i64::MAX);
    let pause = i64::try_from(pause_ms).unwrap_or(i64::MAX);
    let (mut run, mut longest) = (0, 0);
    let mut before: Option<i64> = None;
    for time in times {
        let follows = before.is_some_and(|at| time.at_ms <= at + length.saturating_add(pause));
        run = if follows { run + 1 } else { 1 };
        longest = longest.max(run);
        before = Some(time.at_ms);
    }
    longest
}

/// The longest stretch of exact silence, which is what a loudspeaker keeps
/// where no packet came.
pub fn longest_silence_ms(pcm: &[i16]) -> u64 {
    let runs = pcm.split(|&sample| sample != 0).map(<[i16]>::len);
    ms(runs.max().unwrap_or_default())
}

/// Where something sounded that is none of `references`.
pub fn strange(pcm: &[i16], references: &[&[i16]]) -> Vec<Span> {
    let expected = expected(pcm, references);
    let mut spans: Vec<Span> = Vec::new();
    for (at, (piece, expected)) in pcm.chunks(PIECE).zip(expected.chunks(PIECE)).enumerate() {
        let sound = piece.iter().map(|&sample| f64::from(sample));
        let sounds = loudness(sound.clone()) >= AUDIBLE;
        if !sounds || likeness(sound, expected.iter().copied()) >= PIECE_LIKE {
            continue;
        }
        let at_ms = ms(at * PIECE);
        match spans.last_mut() {
            Some(span) if span.at_ms + span.ms == at_ms => span.ms += ms(piece.len()),
            _ => spans.push(Span { at_ms, ms: ms(piece.len()) }),
        }
    }
    spans.retain(|span| span.ms >= STRANGE_MS);
    spans
}

fn ms(samples: usize) -> u64 {
    u64::try_from(samples / PER_MS).unwrap_or(u64::MAX)
}

/// Where in `pcm` the reference begins, each time; below zero when its
/// beginning lies before the recording.
fn found(pcm: &[i16], reference: &[i16]) -> Vec<(isize, Heard)> {
    let scores = correlate::scores(pcm, reference);
    let length = reference.len();
    let little = (length / 20).max(1);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = crossing(&scores, at) {
        let peak = peak(&scores[first..scores.len().min(first + length)], little) + first;
        let place = peak.cast_signed() - correlate::lead(reference).cast_signed();
        let time = judged(pcm, reference, place);
        if time.share >= ENOUGH {
            found.push((place, time));
            // The next one cannot begin before this one is nearly over.
            at = peak + length - little.min(length - 1);
        } else {
            at = first + little;
        }
    }
    found
}

/// The first offset from `at` on that is worth a look.
fn crossing(scores: &[f32], at: usize) -> Option<usize> {
    let step = scores.get(at..)?.iter().position(|&score| f64::from(score) >= LIKE)?;
    Some(at + step)
}

/// A siren resembles itself a cycle later: the earliest good offset is it, and
/// the very peak lies near.
fn peak(window: &[f32], near: usize) -> usize {
    let best = window.iter().copied().fold(0.0, f32::max);
    let as_good = |score: &f32| f64::from(*score) >= f64::from(best) * AS_GOOD;
    let earliest = window.iter().position(as_good).unwrap_or_default();
    let mut peak = earliest;
    for at in earliest..window.len().min(earliest + near.max(PIECE / 4)) {
        if window[at] > window[peak] {
            peak = at;
        }
    }
    peak
}

fn judged(pcm: &[i16], reference: &[i16], place: isize) -> Heard {
    let whole = || reference.iter().map(|&sample| f64::from(sample));
    let played = |from: usize, length: usize| {
        (from..from + length).map(move |at| sample(pcm, place + at.cast_signed()))
    };
    let quiet = loudness(whole()) / 100.0;
    let (mut pieces, mut there, mut missing, mut longest) = (0_u32, 0_u32, 0_u64, 0_u64);
    for (at, piece) in reference.chunks(PIECE).enumerate() {
        let wanted = piece.iter().map(|&sample| f64::from(sample));
        if loudness(wanted.clone()) <= quiet {
            continue;
        }
        pieces += 1;
        if likeness(wanted, played(at * PIECE, piece.len())) >= PIECE_LIKE {
            there += 1;
            missing = 0;
        } else {
            missing += ms(piece.len());
            longest = longest.max(missing);
        }
    }
    Heard {
        at_ms: (place / PER_MS.cast_signed()) as i64,
        score: likeness(whole(), played(0, reference.len())),
        share: f64::from(there) / f64::from(pieces.max(1)),
        missing_ms: longest,
    }
}

fn sample(pcm: &[i16], at: isize) -> f64 {
    let found = usize::try_from(at).ok().and_then(|at| pcm.get(at));
    found.map_or(0.0, |&sample| f64::from(sample))
}

/// What the recording would be if nothing but the references had sounded, each
/// where it was heard and as loud as there.
fn expected(pcm: &[i16], references: &[&[i16]]) -> Vec<f64> {
    let mut expected = vec![0.0; pcm.len()];
    for reference in references {
        for (place, _) in found(pcm, reference) {
            let at = |index: usize| place + index.cast_signed();
            let (mut both, mut own) = (0.0, 0.0);
            for (index, &wanted) in reference.iter().enumerate() {
                both += f64::from(wanted) * sample(pcm, at(index));
                own += f64::from(wanted) * f64::from(wanted);
            }
            for (index, &wanted) in reference.iter().enumerate() {
                let slot = usize::try_from(at(index)).ok().and_then(|at| expected.get_mut(at));
                if let Some(slot) = slot {
                    *slot += f64::from(wanted) * both / own;
                }
            }
        }
    }
    expected
}

/// Root mean square.
fn loudness(sound: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = sound.fold((0_u32, 0.0), |(count, sum), x| (count + 1, sum + x * x));
    (sum / f64::from(count.max(1))).sqrt()
}

/// Normalised correlation: 1 for the same up to a positive factor, 0 for
/// silence.
fn likeness(one: impl Iterator<Item = f64>, other: impl Iterator<Item = f64>) -> f64 {
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (a, b) in one.zip(other) {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    let size = f64::sqrt(first * second);
    if size > 0.0 { both / size } else { 0.0 }
}
