//! Counts how often an announcement that is played over and over was heard to its
//! end, without knowing what it says: its first one and a half seconds are looked
//! for again and again. It refuses to tell one announcement from another, and
//! would count a steady tone wrongly.

use weir_fakes::sip::recorder::loud;

/// Samples of the part that is looked for.
const HEAD: usize = 12_000;
/// The beginning is looked for in pieces of this length.
const PIECE: usize = 160;
/// Five minutes; what is later is not listened to.
const SAMPLES_MAX: usize = 2_400_000;
/// Every so many samples are compared: at first glance, and in earnest.
const GLANCE: usize = 16;
const CLOSE: usize = 4;
const LIKE_AT_A_GLANCE: f64 = 0.4;
const LIKE: f64 = 0.8;

#[derive(Debug, Default)]
pub(crate) struct Ear {
    samples: Vec<i16>,
    /// Where the announcement began, each time.
    starts: Vec<usize>,
    looked: usize,
    times: u32,
}

impl Ear {
    /// How often it was heard whole by now, when that is news.
    pub(crate) fn hears(&mut self, samples: &[i16]) -> Option<u32> {
        let room = SAMPLES_MAX.saturating_sub(self.samples.len());
        self.samples.extend(&samples[..samples.len().min(room)]);
        self.begins();
        self.comes_again();
        let times = self.whole();
        (times > std::mem::replace(&mut self.times, times)).then_some(times)
    }

    fn begins(&mut self) {
        while self.starts.is_empty() && self.looked + PIECE <= self.samples.len() {
            if loud(&self.samples[self.looked..self.looked + PIECE]) {
                self.starts.push(self.looked);
            }
            self.looked += PIECE;
        }
    }

    fn comes_again(&mut self) {
        let (Some(&first), Some(&last)) = (self.starts.first(), self.starts.last()) else {
            return;
        };
        self.looked = self.looked.max(last + HEAD);
        while self.looked + HEAD <= self.samples.len() {
            let at = self.looked;
            if self.like(first, at, GLANCE) >= LIKE_AT_A_GLANCE
                && self.like(first, at, CLOSE) >= LIKE
            {
                self.starts.push(at);
                self.looked = at + HEAD;
            } else {
                self.looked += 1;
            }
        }
    }

    /// Normalised correlation of two stretches of HEAD samples.
    fn like(&self, one: usize, other: usize, step: usize) -> f64 {
        let (mut both, mut first, mut second) = (0_i64, 0_i64, 0_i64);
        let pairs = self.samples[one..one + HEAD].iter().zip(&self.samples[other..other + HEAD]);
        for (&a, &b) in pairs.step_by(step) {
            let (a, b) = (i64::from(a), i64::from(b));
            both += a * b;
            first += a * a;
            second += b * b;
        }
        let size = (first as f64 * second as f64).sqrt();
        if size > 0.0 { both as f64 / size } else { 0.0 }
    }

    /// The last one is whole when as much time has passed as between the first
    /// two.
    fn whole(&self) -> u32 {
        let [first, second, ..] = self.starts[..] else { return 0 };
        let last = self.starts.last().copied().unwrap_or_default();
        let complete = self.samples.len() >= last + (second - first);
        let begun = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        if complete { begun } else { begun - 1 }
    }
}
