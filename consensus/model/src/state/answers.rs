//! The answers given to recent proposals, so that one sent again is answered
//! again and not carried out again. Bounded in number and age; what it forgot,
//! it knows that it forgot, and a proposal from before that is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decision::Answer;
use crate::id::{RequestKey, WallMs};

/// Most answers remembered.
pub const ANSWERS_KEPT: usize = 65_536;
/// How long an answer is remembered, in milliseconds of the leaders' stamps.
pub const ANSWERS_KEPT_MS: u64 = 10 * 60 * 1000;

/// An answer and when it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub at: WallMs,
    pub answer: Answer,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    by_key: BTreeMap<RequestKey, Given>,
    by_index: BTreeMap<u64, RequestKey>,
    forgotten_to: u64,
}

impl Answers {
    pub fn get(&self, key: &RequestKey) -> Option<&Answer> {
        self.by_key.get(key).map(|given| &given.answer)
    }

    pub fn given(&self, key: &RequestKey) -> Option<&Given> {
        self.by_key.get(key)
    }

    /// The index up to which answers may have been forgotten.
    pub fn forgotten_to(&self) -> u64 {
        self.forgotten_to
    }

    pub fn keys(&self) -> impl Iterator<Item = &RequestKey> {
        self.by_key.keys()
    }

    /// Remembers an answer and returns the keys forgotten to make room.
    pub fn remember(&mut self, key: RequestKey, at: WallMs, answer: Answer) -> Vec<RequestKey> {
        self.restore(key, Given { at, answer });
        let mut forgotten = Vec::new();
        while let Some((&index, &oldest)) = self.by_index.first_key_value() {
            let aged = |given: &Given| at.since(given.at) > ANSWERS_KEPT_MS;
            let drop =
                self.by_index.len() > ANSWERS_KEPT || self.by_key.get(&oldest).is_none_or(aged);
            if !drop || oldest == key {
                break;
            }
            self.by_index.remove(&index);
            self.by_key.remove(&oldest);
            self.forgotten_to = self.forgotten_to.max(index);
            forgotten.push(oldest);
        }
        forgotten
    }

    /// Puts back what was read from storage.
    pub fn restore(&mut self, key: RequestKey, given: Given) {
        self.by_index.insert(given.answer.index, key);
        self.by_key.insert(key, given);
    }

    pub fn restore_forgotten_to(&mut self, index: u64) {
        self.forgotten_to = index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Outcome;

    fn answer(index: u64) -> Answer {
        Answer { index, result: Ok(Outcome::Minted) }
    }

    #[test]
    fn an_aged_answer_is_forgotten_and_known_to_be() {
        let mut answers = Answers::default();
        let old = RequestKey([1; 16]);
        answers.remember(old, WallMs(0), answer(7));
        let gone = answers.remember(RequestKey([2; 16]), WallMs(ANSWERS_KEPT_MS + 1), answer(8));
        assert_eq!(gone, [old]);
        assert_eq!(answers.get(&old), None);
        assert_eq!(answers.forgotten_to(), 7);
    }

    #[test]
    fn never_more_answers_than_promised_are_kept() {
        let mut answers = Answers::default();
        for n in 0..=ANSWERS_KEPT as u64 {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&n.to_be_bytes());
            answers.remember(RequestKey(key), WallMs(1), answer(n));
        }
        assert_eq!(answers.keys().count(), ANSWERS_KEPT);
        assert_eq!(answers.forgotten_to(), 0);
        assert_eq!(answers.get(&RequestKey([0; 16])), None);
    }
}
