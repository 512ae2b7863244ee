//! Keys as two tones in the sound (ITU-T Q.23, Q.24), for gateways that tell them
//! in no other way. A key counts when both tones stand alone for 30 ms, so that a
//! tone of 40 ms always counts; it is over after 40 ms without. Speech and music
//! do not hold two such tones so purely. Wants 8,000 samples a second.

use std::f32::consts::TAU;

const RATE: f32 = 8_000.0;
/// Sound is judged every 5 ms, by the last 15.
const STEP: usize = 40;
const STEPS: usize = 3;
/// Windows in a row that must hold the same key: 30 ms of sound.
const HITS: u32 = 4;
/// Windows in a row without it that end a key. A lost packet of 20 ms spoils
/// six; a pause of 40 ms spoils at least nine.
const MISSES: u32 = 8;

/// Of each tone, as an amplitude of 16-bit samples: about -33 dBm0.
const LEVEL_MIN: f32 = 500.0;
/// The lower tone may be louder by 8 dB, the higher by 6, as powers.
const LOW_LOUDER: f32 = 6.31;
const HIGH_LOUDER: f32 = 3.98;
/// Above every other tone of its group by 8 dB.
const ALONE: f32 = 6.31;
/// Of the window's whole power in the two tones, what they lose by being off
/// their frequency added: noise may be 8 dB below them.
const SHARE: f32 = 0.85;
/// How far a tone may be off its frequency, seen by how its phase turns from
/// window to window. Q.24 wants 1.5 % heard.
const OFF_MAX: f32 = 0.02;

const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const PAD: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// One frequency: Goertzel's filter over a step, and the last steps as points of
/// one spectrum, so that they add up to a window.
#[derive(Debug, Clone, Copy)]
struct Filter {
    cos: f32,
    sin: f32,
    /// What a step turns the phase by, and where it stands.
    turn: (f32, f32),
    phase: (f32, f32),
    steps: [(f32, f32); STEPS],
    /// The points of this window and of the one before.
    now: (f32, f32),
    last: (f32, f32),
    /// How far one may turn from the other.
    turn_max: f32,
}

fn times(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

impl Filter {
    fn new(hz: f32) -> Self {
        let angle = TAU * hz / RATE;
        // Over a step, the filter's point turns by so much.
        let step = -angle * STEP as f32;
        Self {
            cos: angle.cos(),
            sin: angle.sin(),
            turn: (step.cos(), step.sin()),
            phase: (1.0, 0.0),
            steps: [(0.0, 0.0); STEPS],
            now: (0.0, 0.0),
            last: (0.0, 0.0),
            turn_max: step.abs() * OFF_MAX,
        }
    }

    /// The spectrum's point over one step.
    fn point(&self, sound: &[f32]) -> (f32, f32) {
        let twice = 2.0 * self.cos;
        let (mut s1, mut s2) = (0.0_f32, 0.0_f32);
        for sample in sound {
            let s0 = sample + twice * s1 - s2;
            s2 = s1;
            s1 = s0;
        }
        (s1 - self.cos * s2, self.sin * s2)
    }

    /// Power of this frequency in the window that ends here.
    fn power(&mut self, sound: &[f32], step: usize) -> f32 {
        let point = self.point(sound);
        if let Some(kept) = self.steps.get_mut(step) {
            *kept = times(point, self.phase);
        }
        let turned = times(self.phase, self.turn);
        // Rounding must not make it grow or shrink over hours.
        let length = turned.0.hypot(turned.1).max(f32::MIN_POSITIVE);
        self.phase = (turned.0 / length, turned.1 / length);
        let (re, im) = self.steps.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        self.last = self.now;
        self.now = (re, im);
        re * re + im * im
    }

    /// How far this window's phase has turned from the last one's: not at all
    /// for a tone that is exactly right.
    fn turned(&self) -> f32 {
        let (re, im) = times(self.now, (self.last.0, -self.last.1));
        im.atan2(re)
    }

    /// What a tone so far off loses of its power in a window, as a factor.
    fn kept(&self) -> f32 {
        let half = self.turned().abs().min(self.turn_max) * STEPS as f32 / 2.0;
        if half < 0.01 { 1.0 } else { (half.sin() / half).powi(2) }
    }

    fn is_steady(&self) -> bool {
        self.turned().abs() <= self.turn_max
    }
}

/// The keys in one sender's sound, each once.
#[derive(Debug, Clone)]
pub struct Detector {
    low: [Filter; 4],
    high: [Filter; 4],
    sound: [f32; STEP],
    filled: usize,
    step: usize,
    power: [f32; STEPS],
    candidate: Option<char>,
    hits: u32,
    down: Option<char>,
    misses: u32,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            low: LOW.map(Filter::new),
            high: HIGH.map(Filter::new),
            sound: [0.0; STEP],
            filled: 0,
            step: 0,
            power: [0.0; STEPS],
            candidate: None,
            hits: 0,
            down: None,
            misses: 0,
        }
    }
}

/// The strongest, when it stands alone.
fn strongest(powers: [f32; 4]) -> Option<(usize, f32)> {
    let best = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b]))?;
    let power = powers[best];
    let alone = (0..4).all(|i| i == best || power > powers[i] * ALONE);
    alone.then_some((best, power))
}

impl Detector {
    /// Sound in the order of time; every key in it goes to `told` when it is
    /// surely down.
    pub fn hear(&mut self, sound: impl IntoIterator<Item = i16>, mut told: impl FnMut(char)) {
        for sample in sound {
            if let Some(place) = self.sound.get_mut(self.filled) {
                *place = f32::from(sample);
            }
            self.filled += 1;
            if self.filled == STEP {
                self.filled = 0;
                let held = self.window();
                if let Some(digit) = self.judge(held) {
                    told(digit);
                }
            }
        }
    }

    /// What the last window holds, and whether both tones have kept their phase
    /// since the one before.
    fn window(&mut self) -> Option<(char, bool)> {
        let step = self.step;
        self.step = (step + 1) % STEPS;
        let sound = self.sound;
        if let Some(power) = self.power.get_mut(step) {
            *power = sound.iter().map(|sample| sample * sample).sum();
        }
        let low = self.low.each_mut().map(|filter| filter.power(&sound, step));
        let high = self.high.each_mut().map(|filter| filter.power(&sound, step));
        let (row, low) = strongest(low)?;
        let (column, high) = strongest(high)?;
        let (low_tone, high_tone) = (self.low.get(row)?, self.high.get(column)?);
        let length = (STEP * STEPS) as f32;
        // A tone of amplitude 1 has a power of a quarter of the length squared.
        let loud = LEVEL_MIN * LEVEL_MIN * length * length / 4.0;
        // All of the sound in one tone is half the length times its energy.
        let whole: f32 = self.power.iter().sum::<f32>() * length / 2.0;
        let holds = low >= loud
            && high >= loud
            && low <= high * LOW_LOUDER
            && high <= low * HIGH_LOUDER
            && low / low_tone.kept() + high / high_tone.kept() >= whole * SHARE;
        let digit = *PAD.get(row)?.get(column)?;
        holds.then_some((digit, low_tone.is_steady() && high_tone.is_steady()))
    }

    fn judge(&mut self, window: Option<(char, bool)>) -> Option<char> {
        let held = window.map(|(digit, _)| digit);
        let steady = window.is_some_and(|(_, steady)| steady);
        if steady && held == self.candidate {
            self.hits = self.hits.saturating_add(1);
        } else {
            self.candidate = held;
            self.hits = u32::from(held.is_some());
        }
        if held.is_some() && held == self.down {
            self.misses = 0;
            return None;
        }
        self.misses = self.misses.saturating_add(1);
        if self.misses >= MISSES {
            self.down = None;
        }
        if self.hits < HITS {
            return None;
        }
        self.down = held;
        self.misses = 0;
        held
    }
}
