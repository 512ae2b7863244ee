//! Whether a steady tone was heard, for how long and with what holes. It looks at
//! pieces of 20 ms, a quarter of one at a time, and refuses to call a tone what is
//! mostly something else.

use std::f64::consts::{PI, TAU};

/// Root mean square from which a piece sounds (about -44 dBFS).
const AUDIBLE: f64 = 200.0;
/// Share of a piece's energy that must be the tone's.
const MOSTLY: f64 = 0.8;
/// Pieces a second, and how far each is from the next one in quarters.
const PIECES: usize = 50;
const STEP_MS: u64 = 5;
/// Turn of the phase within one step that no clock's drift explains.
const TORN: f64 = 0.6;

/// What was heard of a tone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tone {
    /// Share of all that sounded, by energy: 1 is the tone alone.
    pub ratio: f64,
    /// The longest time without it between its first and its last piece.
    pub longest_gap_ms: u64,
    /// How long it sounded.
    pub seconds: f64,
    /// How often it went on elsewhere in its wave: a hole that the recording
    /// itself does not show, because it was left out.
    pub breaks: usize,
}

/// The tone of `hz` in samples of which there are `rate` a second.
pub fn tone(samples: &[i16], rate: u32, hz: f64) -> Tone {
    let rate = rate as usize;
    let (piece, step) = (rate / PIECES, rate / PIECES / 4);
    if step == 0 || samples.len() < piece {
        return Tone::default();
    }
    let mut heard = Tone::default();
    let (mut own, mut all) = (0.0, 0.0);
    let (mut before, mut quiet) = (None, 0_u64);
    for at in (0..=samples.len() - piece).step_by(step) {
        let (tone, energy, phase) = measured(&samples[at..at + piece], at, hz / rate as f64);
        if energy / piece as f64 >= AUDIBLE * AUDIBLE {
            own += tone;
            all += energy;
        }
        let loud = tone / piece as f64 >= AUDIBLE * AUDIBLE;
        if !loud || tone < energy * MOSTLY {
            quiet += 1;
            continue;
        }
        if let Some(before) = before {
            // A piece whose middle is silent still rings at both its ends.
            heard.longest_gap_ms = heard.longest_gap_ms.max(quiet * STEP_MS);
            heard.breaks += usize::from(turned(before, phase) > TORN);
        }
        heard.seconds += step as f64 / rate as f64;
        (before, quiet) = (Some(phase), 0);
    }
    heard.ratio = if all > 0.0 { own / all } else { 0.0 };
    heard
}

/// Energy of the tone in a piece, of everything in it, and the tone's phase as if
/// it had begun with the first sample of all.
fn measured(piece: &[i16], at: usize, turns: f64) -> (f64, f64, f64) {
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (index, &sample) in piece.iter().enumerate() {
        let sample = f64::from(sample);
        let angle = TAU * turns * (at + index) as f64;
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    (2.0 * (re * re + im * im) / piece.len() as f64, energy, im.atan2(re))
}

fn turned(before: f64, now: f64) -> f64 {
    let turn = (now - before).rem_euclid(TAU);
    if turn > PI { TAU - turn } else { turn }
}
