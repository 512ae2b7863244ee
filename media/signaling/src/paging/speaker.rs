//! One loudspeaker within one page: called, answered, played to, called again.
//! It asks for what it needs; whether its line is free is decided above it.

use weir_model::directory::Grade;

use super::failure::Failure;
use super::order::{CallId, Event, Loudspeaker};
use super::timing::{ANSWER_MS, PICK_UP_MS, RING_MS, TAIL_MS, Timing, backoff_ms};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be called from then on.
    Due {
        at_ms: u64,
    },
    Calling {
        call: CallId,
        since_ms: u64,
        trying: bool,
    },
    Ringing {
        call: CallId,
        since_ms: u64,
    },
    Playing {
        call: CallId,
        since_ms: u64,
        until_ms: u64,
    },
    /// Everything was played.
    Played,
    /// It will not be called again.
    Failed,
}

/// When each grade was first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    sent_ms: Option<u64>,
    answered_ms: Option<u64>,
    receiving_ms: Option<u64>,
}

/// What a loudspeaker needs done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Play { call: CallId, times: u32 },
    HangUp { call: CallId },
}

#[derive(Debug, Clone)]
pub(super) struct SpeakerRun {
    pub(super) who: Loudspeaker,
    pub(super) phase: Phase,
    /// Failed tries in a row.
    tries: u32,
    dropped: bool,
    /// One whole repetition was played to it.
    whole: bool,
    /// Any answer at all came from it.
    pub(super) responded: bool,
    seen: Seen,
    pub(super) sounding_ms: Option<u64>,
    pub(super) failure: Option<Failure>,
}

impl SpeakerRun {
    pub(super) fn new(who: Loudspeaker, now_ms: u64) -> Self {
        Self {
            who,
            phase: Phase::Due { at_ms: now_ms },
            tries: 0,
            dropped: false,
            whole: false,
            responded: false,
            seen: Seen::default(),
            sounding_ms: None,
            failure: None,
        }
    }

    pub(super) fn call(&self) -> Option<CallId> {
        match self.phase {
            Phase::Calling { call, .. }
            | Phase::Ringing { call, .. }
            | Phase::Playing { call, .. } => Some(call),
            Phase::Due { .. } | Phase::Played | Phase::Failed => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Played | Phase::Failed)
    }

    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        matches!(self.phase, Phase::Due { at_ms } if at_ms <= now_ms)
    }

    pub(super) fn called(&mut self, now_ms: u64, call: CallId) {
        self.phase = Phase::Calling { call, since_ms: now_ms, trying: false };
    }

    pub(super) fn hear(&mut self, now_ms: u64, event: Event, timing: &Timing) -> Option<Wish> {
        self.note(now_ms, event);
        match (self.phase, event) {
            (Phase::Calling { call, .. } | Phase::Ringing { call, .. }, Event::Answered) => {
                return Some(self.answered(now_ms, call, timing));
            }
            (Phase::Calling { call, since_ms, .. }, Event::Trying) => {
                self.phase = Phase::Calling { call, since_ms, trying: true };
            }
            (Phase::Calling { call, .. }, Event::Ringing) => {
                self.phase = Phase::Ringing { call, since_ms: now_ms };
            }
            (Phase::Calling { .. } | Phase::Ringing { .. }, event) if event.ends() => {
                self.fail(now_ms, failure_of(event), timing);
            }
            (Phase::Playing { .. }, event) if event.ends() => self.gone(now_ms, timing),
            // Said again by a retransmission, or of interest as evidence only.
            (Phase::Calling { .. } | Phase::Ringing { .. } | Phase::Playing { .. }, _) => {}
            // Not in a call: there is nothing to be heard of.
            (Phase::Due { .. } | Phase::Played | Phase::Failed, _) => {}
        }
        None
    }

    fn note(&mut self, now_ms: u64, event: Event) {
        let unsent =
            matches!(event, Event::Unregistered | Event::Unsent | Event::Unplayable | Event::Ended);
        if !unsent {
            self.seen.sent_ms.get_or_insert(now_ms);
        }
        self.responded |= matches!(
            event,
            Event::Trying | Event::Ringing | Event::Answered | Event::Refused { .. }
        );
        let playing = matches!(self.phase, Phase::Playing { .. });
        match event {
            Event::Sounding if playing => {
                self.sounding_ms.get_or_insert(now_ms);
            }
            Event::Receiving if playing => {
                self.seen.receiving_ms.get_or_insert(now_ms);
            }
            _ => {}
        }
    }

    fn answered(&mut self, now_ms: u64, call: CallId, timing: &Timing) -> Wish {
        self.seen.answered_ms.get_or_insert(now_ms);
        (self.tries, self.failure) = (0, None);
        let times = timing.times(now_ms);
        let until_ms = now_ms.saturating_add(timing.length_ms(times));
        self.phase = Phase::Playing { call, since_ms: now_ms, until_ms };
        Wish::Play { call, times }
    }

    /// The device ended the call. What was all but over is not played again.
    fn gone(&mut self, now_ms: u64, timing: &Timing) {
        let Phase::Playing { until_ms, .. } = self.phase else { return };
        self.stop(now_ms, timing);
        if now_ms >= until_ms {
            self.phase = Phase::Played;
        } else if self.dropped {
            self.failure = Some(Failure::Dropped);
            self.phase = Phase::Failed;
        } else {
            self.dropped = true;
            self.fail(now_ms, Failure::Dropped, timing);
        }
    }

    /// This try came to nothing; the next one waits longer.
    pub(super) fn fail(&mut self, now_ms: u64, failure: Failure, timing: &Timing) {
        self.stop(now_ms, timing);
        self.failure = Some(failure);
        let at_ms = now_ms.saturating_add(backoff_ms(self.tries));
        self.tries = self.tries.saturating_add(1);
        let again = failure.may_pass() && at_ms < timing.lasts_until_ms;
        self.phase = if again { Phase::Due { at_ms } } else { Phase::Failed };
    }

    /// When something happens without anything being heard.
    pub(super) fn deadline_ms(&self, now_ms: u64, timing: &Timing) -> Option<u64> {
        match self.phase {
            // Its time has come, but its line is not free: that is heard of.
            Phase::Due { at_ms } if at_ms <= now_ms => Some(timing.lasts_until_ms),
            Phase::Due { at_ms } => Some(at_ms.min(timing.lasts_until_ms)),
            Phase::Calling { since_ms, trying: false, .. } => {
                Some(since_ms.saturating_add(ANSWER_MS))
            }
            Phase::Calling { since_ms, trying: true, .. } => {
                Some(since_ms.saturating_add(PICK_UP_MS))
            }
            Phase::Ringing { since_ms, .. } => Some(since_ms.saturating_add(RING_MS)),
            Phase::Playing { until_ms, .. } => Some(until_ms.saturating_add(TAIL_MS)),
            Phase::Played | Phase::Failed => None,
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64, timing: &Timing) -> Option<Wish> {
        let late = self.deadline_ms(now_ms, timing).is_some_and(|at_ms| at_ms <= now_ms);
        if !late {
            return None;
        }
        let call = self.call();
        match self.phase {
            Phase::Due { .. } if now_ms >= timing.lasts_until_ms => {
                self.failure.get_or_insert(Failure::Taken);
                self.phase = Phase::Failed;
            }
            Phase::Calling { .. } => self.fail(now_ms, Failure::Silent, timing),
            Phase::Ringing { .. } => self.fail(now_ms, Failure::OnlyRang, timing),
            Phase::Playing { .. } => {
                // Time alone proves nothing: some sound must have left.
                self.whole |= self.sounding_ms.is_some();
                self.phase = Phase::Played;
            }
            Phase::Due { .. } | Phase::Played | Phase::Failed => {}
        }
        call.map(|call| Wish::HangUp { call })
    }

    /// It plays no further; remembers whether it came through once.
    pub(super) fn stop(&mut self, now_ms: u64, timing: &Timing) {
        if let Phase::Playing { since_ms, .. } = self.phase {
            let long_enough = now_ms.saturating_sub(since_ms) >= timing.clip_ms;
            self.whole |= long_enough && self.sounding_ms.is_some();
        }
    }

    /// When it reached this grade. Whoever hung up before one repetition was
    /// over, and did not come back, has been sent a call and no more.
    pub(super) fn reached_ms(&self, grade: Grade) -> Option<u64> {
        let stands = self.whole || matches!(self.phase, Phase::Playing { .. });
        match grade {
            Grade::Sent => self.seen.sent_ms,
            Grade::Answered => self.seen.answered_ms.filter(|_| stands),
            Grade::Receiving => self.seen.receiving_ms.filter(|_| stands),
            // Nothing here can prove them.
            Grade::Powered | Grade::Heard => None,
        }
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.seen.receiving_ms.is_some()
    }
}

fn failure_of(event: Event) -> Failure {
    match event {
        Event::Refused { code } => Failure::Refused { code },
        Event::Unregistered => Failure::Unregistered,
        Event::Unsent => Failure::Unsent,
        Event::Unplayable => Failure::Unplayable,
        Event::Silent
        | Event::Ended
        | Event::Sent
        | Event::Trying
        | Event::Ringing
        | Event::Answered
        | Event::Sounding
        | Event::Receiving => Failure::Silent,
    }
}
