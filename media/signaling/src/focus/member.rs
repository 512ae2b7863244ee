//! One member of this site: rung, in it, or waited for.

use super::order::{Dial, Limits, State};

/// Journal entries of one member.
const RECORDS_MAX: u8 = 16;

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) dials: Vec<Dial>,
    pub(super) state: State,
    /// Tries that nobody answered.
    tries: u8,
    /// When to ring it next.
    pub(super) due_ms: Option<u64>,
    /// What the legs of this try have said so far.
    outcome: State,
    records: u8,
    busies: u8,
}

/// How often a busy line is tried again: ten minutes of half a minute each.
const BUSIES_MAX: u8 = 20;

impl Member {
    pub(super) fn new(dials: Vec<Dial>, due_ms: Option<u64>) -> Self {
        let outcome = State::Unreachable;
        Self { dials, state: State::Invited, tries: 0, due_ms, outcome, records: 0, busies: 0 }
    }

    pub(super) fn has(&self, number: &str) -> bool {
        // A line's number is that of everybody who calls through it.
        self.dials.iter().any(|dial| dial.dial.is_none() && dial.number == number)
    }

    /// Whether the journal takes one more.
    pub(super) fn may_record(&mut self) -> bool {
        let may = self.records < RECORDS_MAX;
        self.records += u8::from(may);
        may
    }

    pub(super) fn begin_try(&mut self) {
        self.due_ms = None;
        self.tries = self.tries.saturating_add(1);
        (self.state, self.outcome) = (State::Ringing, State::Unreachable);
    }

    pub(super) fn again_at(&mut self, now_ms: u64) {
        (self.tries, self.due_ms, self.state) = (0, Some(now_ms), State::Invited);
        self.busies = 0;
    }

    /// One leg failed; what says most about the person counts.
    pub(super) fn failed(&mut self, outcome: State) {
        let weight = |state: State| match state {
            State::Refused => 3,
            State::Busy => 2,
            State::NoAnswer => 1,
            _ => 0,
        };
        if weight(outcome) > weight(self.outcome) {
            self.outcome = outcome;
        }
    }

    /// All legs of this try have failed.
    pub(super) fn end_try(&mut self, now_ms: u64, limits: &Limits) {
        self.state = self.outcome;
        self.due_ms = match self.state {
            State::Refused => None,
            // A line that is still busy after all this is not going to be free.
            State::Busy if self.busies >= BUSIES_MAX => None,
            State::Busy => {
                self.busies += 1;
                self.tries = self.tries.saturating_sub(1);
                Some(now_ms.saturating_add(limits.busy_ms.max(1_000)))
            }
            _ if self.tries > limits.redials => None,
            _ => {
                let doublings = u32::from(self.tries.saturating_sub(1)).min(16);
                let wait_ms = limits.redial_ms.saturating_mul(1 << doublings);
                Some(now_ms.saturating_add(wait_ms.min(limits.redial_max_ms).max(1_000)))
            }
        };
    }
}

/// What a final answer says of the person.
pub(super) fn outcome(code: u16) -> State {
    match code {
        486 | 600 => State::Busy,
        403 | 603 | 607 => State::Refused,
        404 | 410 | 480 | 484 | 500..=599 => State::Unreachable,
        _ => State::NoAnswer,
    }
}
