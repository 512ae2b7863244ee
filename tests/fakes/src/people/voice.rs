//! What a telephone sends as sound: silence, speech-like noise, beeps, tunes and
//! the tones of keys (ITU-T Q.23). It refuses to be mistaken for a person: there
//! are no words in it.

use std::f64::consts::TAU;

/// Samples a second, and of one frame.
const RATE: f64 = 8_000.0;
pub(crate) const FRAME: usize = 160;
const LOUD: f64 = 6_000.0;
/// A person's own tone: a tenth of the full scale, so that ten together still fit.
const TONE: f64 = 3_276.0;
/// Notes of the colour-ring, in Hz, 300 ms each.
const TUNE: [f64; 6] = [523.0, 659.0, 784.0, 1_047.0, 784.0, 659.0];
const NOTE: u64 = 2_400;
/// Length of a syllable, in samples.
const SYLLABLE: f64 = 2_000.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Voice {
    Quiet,
    /// Noise below 2 kHz that swells and fades as syllables do.
    Speech,
    /// 1 kHz.
    Beep,
    ColourRing,
    /// Steady, in Hz.
    Tone(u32),
    Key(char),
}

/// Makes one frame after the other.
#[derive(Debug)]
pub(crate) struct Larynx {
    /// Samples made so far.
    at: u64,
    noise: u32,
    smooth: f64,
}

impl Larynx {
    pub(crate) fn new(seed: u32) -> Self {
        Self { at: 0, noise: seed | 1, smooth: 0.0 }
    }

    pub(crate) fn frame(&mut self, voice: Voice) -> Vec<i16> {
        (0..FRAME).map(|_| self.sample(voice)).collect()
    }

    fn sample(&mut self, voice: Voice) -> i16 {
        let at = self.at as f64;
        let tone = |hz: f64| (TAU * hz * at / RATE).sin();
        let value = match voice {
            Voice::Quiet => 0.0,
            Voice::Speech => {
                let swell = (std::f64::consts::PI * at / SYLLABLE).sin().abs();
                self.smooth += 0.4 * (self.dice() - self.smooth);
                self.smooth * swell * 2.0
            }
            Voice::Beep => tone(1_000.0),
            Voice::Tone(hz) => tone(f64::from(hz)) * TONE / LOUD,
            Voice::ColourRing => {
                let note = (self.at / NOTE) as usize % TUNE.len();
                tone(TUNE[note])
            }
            Voice::Key(key) => {
                let (low, high) = tones(key).unwrap_or_default();
                (tone(low) + tone(high)) * 0.7
            }
        };
        self.at += 1;
        (value * LOUD) as i16
    }

    /// From -1 to 1 (xorshift).
    fn dice(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        f64::from(self.noise) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];

/// The two frequencies of a key.
fn tones(key: char) -> Option<(f64, f64)> {
    let row = KEYS.iter().position(|row| row.contains(key))?;
    let column = KEYS.get(row)?.find(key)?;
    let low = [697.0, 770.0, 852.0, 941.0].get(row)?;
    let high = [1_209.0, 1_336.0, 1_477.0, 1_633.0].get(column)?;
    Some((*low, *high))
}

/// The number of a key in RFC 4733 §3.2.
pub(crate) fn event(key: char) -> Option<u8> {
    "0123456789*#ABCD".find(key).and_then(|at| u8::try_from(at).ok())
}
