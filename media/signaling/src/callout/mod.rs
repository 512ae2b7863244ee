//! Calling one person out: ring, speak as soon as somebody answers, again and
//! again until the right key is pressed. Neither ringing nor an answer is an
//! acknowledgement: colour-ring, secretary services and voice-mail do both. It
//! refuses to ring longer than it was told to, or to talk to a machine for
//! ever.

#[cfg(test)]
mod tests;

/// Silence between two repetitions of the announcement.
pub const PAUSE_MS: u64 = 800;
/// The announcement is heard so often before nobody is believed to listen.
pub const PLAYS: u64 = 3;
/// Shortest and longest time that somebody who answered has for the key.
const TALK_MIN_MS: u64 = 30_000;
const TALK_MAX_MS: u64 = 120_000;
/// After so many other keys nobody there knows what they are asked.
const WRONG_MAX: u8 = 3;

/// What is asked of this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The key that acknowledges.
    pub ack: char,
    /// Somebody must have answered by then.
    pub ring_ms: u64,
    /// How long the announcement is.
    pub clip_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// 180, or 183 with the sound of some other ring.
    Ringing,
    Answered,
    /// The answer cannot be spoken to.
    Unplayable,
    Refused {
        code: u16,
    },
    /// No final answer.
    Silent,
    /// The far side hung up, or its connection was lost.
    Gone,
    /// Nothing was sent: not registered, no trunk.
    Unreachable,
    /// A key, counted once however it came.
    Key(char),
    /// The order was withdrawn.
    Cease,
    Tick,
}

/// Carried out in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// From the beginning, and again until the call ends.
    Speak,
    HangUp,
    /// The last; said once.
    Over(Outcome),
}

/// How it ended. Only [`Outcome::Acknowledged`] means that a person knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Acknowledged {
        rang_ms: u64,
        spoke_ms: u64,
    },
    /// Somebody or something answered and pressed nothing.
    NotAcknowledged,
    WrongKey,
    NoAnswer,
    Busy,
    Refused {
        code: u16,
    },
    Unreachable,
    Ceased,
}

impl Outcome {
    /// A word for facts and screens.
    pub fn word(self) -> String {
        match self {
            Self::Acknowledged { .. } => "acknowledged".into(),
            Self::NotAcknowledged => "not_acknowledged".into(),
            Self::WrongKey => "wrong_key".into(),
            Self::NoAnswer => "no_answer".into(),
            Self::Busy => "busy".into(),
            Self::Refused { code } => format!("refused {code}"),
            Self::Unreachable => "unreachable".into(),
            Self::Ceased => "ceased".into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Rings { since_ms: u64 },
    Speaks { rang_ms: u64, since_ms: u64, wrong: u8 },
    Over,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Callout {
    rules: Rules,
    state: State,
}

impl Callout {
    /// The INVITE is about to be sent.
    pub fn new(now_ms: u64, rules: Rules) -> Self {
        Self { rules, state: State::Rings { since_ms: now_ms } }
    }

    /// When it wants a [`Input::Tick`]; `None` when it is over.
    pub fn next_ms(&self) -> Option<u64> {
        match self.state {
            State::Rings { since_ms } => Some(since_ms.saturating_add(self.rules.ring_ms)),
            State::Speaks { since_ms, .. } => Some(since_ms.saturating_add(self.talk_ms())),
            State::Over => None,
        }
    }

    fn talk_ms(&self) -> u64 {
        let once_ms = self.rules.clip_ms.saturating_add(PAUSE_MS);
        once_ms.saturating_mul(PLAYS).clamp(TALK_MIN_MS, TALK_MAX_MS)
    }

    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        match self.state {
            State::Rings { since_ms } => self.rings(now_ms, since_ms, input),
            State::Speaks { rang_ms, since_ms, wrong } => {
                self.speaks(now_ms, (rang_ms, since_ms, wrong), input)
            }
            State::Over => Vec::new(),
        }
    }

    fn rings(&mut self, now_ms: u64, since_ms: u64, input: Input) -> Vec<Output> {
        let rang_ms = now_ms.saturating_sub(since_ms);
        match input {
            Input::Answered => {
                self.state = State::Speaks { rang_ms, since_ms: now_ms, wrong: 0 };
                vec![Output::Speak]
            }
            Input::Refused { code: 486 | 600 } => self.over(Outcome::Busy),
            // 408 and 480 are what networks say for a person who does not come.
            Input::Refused { code: 408 | 480 } | Input::Silent | Input::Gone => {
                self.over(Outcome::NoAnswer)
            }
            Input::Refused { code } => self.over(Outcome::Refused { code }),
            Input::Unreachable => self.over(Outcome::Unreachable),
            Input::Unplayable => self.hang_up(Outcome::Refused { code: 488 }),
            Input::Cease => self.hang_up(Outcome::Ceased),
            Input::Tick if rang_ms >= self.rules.ring_ms => self.hang_up(Outcome::NoAnswer),
            // A key before the answer belongs to early media: to a machine.
            Input::Tick | Input::Ringing | Input::Key(_) => Vec::new(),
        }
    }

    fn speaks(
        &mut self,
        now_ms: u64,
        (rang_ms, since_ms, wrong): (u64, u64, u8),
        input: Input,
    ) -> Vec<Output> {
        let spoke_ms = now_ms.saturating_sub(since_ms);
        match input {
            Input::Key(key) if key == self.rules.ack => {
                self.hang_up(Outcome::Acknowledged { rang_ms, spoke_ms })
            }
            Input::Key(_) if wrong + 1 >= WRONG_MAX => self.hang_up(Outcome::WrongKey),
            // The announcement, which says the key, goes on from where it is.
            Input::Key(_) => {
                self.state = State::Speaks { rang_ms, since_ms, wrong: wrong + 1 };
                Vec::new()
            }
            Input::Unplayable => self.hang_up(Outcome::Refused { code: 488 }),
            Input::Cease => self.hang_up(Outcome::Ceased),
            Input::Tick if spoke_ms >= self.talk_ms() => {
                let outcome = if wrong > 0 { Outcome::WrongKey } else { Outcome::NotAcknowledged };
                self.hang_up(outcome)
            }
            Input::Gone | Input::Refused { .. } | Input::Silent | Input::Unreachable => {
                let outcome = if wrong > 0 { Outcome::WrongKey } else { Outcome::NotAcknowledged };
                self.over(outcome)
            }
            Input::Tick | Input::Ringing | Input::Answered => Vec::new(),
        }
    }

    fn over(&mut self, outcome: Outcome) -> Vec<Output> {
        self.state = State::Over;
        vec![Output::Over(outcome)]
    }

    fn hang_up(&mut self, outcome: Outcome) -> Vec<Output> {
        self.state = State::Over;
        vec![Output::HangUp, Output::Over(outcome)]
    }
}
