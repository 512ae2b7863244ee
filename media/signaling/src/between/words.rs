//! What the two owners of a call want of each other, through the words between
//! their ends. Refuses two changes of one side at once: the later one waits.

use super::far::{Far, Role, State, Wanted};
use super::media::Settled;
use super::message::{Closing, INFO_MAX_BYTES, Media, Said, Word, short};
use super::order::{Deed, Event};

/// For an owner to answer a change.
const ANSWERS_MS: u64 = 20_000;
/// Least room of an INFO's kind, so that what we say can be read.
const KIND_MAX_BYTES: usize = 128;

impl Far {
    pub(super) fn deed(&mut self, deed: Deed) {
        match (self.state, self.role) {
            (State::Leaving { .. } | State::Over, _) => {}
            (State::Ringing, Role::Dials) => match deed {
                Deed::HangUp => self.close(Closing::HungUp),
                // Nothing of this can come before the answer.
                Deed::Ring { .. }
                | Deed::Answer { .. }
                | Deed::Refuse { .. }
                | Deed::Change { .. }
                | Deed::Agree { .. }
                | Deed::Info { .. } => {}
            },
            (State::Ringing, Role::IsCalled) => self.deed_ringing(deed),
            (State::Talking, _) => self.deed_talking(deed),
        }
    }

    fn deed_ringing(&mut self, deed: Deed) {
        match deed {
            Deed::Ring { code, sdp } => self.ring(code, sdp.as_deref()),
            Deed::Answer { sdp } => self.answer(&sdp),
            Deed::Refuse { code, words } => {
                let code = if (400..=699).contains(&code) { code } else { 500 };
                self.leave(Word::Refused { code, words: short(&words) });
            }
            Deed::HangUp => self.close(Closing::HungUp),
            Deed::Change { .. } | Deed::Agree { .. } | Deed::Info { .. } => {}
        }
    }

    fn ring(&mut self, code: u16, sdp: Option<&str>) {
        if let Some((said, settled)) = sdp.and_then(|sdp| self.settle(sdp)) {
            let media = Media { said, channel: self.channel };
            self.say(Word::Early(media));
            return self.join(settled);
        }
        if (101..=199).contains(&code) {
            self.say(Word::Ring { code });
        }
    }

    /// Our bridge's answer to what it was offered last.
    fn settle(&mut self, sdp: &str) -> Option<(Said, Settled)> {
        let wanted = self.wanted.as_ref()?;
        self.end.hear_answer(sdp, &wanted.offered).ok()
    }

    fn answer(&mut self, sdp: &str) {
        let Some((said, settled)) = self.settle(sdp) else {
            self.tell(Event::Ended { why: Closing::Fault });
            let words = "Not Acceptable Here".into();
            return self.leave(Word::Refused { code: 488, words });
        };
        self.wanted = None;
        self.state = State::Talking;
        let media = Media { said, channel: self.channel };
        self.say(Word::Answered(media));
        self.join(settled);
    }

    fn deed_talking(&mut self, deed: Deed) {
        match deed {
            Deed::Change { sdp } => self.change(sdp),
            Deed::Agree { sdp } => {
                let settled = self.settle(&sdp);
                if self.wanted.take().is_none() {
                    return;
                }
                match settled {
                    Some((said, settled)) => {
                        self.say(Word::Agree(said));
                        self.join(settled);
                    }
                    None => self.say(Word::Decline { code: 488 }),
                }
            }
            Deed::Refuse { code, .. } => {
                if self.wanted.take().is_some() {
                    let code = if (400..=699).contains(&code) { code } else { 500 };
                    self.say(Word::Decline { code });
                }
            }
            Deed::Info { kind, body } => {
                let plain = kind.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
                let short = kind.len() <= KIND_MAX_BYTES && !kind.is_empty();
                if plain && short && kind.len() + body.len() <= INFO_MAX_BYTES {
                    self.say(Word::Info { kind, body });
                }
            }
            Deed::HangUp => self.close(Closing::HungUp),
            Deed::Ring { .. } | Deed::Answer { .. } => {}
        }
    }

    fn change(&mut self, sdp: String) {
        if self.asked.is_some() {
            // Every wish is answered, also one that a newer one took the place of.
            if self.waiting.replace(sdp).is_some() {
                self.tell(Event::Declined { code: 491 });
            }
            return;
        }
        match self.end.hear_offer(&sdp) {
            Ok((session, said)) => {
                self.asked = Some(Box::new(session));
                self.say(Word::Change(said));
            }
            Err(error) => self.tell(Event::Declined { code: error.code() }),
        }
    }

    fn next_change(&mut self) {
        if let Some(sdp) = self.waiting.take() {
            self.change(sdp);
        }
    }

    /// A word of the other end, heard for the first time.
    pub(super) fn word(&mut self, word: Word) {
        match (self.state, self.role) {
            (State::Leaving { .. } | State::Over, _) => {}
            (State::Ringing, Role::Dials) => self.word_dialling(word),
            (State::Ringing, Role::IsCalled) => {
                if let Word::Ended { why } = word {
                    self.tell(Event::Ended { why });
                    self.over();
                }
            }
            (State::Talking, _) => self.word_talking(word),
        }
    }

    fn word_dialling(&mut self, word: Word) {
        match word {
            Word::Ring { code } => self.tell(Event::Ringing { code, sdp: String::new() }),
            Word::Early(media) => {
                if let Some(sdp) = self.sounds(&media) {
                    self.tell(Event::Ringing { code: 183, sdp });
                }
            }
            Word::Answered(media) => match self.sounds(&media) {
                Some(sdp) => {
                    self.asked = None;
                    self.answer_by_ms = None;
                    self.say(Word::Confirmed);
                    self.tell(Event::Answered { sdp });
                    self.state = State::Talking;
                }
                None => {
                    let reason = "Not Acceptable Here".into();
                    self.tell(Event::Refused { code: 488, reason });
                    self.leave(Word::Ended { why: Closing::Fault });
                }
            },
            Word::Refused { code, words } => {
                self.tell(Event::Refused { code, reason: words });
                self.over();
            }
            Word::Ended { why } => {
                self.tell(Event::Refused { code: 480, reason: why.words().into() });
                self.over();
            }
            // Of a call that is answered, or of the stream.
            Word::Confirmed
            | Word::Change(_)
            | Word::Agree(_)
            | Word::Decline { .. }
            | Word::Info { .. }
            | Word::Setup(_)
            | Word::Heard
            | Word::Resume { .. }
            | Word::Unknown => {}
        }
    }

    /// The other side's sound: what our bridge is told of it.
    fn sounds(&mut self, media: &Media) -> Option<String> {
        let asked = self.asked.as_ref()?;
        let (sdp, settled) = self.end.answer(asked, &media.said)?;
        self.theirs = Some(media.channel);
        self.join(settled);
        Some(sdp)
    }

    fn word_talking(&mut self, word: Word) {
        match word {
            Word::Confirmed if self.role == Role::IsCalled => self.tell(Event::Confirmed),
            Word::Change(said) => self.changed(&said),
            Word::Agree(said) => {
                let Some(asked) = self.asked.take() else { return };
                match self.end.answer(&asked, &said) {
                    Some((sdp, settled)) => {
                        self.join(settled);
                        self.tell(Event::Agreed { sdp });
                    }
                    None => self.tell(Event::Declined { code: 488 }),
                }
                self.next_change();
            }
            Word::Decline { code } => {
                if self.asked.take().is_some() {
                    self.tell(Event::Declined { code });
                    self.next_change();
                }
            }
            Word::Info { kind, body } => self.tell(Event::Info { kind, body }),
            // A refusal of what we took for answered: it is over as well.
            Word::Refused { .. } => {
                self.tell(Event::Ended { why: Closing::Fault });
                self.over();
            }
            Word::Ended { why } => {
                self.tell(Event::Ended { why });
                self.over();
            }
            // Of the time before the answer, or of the stream.
            Word::Confirmed
            | Word::Ring { .. }
            | Word::Early(_)
            | Word::Answered(_)
            | Word::Setup(_)
            | Word::Heard
            | Word::Resume { .. }
            | Word::Unknown => {}
        }
    }

    fn changed(&mut self, said: &Said) {
        if self.wanted.is_some() {
            // An honest end waits for our answer.
            return self.say(Word::Decline { code: 491 });
        }
        match self.end.offer(said) {
            Some((offered, sdp)) => {
                let until_ms = self.now_ms.saturating_add(ANSWERS_MS);
                self.wanted = Some(Box::new(Wanted { offered, until_ms }));
                self.tell(Event::Changed { sdp });
            }
            None => self.say(Word::Decline { code: 488 }),
        }
    }

    /// The other end has forgotten the call, or never knew it.
    pub(super) fn unknown(&mut self) {
        match self.state {
            State::Ringing => {
                let reason = "the other site knows nothing of the call".into();
                self.tell(Event::Refused { code: 480, reason });
            }
            State::Talking => self.tell(Event::Ended { why: Closing::Lost }),
            State::Leaving { .. } | State::Over => {}
        }
        self.over();
    }
}
