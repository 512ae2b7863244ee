//! What should be heard, made without Weir: the text spoken by the speech program
//! itself and brought to 8,000 samples a second. It refuses to use anything that
//! Weir made.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::capability::tool;
use crate::hearing::RATE;
use crate::program::run;

/// Half the length of the resampling filter, in input samples.
const REACH: f64 = 24.0;

/// Chinese, as an announcement is spoken.
///
/// # Errors
/// When espeak-ng is not installed or fails.
pub async fn chinese(folder: &Path, text: &str) -> Result<Vec<i16>> {
    let program = tool("espeak-ng", "espeak-ng")?.to_string_lossy().into_owned();
    let file = folder.join("reference.wav").to_string_lossy().into_owned();
    run(program, ["-v", "cmn", "-s", "150", "-w", &file, text]).await?.ended_with(0)?;
    let (rate, samples) = wave(&std::fs::read(&file)?)?;
    Ok(trimmed(&resampled(&samples, rate)))
}

/// Rate and samples of a mono 16-bit WAV file.
fn wave(bytes: &[u8]) -> Result<(u32, Vec<i16>)> {
    let word = |at: usize| -> Result<u32> {
        let word = bytes.get(at..at + 4).context("a WAV file that ends early")?;
        Ok(u32::from_le_bytes(word.try_into()?))
    };
    ensure!(bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "not a WAV file");
    let rate = word(24)?;
    let data = bytes.windows(4).position(|tag| tag == b"data").context("no data")?;
    let samples = bytes.get(data + 8..).unwrap_or_default();
    Ok((rate, samples.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()))
}

/// By a windowed sinc (Hann), cut off below the new rate's half.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "audio")]
fn resampled(samples: &[i16], rate: u32) -> Vec<i16> {
    let step = f64::from(rate) / RATE as f64;
    let cut = 0.92 / step.max(1.0);
    let count = (samples.len() as f64 / step) as usize;
    let reach = REACH * step.max(1.0);
    (0..count)
        .map(|index| {
            let centre = index as f64 * step;
            let from = (centre - reach).ceil().max(0.0) as usize;
            let to = ((centre + reach) as usize).min(samples.len().saturating_sub(1));
            let sum: f64 = (from..=to)
                .map(|at| {
                    let away = at as f64 - centre;
                    let x = std::f64::consts::PI * away * cut;
                    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
                    let hann = 0.5 + 0.5 * (std::f64::consts::PI * away / reach).cos();
                    f64::from(samples[at]) * sinc * cut * hann
                })
                .sum();
            sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
        })
        .collect()
}

/// Without the silence at both ends.
fn trimmed(samples: &[i16]) -> Vec<i16> {
    let loud = |sample: &i16| sample.unsigned_abs() > 100;
    let from = samples.iter().position(loud).unwrap_or(0);
    let to = samples.iter().rposition(loud).map_or(0, |last| last + 1);
    samples.get(from..to).unwrap_or_default().to_vec()
}
