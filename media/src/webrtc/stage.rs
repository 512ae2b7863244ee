//! What one picture shows: its RTP clock, and the newest key frame with all that
//! followed it, for whoever comes late. Knows neither sockets nor viewers; time is
//! an argument. It keeps no more than a few megabytes, and forgets rather than
//! hands out what cannot be decoded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pack::Frame;

/// Ticks of video's RTP clock in a millisecond (RFC 6184 §8.1: 90 kHz).
const TICKS_A_MS: u32 = 90;
/// A step of a source's clock beyond this, or so far ahead of what passed here,
/// is another clock's: a browser would wait for the time that it skips.
const STEP_MAX_MS: u64 = 60_000;
const AHEAD_MAX_MS: u64 = 500;
/// Frames that were held up for longer than this do not get their time back.
const LAG_MAX_MS: u64 = 5_000;
/// What is kept for late viewers.
const KEPT_BYTES: usize = 3_000_000;
const KEPT_FRAMES: usize = 300;
/// Key frames are asked for no more often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Turns a source's clock into one that only goes forward, whoever the source is.
#[derive(Debug)]
struct Clock {
    ticks: u32,
    last: Option<(u32, Instant)>,
    /// How far the source is behind the time that passed here.
    lag_ms: u64,
}

impl Clock {
    fn ticks(&mut self, now: Instant, at_ms: u32) -> u32 {
        if let Some((last_ms, last)) = self.last.replace((at_ms, now)) {
            let passed = now.saturating_duration_since(last).as_millis();
            let passed_ms = u64::try_from(passed).unwrap_or(u64::MAX);
            let mut step_ms = self.step_ms(at_ms.wrapping_sub(last_ms), passed_ms);
            if self.lag_ms > LAG_MAX_MS {
                step_ms = step_ms.saturating_add(std::mem::take(&mut self.lag_ms));
            }
            // A clock that is a little slow is no lag.
            self.lag_ms -= self.lag_ms.min(passed_ms / 100);
            let ticks = step_ms.wrapping_mul(u64::from(TICKS_A_MS)) & u64::from(u32::MAX);
            self.ticks = self.ticks.wrapping_add(u32::try_from(ticks).unwrap_or(0));
        }
        self.ticks
    }

    fn step_ms(&mut self, source_ms: u32, passed_ms: u64) -> u64 {
        let source_ms = u64::from(source_ms);
        self.lag_ms = self.lag_ms.saturating_add(passed_ms);
        let likely =
            source_ms <= STEP_MAX_MS && source_ms <= self.lag_ms.saturating_add(AHEAD_MAX_MS);
        let step_ms = if source_ms > 0 && likely { source_ms } else { passed_ms.max(1) };
        self.lag_ms = self.lag_ms.saturating_sub(step_ms);
        step_ms
    }
}

/// How far a late viewer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which key frame this follows.
    key: u64,
    frame: usize,
    payload: usize,
}

/// What comes next for a late viewer.
#[derive(Debug)]
pub(super) enum Next<'a> {
    Payload {
        payload: &'a Arc<[u8]>,
        ticks: u32,
        marker: bool,
        then: Place,
    },
    /// It sees what all see.
    Caught,
    /// What it was being shown is not kept any more.
    Gone,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stage {
    clock: Clock,
    /// Begins with a key frame, or is empty.
    kept: Vec<Arc<Frame>>,
    kept_bytes: usize,
    keys: u64,
    newest_ticks: u32,
    wants_key: bool,
    asked: Option<Instant>,
}

impl Stage {
    /// `first_ticks` should be random (RFC 3550 §5.1).
    pub(super) fn new(first_ticks: u32) -> Self {
        Self {
            clock: Clock { ticks: first_ticks, last: None, lag_ms: 0 },
            kept: Vec::new(),
            kept_bytes: 0,
            keys: 0,
            newest_ticks: first_ticks,
            wants_key: false,
            asked: None,
        }
    }

    /// The RTP time of `frame`, which is kept as far as that makes sense.
    pub(super) fn show(&mut self, now: Instant, frame: &Arc<Frame>) -> u32 {
        self.newest_ticks = self.clock.ticks(now, frame.at_ms);
        if frame.key {
            self.forget();
            self.keys += 1;
            self.wants_key = false;
        } else if self.kept.is_empty() {
            return self.newest_ticks;
        }
        let bytes = self.kept_bytes + frame.bytes;
        if bytes > KEPT_BYTES || self.kept.len() >= KEPT_FRAMES {
            self.forget();
        } else {
            self.kept_bytes = bytes;
            self.kept.push(frame.clone());
        }
        self.newest_ticks
    }

    /// Something is missing: nothing that comes before the next key frame is good.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    /// Where a viewer begins; `None`: with the next key frame.
    pub(super) fn begin(&self) -> Option<Place> {
        (!self.kept.is_empty()).then_some(Place { key: self.keys, frame: 0, payload: 0 })
    }

    pub(super) fn next(&self, place: Place) -> Next<'_> {
        if place.key != self.keys || self.kept.is_empty() {
            return Next::Gone;
        }
        let Some(frame) = self.kept.get(place.frame) else { return Next::Caught };
        let Some(payload) = frame.payloads.get(place.payload) else { return Next::Gone };
        let marker = place.payload + 1 == frame.payloads.len();
        let then = if marker {
            Place { frame: place.frame + 1, payload: 0, ..place }
        } else {
            Place { payload: place.payload + 1, ..place }
        };
        // A browser plays at the pace of these times: with the true ones it would
        // stay as far behind as the key frame was old when it came.
        let behind = u32::try_from(self.kept.len() - 1 - place.frame).unwrap_or(u32::MAX);
        let ticks = self.newest_ticks.wrapping_sub(behind.wrapping_mul(TICKS_A_MS));
        Next::Payload { payload, ticks, marker, then }
    }

    pub(super) fn want_key(&mut self) {
        self.wants_key = true;
    }

    /// Whether its source should be asked for a key frame, now.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let lately = |asked: Instant| now.saturating_duration_since(asked) < ASK_EVERY;
        if !self.wants_key || self.asked.is_some_and(lately) {
            return false;
        }
        self.asked = Some(now);
        self.wants_key = false;
        true
    }

    /// When a wish that was put off is due.
    pub(super) fn asks_at(&self) -> Option<Instant> {
        self.asked.filter(|_| self.wants_key).map(|asked| asked + ASK_EVERY)
    }
}
