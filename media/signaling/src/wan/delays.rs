//! How unevenly the frames of one call arrive, and how long the listener must
//! wait so that nearly all are there in time. The quickest of the last seconds is
//! the measure, so that two clocks that drift apart do not look like delay.

use std::collections::VecDeque;

use super::format::STEP_MS;

/// Arrivals that are remembered: 5 s of 20 ms frames, 15 s of 60 ms frames.
const SAMPLES: usize = 256;
const FORGET_MS: u64 = 20_000;
/// So many of a hundred arrivals shall be in time.
const IN_TIME_PERCENT: usize = 98;
/// Second sendings are remembered apart: they are rare or come with every frame.
const COPIES: usize = 64;
const FORGET_COPIES_MS: u64 = 10_000;
/// Between the arrival that decides and the playing.
const MARGIN_MS: u64 = 5;
/// The target falls no faster than this.
const FALL_MS_PER_S: u64 = 10;

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ms: u64,
    transit_ms: i64,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Delays {
    least_ms: u64,
    most_ms: u64,
    samples: VecDeque<Sample>,
    copies: VecDeque<Sample>,
    base_ms: Option<i64>,
    target_ms: u64,
    fell_ms: u64,
}

/// Arrival against the place on the sender's time line. Any zero will do.
pub(super) fn transit_ms(now_ms: u64, step: i64) -> i64 {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    now_ms.saturating_sub(step.saturating_mul(STEP_MS as i64))
}

impl Delays {
    pub(super) fn new(least_ms: u64, most_ms: u64, start_ms: u64) -> Self {
        Self {
            least_ms,
            most_ms,
            samples: VecDeque::new(),
            copies: VecDeque::new(),
            base_ms: None,
            target_ms: start_ms.clamp(least_ms, most_ms),
            fell_ms: 0,
        }
    }

    /// The sender began anew: its time line says nothing about the old one.
    pub(super) fn restart(&mut self) {
        self.samples.clear();
        self.copies.clear();
        self.base_ms = None;
    }

    pub(super) fn target_ms(&self) -> u64 {
        self.target_ms
    }

    /// How much later than the quickest; `None` before anything came.
    pub(super) fn behind_ms(&self, now_ms: u64, step: i64) -> Option<i64> {
        self.base_ms.map(|base_ms| transit_ms(now_ms, step).saturating_sub(base_ms))
    }

    pub(super) fn came(&mut self, now_ms: u64, step: i64, again: bool) {
        let (ring, most, forget_ms) = if again {
            (&mut self.copies, COPIES, FORGET_COPIES_MS)
        } else {
            (&mut self.samples, SAMPLES, FORGET_MS)
        };
        while ring.len() >= most || ring.front().is_some_and(|one| one.at_ms + forget_ms < now_ms) {
            ring.pop_front();
        }
        ring.push_back(Sample { at_ms: now_ms, transit_ms: transit_ms(now_ms, step) });
        let quickest = self.samples.iter().map(|one| one.transit_ms).min();
        // Only copies so far: better than nothing.
        self.base_ms = quickest.or_else(|| self.copies.iter().map(|one| one.transit_ms).min());
        self.aim(now_ms);
    }

    /// Up at once, down slowly.
    fn aim(&mut self, now_ms: u64) {
        let Some(base_ms) = self.base_ms else { return };
        let mut first = [0_i64; SAMPLES];
        let mut count = 0;
        for (place, sample) in first.iter_mut().zip(&self.samples) {
            *place = sample.transit_ms;
            count += 1;
        }
        let first = first.get_mut(..count).unwrap_or_default();
        let nearly_all = (count * IN_TIME_PERCENT / 100).min(count.saturating_sub(1));
        let first = match count {
            0 => base_ms,
            _ => *first.select_nth_unstable(nearly_all).1,
        };
        let live = self.copies.iter().filter(|one| one.at_ms + FORGET_COPIES_MS >= now_ms);
        let copies = live.map(|one| one.transit_ms).max().unwrap_or(base_ms);
        let wanted_ms = u64::try_from(first.max(copies).saturating_sub(base_ms)).unwrap_or(0);
        let wanted_ms = (wanted_ms + MARGIN_MS).clamp(self.least_ms, self.most_ms);
        if wanted_ms >= self.target_ms {
            self.target_ms = wanted_ms;
            self.fell_ms = now_ms;
            return;
        }
        let may_fall_ms = now_ms.saturating_sub(self.fell_ms) * FALL_MS_PER_S / 1_000;
        if may_fall_ms > 0 {
            self.target_ms = self.target_ms.saturating_sub(may_fall_ms).max(wanted_ms);
            self.fell_ms = now_ms;
        }
    }
}
