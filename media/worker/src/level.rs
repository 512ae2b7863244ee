//! One loudness for every sound, measured by EBU R128 and held under a true
//! peak. It refuses sounds so faint that what would be made loud is the noise.
//!
//! −16 LUFS, not the −23 of broadcasting: a loudspeaker in the rain plays speech
//! only, G.711 has some twelve bits of resolution to hide its noise in, and the
//! listener cannot turn it up. Louder than that, and speech (whose peaks stand
//! 12 to 20 dB above its loudness) would be limited all the time, which costs
//! the consonants that words are told apart by. Each rate is measured by itself:
//! what a telephone band cuts off must not count towards its loudness.

use std::collections::VecDeque;
use std::f64::consts::PI;

use ebur128::{EbuR128, Mode};

use crate::wrong::Wrong;

/// Loudness of everything that is played.
pub(crate) const TARGET_LUFS: f64 = -16.0;
/// Raised by 40 dB at most.
pub(crate) const FAINTEST_LUFS: f64 = -56.0;
/// Highest true peak of what is encoded. A codec's rounding adds up to half
/// a decibel (G.711's steps are a thirty-second at the top, G.722 is noisier),
/// and what the loudspeaker decodes shall stay under −1.
const PEAK_DBTP: f64 = -1.6;
/// What the limiter aims at: its interpolation is shorter than the meter's.
const LIMIT_DBTP: f64 = -1.9;
/// Limiting takes loudness away, so it is measured and raised again.
const ROUNDS: usize = 8;
const CLOSE_LU: f64 = 0.1;
/// How far gain may go beyond the first guess, in dB: a click every second
/// would otherwise be driven into a square wave.
const PUSH_MAX_DB: f64 = 12.0;
/// R128 measures blocks of 400 ms; shorter sounds are measured as if repeated.
const BLOCK_MS: usize = 400;
/// The limiter looks this far ahead and behind.
const LOOK_MS: usize = 15;
/// Below this nothing is heard from a horn, but headroom is lost.
const OFFSET_HZ: f64 = 40.0;
/// Neighbours on each side that an interpolated sample is made of.
const NEIGHBOURS: i32 = 8;

pub(crate) struct Levelled {
    pub(crate) samples: Vec<f32>,
    pub(crate) lufs: f64,
    pub(crate) peak_dbtp: f64,
}

/// Takes away a constant offset, as cheap sound cards add one.
pub(crate) fn without_offset(samples: &mut [f32], rate: u32) {
    let keep = 1.0 - 2.0 * PI * OFFSET_HZ / f64::from(rate);
    let mut before = samples.first().map_or(0.0, |&first| f64::from(first));
    let mut out = 0.0;
    for sample in samples {
        let now = f64::from(*sample);
        out = now - before + keep * out;
        before = now;
        *sample = out as f32;
    }
}

/// # Errors
/// When it is next to silent.
pub(crate) fn levelled(samples: Vec<f32>, rate: u32) -> Result<Levelled, Wrong> {
    let found = loudness(&samples, rate)?;
    if found.is_nan() || found < FAINTEST_LUFS {
        return Err(Wrong::Silent);
    }
    let peaks = peaks(&samples);
    let first = TARGET_LUFS - found;
    let mut gain_db = first;
    let mut best: Option<(Vec<f32>, f64)> = None;
    for _ in 0..ROUNDS {
        let louder = limited(&samples, &peaks, gain_db, rate);
        let lufs = loudness(&louder, rate)?;
        let off = |lufs: f64| (TARGET_LUFS - lufs).abs();
        if best.as_ref().is_none_or(|(_, best)| off(lufs) < off(*best)) {
            best = Some((louder, lufs));
        }
        gain_db = (gain_db + TARGET_LUFS - lufs).min(first + PUSH_MAX_DB);
        if off(lufs) < CLOSE_LU {
            break;
        }
    }
    let (mut samples, mut lufs) = best.ok_or(Wrong::Silent)?;
    let mut peak_dbtp = true_peak(&samples, rate)?;
    if peak_dbtp > PEAK_DBTP {
        let down = PEAK_DBTP - peak_dbtp;
        samples.iter_mut().for_each(|sample| *sample *= ratio(down) as f32);
        (lufs, peak_dbtp) = (lufs + down, PEAK_DBTP);
    }
    Ok(Levelled { samples, lufs, peak_dbtp })
}

fn ratio(db: f64) -> f64 {
    10_f64.powf(db / 20.0)
}

fn meter(rate: u32, mode: Mode) -> Result<EbuR128, Wrong> {
    EbuR128::new(1, rate, mode).map_err(|error| Wrong::Pipeline(error.to_string()))
}

fn loudness(samples: &[f32], rate: u32) -> Result<f64, Wrong> {
    let wrong = |error: ebur128::Error| Wrong::Pipeline(error.to_string());
    let mut meter = meter(rate, Mode::I)?;
    let block = rate as usize * BLOCK_MS / 1_000;
    let times = if samples.len() < block { block.div_ceil(samples.len().max(1)) } else { 1 };
    for _ in 0..times {
        meter.add_frames_f32(samples).map_err(wrong)?;
    }
    meter.loudness_global().map_err(wrong)
}

fn true_peak(samples: &[f32], rate: u32) -> Result<f64, Wrong> {
    let wrong = |error: ebur128::Error| Wrong::Pipeline(error.to_string());
    let mut meter = meter(rate, Mode::TRUE_PEAK)?;
    meter.add_frames_f32(samples).map_err(wrong)?;
    Ok(20.0 * meter.true_peak(0).map_err(wrong)?.log10())
}

/// The highest value at and right after each sample, seen at four times the rate.
fn peaks(samples: &[f32]) -> Vec<f32> {
    let filters = [0.25, 0.5, 0.75].map(interpolator);
    let last = samples.len() as i64;
    let at = |index: i64| {
        if (0..last).contains(&index) { samples[index as usize] } else { 0.0 }
    };
    (0..last)
        .map(|index| {
            let from = index - i64::from(NEIGHBOURS) + 1;
            filters.iter().fold(at(index).abs(), |peak, filter| {
                let taps = filter.iter().zip(from..);
                peak.max(taps.map(|(tap, index)| tap * at(index)).sum::<f32>().abs())
            })
        })
        .collect()
}

/// A sinc at this part of a sample, under a Hann window.
fn interpolator(part: f64) -> Vec<f32> {
    (1 - NEIGHBOURS..=NEIGHBOURS)
        .map(|tap| {
            let x = f64::from(tap) - part;
            let window = (PI * x / (2.0 * f64::from(NEIGHBOURS))).cos().powi(2);
            ((PI * x).sin() / (PI * x) * window) as f32
        })
        .collect()
}

/// Raised by `gain_db`, with every peak held under the limit by a gain that
/// glides there before it and back after it.
fn limited(samples: &[f32], peaks: &[f32], gain_db: f64, rate: u32) -> Vec<f32> {
    let gain = ratio(gain_db) as f32;
    let limit = ratio(LIMIT_DBTP) as f32;
    if peaks.iter().all(|peak| peak * gain <= limit) {
        return samples.iter().map(|sample| sample * gain).collect();
    }
    let look = rate as usize * LOOK_MS / 1_000;
    let allowed: Vec<f32> = peaks.iter().map(|peak| (limit / (peak * gain)).min(1.0)).collect();
    // A mean over windows whose every minimum has seen this sample cannot be
    // above what this sample allows.
    let held = mean(&lowest(&allowed, look), look);
    samples.iter().zip(held).map(|(sample, held)| sample * gain * held).collect()
}

/// The lowest of each value's neighbourhood.
fn lowest(values: &[f32], reach: usize) -> Vec<f32> {
    let mut rising: VecDeque<usize> = VecDeque::with_capacity(2 * reach + 1);
    let mut out = Vec::with_capacity(values.len());
    for next in 0..values.len() + reach {
        if next < values.len() {
            while rising.back().is_some_and(|&back| values[back] >= values[next]) {
                rising.pop_back();
            }
            rising.push_back(next);
        }
        let Some(at) = next.checked_sub(reach) else { continue };
        while rising.front().is_some_and(|&front| front + reach < at) {
            rising.pop_front();
        }
        out.push(rising.front().map_or(1.0, |&front| values[front]));
    }
    out
}

/// The mean of each value's neighbourhood; beyond the ends the end goes on.
fn mean(values: &[f32], reach: usize) -> Vec<f32> {
    let Some(last) = values.len().checked_sub(1) else { return Vec::new() };
    let width = (2 * reach + 1) as f64;
    let at = |index: usize| f64::from(values[index.saturating_sub(reach).min(last)]);
    let mut sum: f64 = (0..=2 * reach).map(at).sum();
    (0..values.len())
        .map(|index| {
            let mean = sum / width;
            sum += at(index + 2 * reach + 1) - at(index);
            mean as f32
        })
        .collect()
}
