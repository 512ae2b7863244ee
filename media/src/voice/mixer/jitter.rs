//! What one participant says, laid out by its own time stamps until it is due:
//! 20 ms are taken at every tick, whatever came. It holds a fixed 40 ms against
//! jitter, follows a clock that drifts or begins anew, and never holds more than
//! a quarter of a second. What is missing is silence: it conceals nothing.

/// Samples of one tick: 20 ms at 8 kHz.
pub(super) const FRAME: usize = 160;
const FRAME_STEPS: u32 = 160;
/// How long a sample waits that came as expected.
const TARGET: u32 = 320;
const RING: usize = 2_048;
const RING_STEPS: u32 = 2_048;
/// So many packets in a row that came too late: the way has become longer.
const LATE_MAX: u8 = 10;
/// More than this was ahead at all times of a window: the way has become
/// shorter, or their clock is faster than ours.
const AHEAD_MAX: i32 = 640;
const WINDOW_TICKS: u8 = 100;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Kept,
    /// Its time, or a part of it, was over.
    Late,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Jitter {
    /// Nothing but silence outside of what is to be played.
    ring: Box<[i16; RING]>,
    ssrc: u32,
    /// Their time of the next sample to be played; `None`: nothing came yet.
    cursor: Option<u32>,
    /// Behind the newest sample.
    end: u32,
    late: u8,
    ticks: u8,
    /// The least that was ahead in this window.
    least: i32,
}

impl Default for Jitter {
    fn default() -> Self {
        Self {
            ring: Box::new([0; RING]),
            ssrc: 0,
            cursor: None,
            end: 0,
            late: 0,
            ticks: 0,
            least: i32::MAX,
        }
    }
}

/// Time stamps wrap.
fn ahead(of: u32, cursor: u32) -> i32 {
    of.wrapping_sub(cursor).cast_signed()
}

fn place(timestamp: u32) -> usize {
    usize::try_from(timestamp % RING_STEPS).unwrap_or(0)
}

impl Jitter {
    /// Sound that begins at `timestamp`.
    pub(super) fn put(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        samples: impl ExactSizeIterator<Item = i16>,
    ) -> Put {
        let length = u32::try_from(samples.len()).unwrap_or(u32::MAX).min(RING_STEPS / 2);
        let known = self.cursor.filter(|_| self.ssrc == ssrc);
        let begun = known.filter(|cursor| self.fits(ahead(timestamp, *cursor), length));
        let mut put = Put::Kept;
        let cursor = match begun {
            Some(cursor) if ahead(timestamp, cursor) < 0 => {
                put = Put::Late;
                self.late += 1;
                cursor
            }
            Some(cursor) => {
                self.late = 0;
                cursor
            }
            None => self.begin(ssrc, timestamp),
        };
        let mut at = timestamp;
        for sample in samples.take(usize::try_from(length).unwrap_or(0)) {
            if ahead(at, cursor) >= 0
                && let Some(slot) = self.ring.get_mut(place(at))
            {
                *slot = sample;
            }
            at = at.wrapping_add(1);
        }
        if ahead(at, self.end) > 0 {
            self.end = at;
        }
        put
    }

    fn fits(&self, offset: i32, length: u32) -> bool {
        let last = i64::from(offset) + i64::from(length);
        let late = offset < 0 && self.late >= LATE_MAX;
        last <= i64::from(RING_STEPS) && !late
    }

    /// Whatever was kept is forgotten.
    fn begin(&mut self, ssrc: u32, timestamp: u32) -> u32 {
        self.ring.fill(0);
        let cursor = timestamp.wrapping_sub(TARGET);
        (self.ssrc, self.cursor, self.end) = (ssrc, Some(cursor), cursor);
        (self.late, self.ticks, self.least) = (0, 0, i32::MAX);
        cursor
    }

    /// Sound that has no time of its own goes on where the last ended. `false`:
    /// there was no room for it.
    pub(super) fn append(&mut self, samples: &[i16; FRAME]) -> bool {
        let cursor = self.cursor.unwrap_or(0);
        let waiting = ahead(self.end, cursor);
        let at = if self.cursor.is_none() || waiting <= 0 {
            cursor.wrapping_add(TARGET)
        } else {
            self.end
        };
        let room = ahead(at, cursor).saturating_add(FRAME_STEPS.cast_signed());
        if room > RING_STEPS.cast_signed() {
            return false;
        }
        self.put(0, at, samples.iter().copied()) == Put::Kept
    }

    /// What is due now; `false`: nothing is kept, and `frame` is silence.
    pub(super) fn take(&mut self, frame: &mut [i16; FRAME]) -> bool {
        let Some(cursor) = self.cursor else {
            frame.fill(0);
            return false;
        };
        let waiting = ahead(self.end, cursor);
        let cursor = self.shorten(cursor, waiting);
        self.cursor = Some(cursor.wrapping_add(FRAME_STEPS));
        if ahead(self.end, cursor) <= 0 {
            frame.fill(0);
            // So that it never lags half the clock behind.
            self.end = cursor;
            return false;
        }
        let mut at = cursor;
        for sample in frame {
            if let Some(slot) = self.ring.get_mut(place(at)) {
                *sample = std::mem::take(slot);
            }
            at = at.wrapping_add(1);
        }
        true
    }

    /// One frame is left out when more waits than is needed.
    fn shorten(&mut self, cursor: u32, waiting: i32) -> u32 {
        self.least = self.least.min(waiting);
        self.ticks += 1;
        if self.ticks < WINDOW_TICKS {
            return cursor;
        }
        let least = std::mem::replace(&mut self.least, i32::MAX);
        self.ticks = 0;
        if least <= AHEAD_MAX { cursor } else { self.leave_out(cursor, 1) }
    }

    /// What should have been played meanwhile is too late.
    pub(super) fn skip(&mut self, frames: u32) {
        if let Some(cursor) = self.cursor {
            self.cursor = Some(self.leave_out(cursor, frames));
        }
    }

    fn leave_out(&mut self, cursor: u32, frames: u32) -> u32 {
        let steps = frames.saturating_mul(FRAME_STEPS).min(RING_STEPS);
        for back in 0..steps {
            if let Some(slot) = self.ring.get_mut(place(cursor.wrapping_add(back))) {
                *slot = 0;
            }
        }
        let cursor = cursor.wrapping_add(frames.wrapping_mul(FRAME_STEPS));
        if steps == RING_STEPS || ahead(self.end, cursor) < 0 {
            self.end = cursor;
        }
        cursor
    }
}
