//! When each frame of a call is heard: holds early ones, says what is missing, and
//! waits as long as the link's unevenness asks and no longer. One answer every
//! 20 ms, whatever comes. It refuses to change its delay by more than one frame in
//! two seconds while somebody speaks; in silence, and where nothing is there to be
//! heard anyway, it is free to. What is not heard in time is given up.

use std::collections::BTreeMap;

use super::delays::{Delays, transit_ms};

/// Between two changes of the delay while somebody speaks.
const CHANGE_EVERY_MS: u64 = 2_000;
/// What is missing is filled for so long; then it is silence. In steps.
const CONCEAL_STEPS: u32 = 10;
/// So much more than wanted is too long, so much less too short.
const SLACK_LONG_MS: i64 = 30;
const SLACK_SHORT_MS: i64 = 20;
/// Arrivals this far off the time line are of a sender that began anew.
const WILD_MS: i64 = 2_000;
/// Held at most: 1.3 s of 20 ms frames.
const FRAMES_MAX: usize = 64;
/// Further ahead than this nothing is held.
const AHEAD_MAX_STEPS: i64 = 75;
/// The longest frame, in steps.
const STEPS_MAX: i64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// The delay before anything is known.
    pub start_ms: u64,
    pub least_ms: u64,
    pub most_ms: u64,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self { start_ms: 40, least_ms: 20, most_ms: 400 }
    }
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived<T> {
    pub step: u16,
    /// How long it sounds, 1 to 6; silence counts as 1.
    pub steps: u8,
    /// The second sending.
    pub again: bool,
    /// `None`: silence begins here.
    pub sound: Option<T>,
}

/// What 20 ms are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<T> {
    /// A frame, of which so many steps are past already.
    Frame { sound: T, skip: u8 },
    /// The next 20 ms of the frame given before.
    Rest,
    /// Something was to be here: make it up.
    Conceal,
    /// Nobody speaks.
    Silence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sounded<T> {
    pub piece: Piece<T>,
    /// To be sounded in the same 20 ms, after the piece: the delay becomes
    /// shorter.
    pub squeezed: Option<Piece<T>>,
}

/// All in steps of 20 ms, except frames and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterCounters {
    pub sounded: u64,
    /// Filled because the frame was lost or came too late.
    pub concealed: u64,
    /// Filled so that the delay became longer, nothing being lost.
    pub stretched: u64,
    /// Sounded in the time of another, so that the delay became shorter.
    pub squeezed: u64,
    pub silent: u64,
    /// Missing and beyond what can be filled.
    pub missing: u64,
    /// Frames that came after their time.
    pub late: u64,
    /// Frames that came twice.
    pub duplicate: u64,
    /// Frames too far ahead to be held.
    pub early: u64,
    pub restarts: u64,
}

#[derive(Debug, Clone)]
struct Held<T> {
    steps: u8,
    sound: Option<T>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody speaks, or nothing has come yet.
    Idle,
    /// Sound has come and waits for its time.
    Waiting {
        from: i64,
        begin_ms: u64,
    },
    Playing {
        cursor: i64,
        rest: u8,
        missing: u32,
    },
}

/// See the module. One for each call and direction.
#[derive(Debug, Clone)]
pub struct Jitter<T> {
    delays: Delays,
    frames: BTreeMap<i64, Held<T>>,
    /// The newest step, unrolled.
    newest: Option<i64>,
    /// Which of the 64 steps before the cursor were heard.
    heard: u64,
    /// The transit of a frame that fitted nothing.
    wild_ms: Option<i64>,
    state: State,
    /// It is quiet because nothing comes, not because nobody speaks.
    outage: bool,
    changed_ms: u64,
    counters: JitterCounters,
}

impl<T> Jitter<T> {
    pub fn new(config: JitterConfig) -> Self {
        let most_ms = config.most_ms.max(config.least_ms);
        Self {
            delays: Delays::new(config.least_ms, most_ms, config.start_ms),
            frames: BTreeMap::new(),
            newest: None,
            heard: 0,
            wild_ms: None,
            state: State::Idle,
            outage: false,
            changed_ms: 0,
            counters: JitterCounters::default(),
        }
    }

    pub fn counters(&self) -> JitterCounters {
        self.counters
    }

    /// How long it means to wait after the quickest arrival.
    pub fn target_ms(&self) -> u64 {
        self.delays.target_ms()
    }

    /// How long it does wait after the quickest arrival.
    pub fn delay_ms(&self, now_ms: u64) -> Option<u64> {
        let State::Playing { cursor, .. } = self.state else { return None };
        self.delays.behind_ms(now_ms, cursor).and_then(|behind| u64::try_from(behind).ok())
    }

    /// The second sending of a frame that had come; tells how long to wait where
    /// only this one arrives.
    pub fn again(&mut self, now_ms: u64, step: u16) {
        let step = self.unroll(step);
        let behind = self.delays.behind_ms(now_ms, step);
        if behind.is_some_and(|behind| behind.abs() < WILD_MS) {
            self.delays.came(now_ms, step, true);
        }
    }

    pub fn push(&mut self, now_ms: u64, frame: Arrived<T>) {
        let steps = frame.steps.clamp(1, 6);
        let Some(step) = self.place(now_ms, frame.step) else { return };
        self.delays.came(now_ms, step, frame.again);
        self.newest = Some(self.newest.map_or(step, |newest| newest.max(step)));
        if let State::Playing { cursor, .. } = self.state {
            if step + i64::from(steps) <= cursor {
                self.past(cursor, step);
                return;
            }
            if step > cursor + AHEAD_MAX_STEPS {
                self.counters.early += 1;
                return;
            }
        }
        if self.frames.contains_key(&step) {
            self.counters.duplicate += 1;
            return;
        }
        if self.frames.len() >= FRAMES_MAX {
            self.counters.early += 1;
            return;
        }
        let speaks = frame.sound.is_some();
        if speaks || self.state != State::Idle {
            self.frames.insert(step, Held { steps, sound: frame.sound });
        }
        self.state = match self.state {
            State::Idle if speaks => self.waiting(now_ms, step),
            State::Waiting { from, begin_ms } => State::Waiting { from: from.min(step), begin_ms },
            state @ (State::Idle | State::Playing { .. }) => state,
        };
    }

    /// Sound begins here, at exactly the wanted delay.
    fn waiting(&self, now_ms: u64, from: i64) -> State {
        let behind_ms = self.delays.behind_ms(now_ms, from).unwrap_or(0);
        let target_ms = i64::try_from(self.delays.target_ms()).unwrap_or(0);
        let wait_ms = u64::try_from(target_ms.saturating_sub(behind_ms)).unwrap_or(0);
        State::Waiting { from, begin_ms: now_ms.saturating_add(wait_ms) }
    }

    /// Its place on the unrolled time line; `None` when it has none.
    fn place(&mut self, now_ms: u64, step: u16) -> Option<i64> {
        let step = self.unroll(step);
        let behind = self.delays.behind_ms(now_ms, step).unwrap_or(0);
        if behind.abs() < WILD_MS {
            self.wild_ms = None;
            return Some(step);
        }
        let transit = transit_ms(now_ms, step);
        // One that went astray is given up; a second that agrees with it is the
        // sender's new time line.
        let agrees = self.wild_ms.is_some_and(|wild| wild.abs_diff(transit) < 500);
        if !agrees && self.state != State::Idle {
            self.wild_ms = Some(transit);
            self.counters.late += 1;
            return None;
        }
        self.wild_ms = None;
        self.delays.restart();
        self.frames.clear();
        self.heard = 0;
        self.newest = Some(step);
        self.state = State::Idle;
        self.counters.restarts += 1;
        Some(step)
    }

    fn unroll(&self, step: u16) -> i64 {
        let Some(newest) = self.newest else { return i64::from(step) };
        let low = u16::try_from(newest.rem_euclid(0x1_0000)).unwrap_or(0);
        let ahead = step.wrapping_sub(low);
        let back = low.wrapping_sub(step);
        if ahead < 0x8000 { newest + i64::from(ahead) } else { newest - i64::from(back) }
    }

    /// A frame wholly before the cursor.
    fn past(&mut self, cursor: i64, step: i64) {
        let ago = u32::try_from(cursor - 1 - step).unwrap_or(u32::MAX);
        let heard = self.heard.checked_shr(ago).unwrap_or(0) & 1 == 1;
        if heard {
            self.counters.duplicate += 1;
        } else {
            self.counters.late += 1;
        }
    }

    /// What is to be heard in the next 20 ms. To be asked every 20 ms.
    pub fn pull(&mut self, now_ms: u64) -> Sounded<T> {
        if let State::Waiting { from, begin_ms } = self.state
            && begin_ms <= now_ms
        {
            self.heard = 0;
            self.state = State::Playing { cursor: from, rest: 0, missing: 0 };
            self.outage = false;
            self.changed_ms = now_ms;
        }
        let mut squeezed = None;
        let piece = match self.state {
            State::Playing { cursor, rest, .. } => {
                let over_ms = self.over_ms(now_ms, cursor);
                let may_change = now_ms.saturating_sub(self.changed_ms) >= CHANGE_EVERY_MS;
                if may_change && rest == 0 && over_ms < -SLACK_SHORT_MS && self.covers(cursor) {
                    self.changed_ms = now_ms;
                    self.counters.stretched += 1;
                    Piece::Conceal
                } else if may_change && over_ms > SLACK_LONG_MS && self.has_two(cursor, rest) {
                    self.changed_ms = now_ms;
                    self.counters.squeezed += 1;
                    let piece = self.advance(now_ms, over_ms);
                    squeezed = Some(self.advance(now_ms, over_ms));
                    piece
                } else {
                    self.advance(now_ms, over_ms)
                }
            }
            State::Idle | State::Waiting { .. } => {
                self.quiet();
                Piece::Silence
            }
        };
        Sounded { piece, squeezed }
    }

    /// How much longer than wanted the listener waits.
    fn over_ms(&self, now_ms: u64, cursor: i64) -> i64 {
        let target_ms = i64::try_from(self.delays.target_ms()).unwrap_or(0);
        self.delays.behind_ms(now_ms, cursor).map_or(0, |behind| behind.saturating_sub(target_ms))
    }

    /// The held frame that sounds at this step, if it is sound.
    fn covering(&self, cursor: i64) -> Option<(i64, &Held<T>)> {
        let (start, held) = self.frames.range(..=cursor).next_back()?;
        (start + i64::from(held.steps) > cursor).then_some((*start, held))
    }

    fn covers(&self, cursor: i64) -> bool {
        self.covering(cursor).is_some_and(|(_, held)| held.sound.is_some())
    }

    /// Whether two pieces of sound are there, one after the other.
    fn has_two(&self, cursor: i64, rest: u8) -> bool {
        match rest {
            2.. => true,
            1 => self.covers(cursor + 1),
            0 => self.covers(cursor) && self.covers(cursor + 1),
        }
    }

    /// One step onward.
    fn advance(&mut self, now_ms: u64, over_ms: i64) -> Piece<T> {
        let State::Playing { cursor, rest, missing } = self.state else {
            return Piece::Silence;
        };
        if rest > 0 {
            self.step_on(cursor, rest - 1, 0, true);
            return Piece::Rest;
        }
        let start = self.covering(cursor).map(|(start, _)| start);
        if let Some(start) = start
            && let Some(held) = self.frames.remove(&start)
        {
            return self.give(now_ms, cursor, start, held);
        }
        if missing >= CONCEAL_STEPS {
            self.outage = true;
            self.rest_until_sound(now_ms, cursor);
            return Piece::Silence;
        }
        self.counters.concealed += 1;
        // Nothing is there yet, and the wait is too short: what is missing may be
        // late rather than lost, so its place is kept.
        if self.frames.is_empty() && over_ms < 0 {
            self.state = State::Playing { cursor, rest, missing: missing + 1 };
        } else {
            self.step_on(cursor, 0, missing + 1, false);
        }
        Piece::Conceal
    }

    fn give(&mut self, now_ms: u64, cursor: i64, start: i64, held: Held<T>) -> Piece<T> {
        let Some(sound) = held.sound else {
            self.rest_until_sound(now_ms, cursor);
            return Piece::Silence;
        };
        let skip = u8::try_from((cursor - start).clamp(0, STEPS_MAX)).unwrap_or(0);
        let rest = held.steps.saturating_sub(skip).saturating_sub(1);
        self.step_on(cursor, rest, 0, true);
        Piece::Frame { sound, skip }
    }

    fn step_on(&mut self, cursor: i64, rest: u8, missing: u32, heard: bool) {
        self.heard = self.heard << 1 | u64::from(heard);
        self.counters.sounded += u64::from(heard);
        self.state = State::Playing { cursor: cursor + 1, rest, missing };
        // Remains of what is past.
        let past = self.frames.first_key_value().map(|(start, _)| *start);
        if let Some(start) = past.filter(|start| start + STEPS_MAX <= cursor) {
            self.frames.remove(&start);
        }
    }

    /// Nothing is to be heard; what is held already begins anew, in its own time.
    fn rest_until_sound(&mut self, now_ms: u64, cursor: i64) {
        self.quiet();
        self.frames.retain(|start, _| *start > cursor);
        let next = self.frames.iter().find(|(_, held)| held.sound.is_some());
        self.state = match next.map(|(start, _)| *start) {
            Some(from) => self.waiting(now_ms, from),
            None => {
                self.frames.clear();
                State::Idle
            }
        };
    }

    fn quiet(&mut self) {
        if self.outage {
            self.counters.missing += 1;
        } else {
            self.counters.silent += 1;
        }
    }
}
