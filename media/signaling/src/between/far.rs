//! One end of a call between sites: the end that dials, or the one that is
//! called. One input in, outputs out. It refuses to tell its owner anything
//! after `Refused`, `Silent` or `Ended`, and to do anything after
//! [`Output::Over`].

use super::RINGS_WITHOUT_MS;
use super::TALKS_WITHOUT_MS;
use super::media::{End, Settled};
use super::message::{CallKey, Closing, Media, Message, Setup, Word, short};
use super::order::{Event, Input, Output};
use super::road::Road;
use super::talk::Talk;
use crate::sdp::{Audio, SdpError, Session};

/// For the other end to hear that the call is over.
const LEAVES_MS: u64 = 10_000;
/// Until words that are not essential are let fall.
const CROWDED: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dials,
    IsCalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ringing,
    Talking,
    /// Our owner knows that it is over; the other end may not.
    Leaving {
        until_ms: u64,
    },
    Over,
}

/// What the other end wants of our bridge, and it has not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) offered: Audio,
    pub(super) until_ms: u64,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Far {
    pub(super) role: Role,
    pub(super) key: CallKey,
    pub(super) end: End,
    pub(super) talk: Talk,
    pub(super) road: Road,
    pub(super) state: State,
    pub(super) now_ms: u64,
    /// The number that the other end's frames carry, and ours.
    pub(super) channel: u16,
    pub(super) theirs: Option<u16>,
    /// Since when nothing was heard for want of a stream.
    pub(super) lost_ms: Option<u64>,
    /// Since when the oldest word has waited to be heard.
    pub(super) unheard_ms: Option<u64>,
    pub(super) tries: u32,
    /// There was a stream once.
    pub(super) opened: bool,
    pub(super) answer_by_ms: Option<u64>,
    pub(super) trying: bool,
    /// What our bridge offered, and the other end has not answered: first the
    /// call itself.
    pub(super) asked: Option<Box<Session>>,
    /// What it offered meanwhile.
    pub(super) waiting: Option<String>,
    pub(super) wanted: Option<Box<Wanted>>,
    joined: Option<(u16, Settled)>,
    out: Vec<Output>,
}

/// What a call to another site is.
#[derive(Debug, Clone)]
pub struct Dialling {
    pub key: CallKey,
    pub from: String,
    pub from_name: String,
    pub dialled: String,
    pub emergency: bool,
    pub max_forwards: u8,
    /// Of our bridge.
    pub offer: String,
    /// The number that the other end's frames are to carry.
    pub channel: u16,
    pub answer_within_ms: u64,
}

impl Far {
    fn new(now_ms: u64, role: Role, key: CallKey, end: End, channel: u16) -> Self {
        Self {
            role,
            key,
            end,
            talk: Talk::new(),
            road: Road::Up,
            state: State::Ringing,
            now_ms,
            channel,
            theirs: None,
            lost_ms: None,
            unheard_ms: None,
            tries: 0,
            opened: false,
            answer_by_ms: None,
            trying: false,
            asked: None,
            waiting: None,
            wanted: None,
            joined: None,
            out: Vec::new(),
        }
    }

    /// The end that dials.
    ///
    /// # Errors
    /// When the offer has nothing that the way carries.
    pub fn dial(now_ms: u64, dialling: Dialling, end: End) -> Result<Self, SdpError> {
        let Dialling { key, channel, .. } = dialling;
        let mut far = Self::new(now_ms, Role::Dials, key, end, channel);
        let (session, said) = far.end.hear_offer(&dialling.offer)?;
        far.asked = Some(Box::new(session));
        far.answer_by_ms = Some(now_ms.saturating_add(dialling.answer_within_ms));
        far.road = Road::Down { retry_ms: now_ms };
        far.lost_ms = Some(now_ms);
        far.say(Word::Setup(Setup {
            call: key,
            from: dialling.from,
            from_name: dialling.from_name,
            dialled: dialling.dialled,
            emergency: dialling.emergency,
            max_forwards: dialling.max_forwards,
            media: Media { said, channel },
        }));
        Ok(far)
    }

    /// The end that is called, with what it is to offer its bridge. `channel`: the
    /// number that the other end's frames are to carry.
    ///
    /// # Errors
    /// When the other telephone has nothing that the way carries.
    pub fn called(
        now_ms: u64,
        setup: &Setup,
        channel: u16,
        end: End,
    ) -> Result<(Self, String), SdpError> {
        let mut far = Self::new(now_ms, Role::IsCalled, setup.call, end, channel);
        let (offered, sdp) = far.end.offer(&setup.media.said).ok_or(SdpError::NoFormat)?;
        far.wanted = Some(Box::new(Wanted { offered, until_ms: u64::MAX }));
        far.theirs = Some(setup.media.channel);
        far.talk.hear(1);
        far.hear_of_us();
        Ok((far, sdp))
    }

    /// What to tell the end that dials when its call is not even taken up.
    pub fn refusal(code: u16, words: &str) -> Message {
        let code = if (400..=699).contains(&code) { code } else { 500 };
        let word = Word::Refused { code, words: short(words) };
        Message { number: 1, expects: 2, word }
    }

    /// What to tell an end that wants to go on with a call that nobody here knows.
    pub fn unknown_call() -> Message {
        Message { number: 0, expects: 1, word: Word::Unknown }
    }

    /// Takes one input; [`Input::Begin`] before all others.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state != State::Over {
            self.take(input);
            self.due();
        }
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Deed(deed) => self.deed(deed),
            Input::Frame(message) => self.frame(message),
            Input::Opened => self.opened(),
            Input::NotOpened => self.not_opened(),
            Input::Garbage => self.fault(),
            Input::Lost => self.lost(),
            Input::Resumed { expects } => self.resumed(expects),
            Input::Stop => self.close(Closing::Stopped),
            Input::Begin if self.role == Role::IsCalled => self.note(Word::Heard),
            Input::Begin | Input::Tick => {}
        }
    }

    /// When to send an [`Input::Tick`] at the latest.
    pub fn next_ms(&self) -> Option<u64> {
        let all = match self.state {
            State::Over => return None,
            State::Leaving { until_ms } => [Some(until_ms), self.road_ms(), None, None],
            State::Ringing => [self.lost_by_ms(), self.road_ms(), self.answer_by_ms, None],
            State::Talking => {
                let wanted = self.wanted.as_ref().map(|wanted| wanted.until_ms);
                [self.lost_by_ms(), self.road_ms(), wanted, None]
            }
        };
        // Nothing may be due: then the driver is woken by others.
        all.into_iter().flatten().min()
    }

    /// When it is over for want of a stream.
    fn lost_by_ms(&self) -> Option<u64> {
        let without = match self.state {
            State::Talking => TALKS_WITHOUT_MS,
            State::Ringing | State::Leaving { .. } | State::Over => RINGS_WITHOUT_MS,
        };
        Some(self.lost_ms?.saturating_add(without))
    }

    fn due(&mut self) {
        let now_ms = self.now_ms;
        let is_due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| now_ms >= at_ms);
        match self.state {
            State::Ringing if is_due(self.lost_by_ms()) => self.give_up_ringing(),
            State::Ringing if is_due(self.answer_by_ms) => {
                self.tell(Event::Silent);
                self.leave(Word::Ended { why: Closing::HungUp });
            }
            State::Talking if is_due(self.lost_by_ms()) => {
                self.tell_lost();
                self.over();
            }
            State::Talking => {
                if self.wanted.take_if(|wanted| now_ms >= wanted.until_ms).is_some() {
                    self.say(Word::Decline { code: 500 });
                }
            }
            State::Leaving { until_ms } if now_ms >= until_ms => self.over(),
            State::Ringing | State::Leaving { .. } | State::Over => {}
        }
        self.road_due();
    }

    fn give_up_ringing(&mut self) {
        match self.role {
            Role::Dials => {
                self.tell_lost();
                // It may have been answered there meanwhile: nobody is left in the
                // line if the stream comes back.
                let by_ms = self.lost_ms.unwrap_or(self.now_ms).saturating_add(TALKS_WITHOUT_MS);
                self.leave(Word::Ended { why: Closing::Lost });
                if self.state != State::Over {
                    self.state = State::Leaving { until_ms: by_ms };
                }
            }
            Role::IsCalled => {
                self.tell_lost();
                self.over();
            }
        }
    }

    /// A call that was never answered is refused, to the end that dials.
    fn tell_lost(&mut self) {
        let event = match (self.state, self.role) {
            (State::Ringing, Role::Dials) => {
                Event::Refused { code: 480, reason: Closing::Lost.words().into() }
            }
            _ => Event::Ended { why: Closing::Lost },
        };
        self.tell(event);
    }

    /// Our owner is told, if it still listens.
    pub(super) fn tell(&mut self, event: Event) {
        if matches!(self.state, State::Ringing | State::Talking) {
            self.out.push(Output::Tell(event));
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.out.push(output);
    }

    /// Counts a word, and sends it when there is a stream.
    pub(super) fn say(&mut self, word: Word) {
        if matches!(word, Word::Info { .. }) && self.talk.waiting() >= CROWDED {
            return;
        }
        match self.talk.say(word) {
            Ok(message) => {
                self.unheard_ms.get_or_insert(self.now_ms);
                if self.road == Road::Up {
                    self.push(Output::Send(message));
                }
            }
            // It has heard nothing for a long time, and is not going to.
            Err(_) => {
                self.tell_lost();
                self.over();
            }
        }
    }

    pub(super) fn note(&mut self, word: Word) {
        if self.road == Road::Up {
            let note: Message = self.talk.note(word);
            self.push(Output::Send(note));
        }
    }

    /// The last word; it is over when that was heard.
    pub(super) fn leave(&mut self, word: Word) {
        // First, so that nothing more is told, whatever becomes of the word.
        self.state = State::Leaving { until_ms: self.now_ms.saturating_add(LEAVES_MS) };
        self.say(word);
    }

    pub(super) fn over(&mut self) {
        if self.state != State::Over {
            self.state = State::Over;
            self.out.push(Output::Over);
        }
    }

    /// Our owner, or our node, wants no more of it.
    pub(super) fn close(&mut self, why: Closing) {
        match (self.state, self.role) {
            (State::Ringing, Role::Dials) if !self.opened && self.road != Road::Opening => {
                self.over();
            }
            (State::Ringing, Role::IsCalled) => {
                let words = "Service Unavailable".into();
                self.leave(Word::Refused { code: 503, words });
            }
            (State::Ringing, Role::Dials) | (State::Talking, _) => {
                self.leave(Word::Ended { why });
            }
            (State::Leaving { .. } | State::Over, _) => {}
        }
    }

    /// The other end says what cannot be.
    pub(super) fn fault(&mut self) {
        match (self.state, self.role) {
            (State::Ringing, Role::Dials) => {
                self.tell(Event::Refused { code: 500, reason: Closing::Fault.words().into() });
            }
            (State::Ringing, Role::IsCalled) | (State::Talking, _) => {
                self.tell(Event::Ended { why: Closing::Fault });
            }
            (State::Leaving { .. } | State::Over, _) => return self.over(),
        }
        self.leave(Word::Ended { why: Closing::Fault });
    }

    pub(super) fn join(&mut self, settled: Settled) {
        let Some(channel) = self.theirs else { return };
        let joined = (channel, settled);
        if self.joined.as_ref() != Some(&joined) {
            let Settled { telephone, towards } = joined.1;
            self.out.push(Output::Join { channel, telephone, towards });
            self.joined = Some(joined);
        }
    }
}
