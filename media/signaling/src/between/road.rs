//! The stream between the two ends: opened by the end that dials, and opened
//! again when it is lost. Refuses to send on a stream before the other end has
//! said what it lacks, and to try again without a pause.

use super::far::{Far, Role, State};
use super::message::{Message, Word};
use super::order::{Event, Output};
use super::talk::Place;

/// A word that was not heard for so long: the stream leads nowhere.
const UNHEARD_MS: u64 = 10_000;
/// Before each next try; the last one counts for all that follow.
const PAUSES_MS: [u64; 5] = [0, 500, 1_000, 2_000, 4_000];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    /// Asked for.
    Opening,
    /// There; the other end has said nothing on it yet.
    Waiting,
    Up,
    /// The end that dials tries again then; the other one waits for it.
    Down {
        retry_ms: u64,
    },
}

impl Far {
    /// When the stream needs something to be done.
    pub(super) fn road_ms(&self) -> Option<u64> {
        match (self.road, self.role) {
            (Road::Down { retry_ms }, Role::Dials) => Some(retry_ms),
            (Road::Up, _) => Some(self.unheard_ms?.saturating_add(UNHEARD_MS)),
            (Road::Waiting | Road::Opening, _) | (Road::Down { .. }, Role::IsCalled) => None,
        }
    }

    pub(super) fn road_due(&mut self) {
        if self.state == State::Over || self.road_ms().is_none_or(|at_ms| self.now_ms < at_ms) {
            return;
        }
        if self.road == Road::Up {
            self.cut();
            // A pause, which the next step ends.
            return;
        }
        // The other end may know nothing of the call yet. A call that is over begins
        // nowhere, though: there it would ring once more.
        let begins = !matches!(self.state, State::Leaving { .. });
        let setup = self.talk.unheard().next();
        let setup = setup.filter(|one| begins && matches!(one.word, Word::Setup(_)));
        let resume = Word::Resume { call: self.key };
        let first = setup.unwrap_or_else(|| self.talk.note(resume));
        self.road = Road::Opening;
        self.push(Output::Open { first });
    }

    /// Lets go of a stream that leads nowhere.
    fn cut(&mut self) {
        self.push(Output::Cut);
        self.lost();
    }

    pub(super) fn opened(&mut self) {
        if self.road == Road::Opening {
            self.opened = true;
            self.road = Road::Waiting;
        }
    }

    pub(super) fn not_opened(&mut self) {
        if self.road != Road::Opening {
            return;
        }
        if self.opened {
            return self.lost();
        }
        // Nobody there knows of the call.
        let reason = "no stream to the other site".into();
        self.tell(Event::Refused { code: 480, reason });
        self.over();
    }

    pub(super) fn lost(&mut self) {
        let index = usize::try_from(self.tries).unwrap_or(usize::MAX);
        let pause_ms = PAUSES_MS.get(index).or(PAUSES_MS.last()).copied().unwrap_or_default();
        self.tries = self.tries.saturating_add(1);
        self.road = Road::Down { retry_ms: self.now_ms.saturating_add(pause_ms) };
        self.lost_ms.get_or_insert(self.now_ms);
    }

    /// The other end is at the other end of a stream again: it gets all that it
    /// has not heard.
    pub(super) fn hear_of_us(&mut self) {
        self.road = Road::Up;
        self.opened = true;
        (self.lost_ms, self.tries) = (None, 0);
        self.unheard_ms = (self.talk.waiting() > 0).then_some(self.now_ms);
    }

    /// It brought a new stream.
    pub(super) fn resumed(&mut self, expects: u32) {
        if self.role == Role::Dials {
            return;
        }
        self.acknowledged(expects);
        if matches!(self.state, State::Over) {
            return;
        }
        self.hear_of_us();
        self.note(Word::Heard);
        self.say_again();
    }

    fn say_again(&mut self) {
        let all: Vec<Message> = self.talk.unheard().collect();
        all.into_iter().for_each(|message| self.push(Output::Send(message)));
    }

    fn acknowledged(&mut self, expects: u32) {
        let before = self.talk.waiting();
        if !self.talk.heard(expects) {
            return self.fault();
        }
        let now = self.talk.waiting();
        if now < before {
            self.unheard_ms = (now > 0).then_some(self.now_ms);
        }
        if self.role == Role::Dials && !self.trying {
            self.trying = true;
            self.tell(Event::Trying);
        }
        if now == 0 && matches!(self.state, State::Leaving { .. }) {
            self.over();
        }
    }

    pub(super) fn frame(&mut self, message: Message) {
        match self.road {
            Road::Opening | Road::Down { .. } => return,
            Road::Waiting if matches!(message.word, Word::Unknown) => return self.unknown(),
            Road::Waiting => {
                self.acknowledged(message.expects);
                if self.state == State::Over {
                    return;
                }
                self.hear_of_us();
                self.say_again();
            }
            Road::Up => self.acknowledged(message.expects),
        }
        if self.state == State::Over {
            return;
        }
        match message.word {
            Word::Heard => {}
            Word::Unknown => self.unknown(),
            Word::Resume { .. } | Word::Setup(_) => self.cut(),
            word => match self.talk.hear(message.number) {
                Place::Next => {
                    // Before our own words, which then say the same.
                    self.note(Word::Heard);
                    self.word(word);
                }
                Place::Again => self.note(Word::Heard),
                Place::Ahead => self.cut(),
            },
        }
    }
}
