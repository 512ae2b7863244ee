//! Generated tones, noise, and sounds that resemble keys without being any.

use std::f32::consts::TAU;

use super::super::tone::Detector;

const KEYS: [(char, f32, f32); 16] = [
    ('1', 697.0, 1_209.0),
    ('2', 697.0, 1_336.0),
    ('3', 697.0, 1_477.0),
    ('A', 697.0, 1_633.0),
    ('4', 770.0, 1_209.0),
    ('5', 770.0, 1_336.0),
    ('6', 770.0, 1_477.0),
    ('B', 770.0, 1_633.0),
    ('7', 852.0, 1_209.0),
    ('8', 852.0, 1_336.0),
    ('9', 852.0, 1_477.0),
    ('C', 852.0, 1_633.0),
    ('*', 941.0, 1_209.0),
    ('0', 941.0, 1_336.0),
    ('#', 941.0, 1_477.0),
    ('D', 941.0, 1_633.0),
];
const ALL: &str = "123A456B789C*0#D";

/// Dice whose seed is in the test.
struct Noise(u64);

impl Noise {
    /// Between -1 and 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

/// How a keypad is pressed.
#[derive(Clone, Copy)]
struct Manner {
    tone: usize,
    pause: usize,
    low: f32,
    high: f32,
    /// Of each frequency.
    off: f32,
    noise: f32,
}

/// 40 ms on, 40 off, at -13 dBm0.
const PLAIN: Manner =
    Manner { tone: 320, pause: 320, low: 5_000.0, high: 5_000.0, off: 1.0, noise: 0.0 };

fn clip(sample: f32) -> i16 {
    sample.clamp(-32_000.0, 32_000.0) as i16
}

/// The keys in turn, each at its own place within the detector's steps.
fn pressed(keys: &str, manner: Manner, seed: u64) -> Vec<i16> {
    let mut noise = Noise(seed);
    let mut sound = Vec::new();
    for digit in keys.chars() {
        let (_, low, high) = *KEYS.iter().find(|(key, ..)| *key == digit).unwrap();
        let phase = noise.next();
        let pause = manner.pause + (seed % 7) as usize;
        for i in 0..manner.tone + pause {
            let time = i as f32 / 8_000.0 * manner.off;
            let tone = manner.low * (TAU * (low * time + phase)).sin()
                + manner.high * (TAU * high * time).sin();
            let on = if i < manner.tone { tone } else { 0.0 };
            sound.push(clip(on + manner.noise * noise.next()));
        }
    }
    sound
}

fn heard(sound: impl IntoIterator<Item = i16>) -> String {
    let mut keys = String::new();
    Detector::default().hear(sound, |digit| keys.push(digit));
    keys
}

#[test]
fn all_sixteen_keys_are_heard_at_the_shortest_and_when_held() {
    for seed in 1..60 {
        assert_eq!(heard(pressed(ALL, PLAIN, seed)), ALL, "seed {seed}");
    }
    let held = Manner { tone: 16_000, ..PLAIN };
    assert_eq!(heard(pressed(ALL, held, 9)), ALL);
    assert_eq!(heard(pressed("1111", PLAIN, 9)), "1111");
}

#[test]
fn tones_are_heard_through_noise_twist_and_off_their_frequency() {
    // Uniform noise of ±2,000 under two tones of 5,000: 13 dB below them.
    let noisy = Manner { noise: 2_000.0, ..PLAIN };
    let low_louder = Manner { low: 9_000.0, high: 4_500.0, ..PLAIN };
    let high_louder = Manner { low: 5_000.0, high: 8_000.0, ..PLAIN };
    let quiet = Manner { low: 900.0, high: 900.0, noise: 100.0, ..PLAIN };
    let loud = Manner { low: 15_500.0, high: 15_500.0, ..PLAIN };
    let sharp = Manner { off: 1.015, ..PLAIN };
    let flat = Manner { off: 0.985, ..PLAIN };
    for manner in [noisy, low_louder, high_louder, quiet, loud, sharp, flat] {
        for seed in 1..40 {
            assert_eq!(heard(pressed(ALL, manner, seed)), ALL, "seed {seed}");
        }
    }
}

#[test]
fn what_is_too_short_too_quiet_or_too_lopsided_is_no_key() {
    let short = Manner { tone: 160, ..PLAIN };
    let quiet = Manner { low: 250.0, high: 250.0, ..PLAIN };
    let lopsided = Manner { low: 9_000.0, high: 2_500.0, ..PLAIN };
    let other = Manner { low: 3_000.0, high: 8_000.0, ..PLAIN };
    for manner in [short, quiet, lopsided, other] {
        for seed in 1..40 {
            assert_eq!(heard(pressed(ALL, manner, seed)), "", "seed {seed}");
        }
    }
}

/// One packet in ten is lost, and silence stands in for it.
#[test]
fn a_lost_packet_does_not_press_a_key_twice() {
    let held = Manner { tone: 1_600, pause: 800, ..PLAIN };
    for start in 0..1_600 {
        let mut sound = pressed("5", held, 3);
        let end = (start + 160).min(sound.len());
        sound[start..end].fill(0);
        assert_eq!(heard(sound), "5", "lost from {start}");
    }
}

#[test]
fn single_tones_music_and_ringing_are_no_keys() {
    let seconds = 8_000 * 5;
    let tones = |of: &[(f32, f32)]| -> String {
        heard((0..seconds).map(|i| {
            let time = i as f32 / 8_000.0;
            clip(of.iter().map(|(hz, loud)| loud * (TAU * hz * time).sin()).sum())
        }))
    };
    assert_eq!(tones(&[(440.0, 10_000.0)]), "");
    assert_eq!(tones(&[(450.0, 10_000.0)]), "");
    assert_eq!(tones(&[(440.0, 6_000.0), (480.0, 6_000.0)]), "");
    assert_eq!(tones(&[(697.0, 10_000.0)]), "");
    assert_eq!(tones(&[(1_336.0, 10_000.0)]), "");
    // Every pair of notes from A3 to A6, each with its harmonics.
    let note = |n: i32| 220.0 * 2.0_f32.powf(n as f32 / 12.0);
    let mut keys = String::new();
    for first in 0..36 {
        for second in first + 3..36 {
            let loud = [3_000.0, 2_000.0, 1_400.0, 900.0];
            let strings = [note(first), note(second)];
            keys += &heard((0..2_400).map(|i| {
                let time = i as f32 / 8_000.0;
                let sound = strings.iter().flat_map(|hz| {
                    let harmonics = (1_u8..).zip(loud);
                    harmonics.map(move |(k, loud)| loud * (TAU * hz * f32::from(k) * time).sin())
                });
                clip(sound.sum())
            }));
        }
    }
    assert_eq!(keys, "");
}

/// Ten minutes of pulses through moving resonances, with breath and pauses:
/// no language, but what voices are made of.
#[test]
fn speech_presses_no_key() {
    let mut noise = Noise(42);
    let mut formants = [(500.0_f32, 0.0_f32, 0.0_f32), (1_500.0, 0.0, 0.0), (2_500.0, 0.0, 0.0)];
    let (mut pitch, mut phase, mut loud, mut voiced) = (120.0_f32, 0.0_f32, 1.0, true);
    let mut aims = [500.0_f32, 1_500.0, 2_500.0];
    let sound = (0..8_000 * 600).map(|i| {
        if i % 1_200 == 0 {
            aims = [
                500.0 + 250.0 * noise.next(),
                1_500.0 + 700.0 * noise.next(),
                2_600.0 + 400.0 * noise.next(),
            ];
            pitch = 170.0 + 90.0 * noise.next();
            voiced = noise.next() > -0.6;
            loud = (noise.next() + 0.8).clamp(0.0, 1.2);
        }
        phase += pitch * (1.0 + 0.02 * noise.next()) / 8_000.0;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= phase.floor();
        let source = if voiced { pulse + 0.01 * noise.next() } else { 0.15 * noise.next() };
        let mut sum = 0.0;
        for (formant, aim) in formants.iter_mut().zip(aims) {
            formant.0 += (aim - formant.0) * 0.002;
            // A resonance some 60 Hz wide.
            let radius = 0.977_f32;
            let turn = 2.0 * radius * (TAU * formant.0 / 8_000.0).cos();
            let next = source + turn * formant.1 - radius * radius * formant.2;
            (formant.1, formant.2) = (next, formant.1);
            sum += next;
        }
        clip(sum * loud * 4_000.0)
    });
    assert_eq!(heard(sound), "");
}

#[test]
fn noise_alone_presses_no_key() {
    let mut noise = Noise(7);
    assert_eq!(heard((0..8_000 * 300).map(|_| clip(12_000.0 * noise.next()))), "");
    // The loudest square wave that a line holds.
    assert_eq!(heard((0..80_000).map(|i| if i % 11 < 5 { i16::MAX } else { i16::MIN })), "");
}
