//! Every post that was answered is on the duty board exactly once and in order.
//! A line's revision counts its posts and its chain hashes them all, so that
//! one that was lost, doubled or swapped shows at the end on every node.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::decision::Outcome;
use weir_model::id::Hash;

use super::{Final, Invariant, Posted, Seen};

#[derive(Default)]
pub(super) struct ExactlyOnce {
    /// Lines with one writer: what it wrote, in order.
    own: BTreeMap<String, Vec<String>>,
    /// Lines with many: the revisions they were told.
    shared: BTreeMap<String, BTreeSet<u64>>,
}

fn chain(texts: &[String]) -> Hash {
    let link = |chain: Hash, text: &String| Hash::of(&[&chain.0, text.as_bytes()]);
    texts.iter().fold(Hash::default(), link)
}

impl ExactlyOnce {
    fn posted(&mut self, post: &Posted) -> Result<(), String> {
        let Posted { line, text, revision: expected, answer } = post;
        let told = match &answer.result {
            Ok(Outcome::Posted { revision }) => *revision,
            other => return Err(format!("{line}: {text:?} was answered {other:?}")),
        };
        match expected {
            Some(expected) => {
                self.own.entry(line.clone()).or_default().push(text.clone());
                if told != *expected {
                    return Err(format!("{line}: post {expected} became revision {told}"));
                }
            }
            None => {
                if !self.shared.entry(line.clone()).or_default().insert(told) {
                    return Err(format!("{line}: two posts became revision {told}"));
                }
            }
        }
        Ok(())
    }

    fn ended(&self, node: &Final) -> Result<(), String> {
        let Some(view) = &node.view else { return Ok(()) };
        let id = node.node;
        for (line, texts) in &self.own {
            let held = view.state.board.get(line);
            let (revision, chained) = held.map_or((0, Hash::default()), |l| (l.revision, l.chain));
            if (revision, chained) != (texts.len() as u64, chain(texts)) {
                return Err(format!("{id}: {line} has {revision} of {} posts", texts.len()));
            }
        }
        for (line, revisions) in &self.shared {
            let held = view.state.board.get(line).map_or(0, |line| line.revision);
            if held != revisions.len() as u64 {
                return Err(format!("{id}: {line} has {held} of {} posts", revisions.len()));
            }
        }
        Ok(())
    }
}

impl Invariant for ExactlyOnce {
    fn name(&self) -> &'static str {
        "an answered post is there once"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Posted(post) => self.posted(post),
            Seen::Ended { nodes } => nodes.iter().try_for_each(|node| self.ended(node)),
            _ => Ok(()),
        }
    }
}
