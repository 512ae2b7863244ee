//! Words that are counted: each is heard once and in order, however often a
//! stream is lost. Refuses to keep more words than the other end may leave
//! unheard, and to skip one.

use std::collections::VecDeque;

use super::message::{Message, Word};

/// Most words that the other end has not said to have heard.
pub const UNHEARD_MAX: usize = 64;

/// The buffer is full: the other end has not heard anything for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What a counted word is to this end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Next,
    /// It was heard before the stream was lost.
    Again,
    /// One is missing before it, which no honest stream does.
    Ahead,
}

#[derive(Debug, Clone)]
pub(super) struct Talk {
    /// The number of the next word said, and of the next word heard.
    says: u32,
    expects: u32,
    unheard: VecDeque<(u32, Word)>,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self { says: 1, expects: 1, unheard: VecDeque::new() }
    }

    /// Counts a word and keeps it until it was heard.
    pub(super) fn say(&mut self, word: Word) -> Result<Message, Full> {
        let after = self.says.checked_add(1).ok_or(Full)?;
        if self.unheard.len() >= UNHEARD_MAX {
            return Err(Full);
        }
        let number = std::mem::replace(&mut self.says, after);
        self.unheard.push_back((number, word.clone()));
        Ok(Message { number, expects: self.expects, word })
    }

    /// What is said of the stream, not of the call.
    pub(super) fn note(&self, word: Word) -> Message {
        Message { number: 0, expects: self.expects, word }
    }

    /// All before `expects` came. `false`: it claims to have heard what was never
    /// said.
    pub(super) fn heard(&mut self, expects: u32) -> bool {
        if expects > self.says {
            return false;
        }
        while self.unheard.front().is_some_and(|(number, _)| *number < expects) {
            self.unheard.pop_front();
        }
        true
    }

    /// Takes the number of a counted word.
    pub(super) fn hear(&mut self, number: u32) -> Place {
        if number < self.expects {
            return Place::Again;
        }
        if number > self.expects {
            return Place::Ahead;
        }
        match self.expects.checked_add(1) {
            Some(next) => {
                self.expects = next;
                Place::Next
            }
            None => Place::Ahead,
        }
    }

    /// All that the other end may not have heard, in order.
    pub(super) fn unheard(&self) -> impl Iterator<Item = Message> {
        let expects = self.expects;
        self.unheard.iter().map(move |(number, word)| Message {
            number: *number,
            expects,
            word: word.clone(),
        })
    }

    pub(super) fn waiting(&self) -> usize {
        self.unheard.len()
    }
}
