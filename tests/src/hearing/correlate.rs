//! Normalised cross-correlation of a recording with a reference at every
//! offset, by fast convolution block after block. It refuses nothing: silence
//! scores 0.

use super::fourier::{Complex, Direction, transform};

/// Below this root mean square a window is silence with rounding in it.
const SILENCE: f64 = 1.0;
const BLOCK_MIN: usize = 1 << 15;

/// How far before the recording the first offset lies.
pub(super) fn lead(reference: &[i16]) -> usize {
    reference.len()
}

/// The score of every offset, the first one [`lead`] samples before the
/// recording, the last one at its end.
pub(super) fn scores(pcm: &[i16], reference: &[i16]) -> Vec<f32> {
    let length = reference.len();
    let own: f64 = reference.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    if length == 0 || own <= 0.0 || pcm.is_empty() {
        return Vec::new();
    }
    // Silence on both sides, so that every offset has a whole window.
    let mut padded = vec![0_i16; length];
    padded.extend(pcm);
    padded.resize(padded.len() + length, 0);
    let energies = energies(&padded);
    let floor = SILENCE * SILENCE * length as f64;
    let sums = correlation(&padded, reference);
    let scored = sums.into_iter().enumerate().map(|(at, both)| {
        let energy = energies[at + length] - energies[at];
        // Both are below one by Cauchy and Schwarz; single precision will do.
        if energy < floor { 0.0 } else { (both / (own * energy).sqrt()) as f32 }
    });
    scored.collect()
}

/// Sums of squares up to each sample; exact, as whole numbers.
fn energies(padded: &[i16]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(padded.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for &sample in padded {
        sum += f64::from(sample).powi(2);
        sums.push(sum);
    }
    sums
}

/// The plain correlation at every offset where the reference fits.
fn correlation(padded: &[i16], reference: &[i16]) -> Vec<f64> {
    let (length, offsets) = (reference.len(), padded.len() - reference.len() + 1);
    let size = (length * 4).next_power_of_two().max(BLOCK_MIN);
    let step = size - length + 1;
    let mut pattern = spectrum(reference, size);
    for value in &mut pattern {
        value.im = -value.im;
    }
    let mut sums = Vec::with_capacity(offsets);
    while sums.len() < offsets {
        let start = sums.len();
        let end = padded.len().min(start + size);
        let mut block = spectrum(&padded[start..end], size);
        for (value, pattern) in block.iter_mut().zip(&pattern) {
            *value = value.times(*pattern);
        }
        transform(&mut block, Direction::Back);
        let wanted = step.min(offsets - start);
        sums.extend(block.iter().take(wanted).map(|value| value.re / size as f64));
    }
    sums
}

fn spectrum(samples: &[i16], size: usize) -> Vec<Complex> {
    let mut values = vec![Complex::default(); size];
    for (value, &sample) in values.iter_mut().zip(samples) {
        value.re = f64::from(sample);
    }
    transform(&mut values, Direction::There);
    values
}
