//! Telephones at 8 kHz, Opus at 16: twice and half the rate by one half-band
//! filter of 31 taps, in two phases, one of which is a plain delay. Refuses other
//! ratios.

/// Taps of the phase that computes; the other one only delays.
const TAPS: usize = 16;
/// The delaying phase takes the sample in the middle.
const MIDDLE: usize = TAPS / 2;
/// Shape of the Kaiser window: about 55 dB beyond the edge.
const BETA: f64 = 5.0;

/// The filter's odd taps, each phase with unit gain.
fn taps() -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    for (tap, place) in taps.iter_mut().zip(0_u32..) {
        // Distance from the middle, in samples of 16 kHz: odd, −15 to 15.
        let at = f64::from(place) * 2.0 - 15.0;
        let angle = at * core::f64::consts::FRAC_PI_2;
        let edge = at / 16.0;
        let window = bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA);
        *tap = angle.sin() / angle * window;
    }
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..25_u32 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// The last samples, so that every window is one slice.
#[derive(Debug, Clone)]
struct Window {
    taps: [f32; TAPS],
    ring: [f32; 2 * TAPS],
    at: usize,
}

impl Window {
    fn new() -> Self {
        Self { taps: taps(), ring: [0.0; 2 * TAPS], at: 0 }
    }

    fn push(&mut self, sample: f32) {
        if let Some(place) = self.ring.get_mut(self.at) {
            *place = sample;
        }
        if let Some(place) = self.ring.get_mut(self.at + TAPS) {
            *place = sample;
        }
        self.at = (self.at + 1) % TAPS;
    }

    /// Oldest first.
    fn samples(&self) -> &[f32] {
        self.ring.get(self.at..self.at + TAPS).unwrap_or_default()
    }

    fn filtered(&self) -> f32 {
        self.samples().iter().zip(&self.taps).map(|(sample, tap)| sample * tap).sum()
    }

    fn middle(&self, place: usize) -> f32 {
        self.samples().get(place).copied().unwrap_or(0.0)
    }
}

/// A cast of floats saturates.
fn sample(value: f32) -> i16 {
    value.round() as i16
}

/// 8 kHz to 16 kHz.
#[derive(Debug, Clone)]
pub struct Up {
    window: Window,
}

impl Default for Up {
    fn default() -> Self {
        Self { window: Window::new() }
    }
}

impl Up {
    /// Two samples for each.
    pub fn run(&mut self, sound: &[i16], into: &mut Vec<i16>) {
        for &one in sound {
            self.window.push(f32::from(one));
            // The tap that computes lies half a sample before the one that delays.
            into.push(sample(self.window.filtered()));
            into.push(sample(self.window.middle(MIDDLE)));
        }
    }
}

/// 16 kHz to 8 kHz; what lies above 4 kHz is taken away.
#[derive(Debug, Clone)]
pub struct Down {
    odd: Window,
    even: Window,
}

impl Default for Down {
    fn default() -> Self {
        Self { odd: Window::new(), even: Window::new() }
    }
}

impl Down {
    /// One sample for each two; an odd one at the end is left out.
    pub fn run(&mut self, sound: &[i16], into: &mut Vec<i16>) {
        for pair in sound.as_chunks::<2>().0 {
            let [first, second] = pair.map(f32::from);
            self.even.push(first);
            // Halfway between the odd samples in the middle.
            let middle = self.even.middle(MIDDLE - 1);
            into.push(sample((self.odd.filtered() + middle) / 2.0));
            self.odd.push(second);
        }
    }
}
