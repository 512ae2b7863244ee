//! A node says only what a crash could not make untrue: an entry that it
//! acknowledges, and a vote that it answers with, are durable when the answer
//! leaves it.

use weir_consensus::disk::Family;
use weir_consensus::net::Response;
use weir_consensus::net::message::StreamAnswer;
use weir_consensus::store::wire::{LogEntry, Place, decode};
use weir_model::id::NodeId;

use super::{Invariant, Seen, ballot_of, place_of};
use crate::platter::Contents;

#[derive(Default)]
pub(super) struct OnlyWhatIsDurable;

fn is_durable(place: &Place, durable: &Contents) -> bool {
    let entry = durable.get(Family::Log, &place.index.to_be_bytes());
    match entry.and_then(|bytes| decode::<LogEntry>(bytes).ok()) {
        Some(entry) => entry.place == *place,
        // Already part of the state, and the entry let go of.
        None => place_of(durable).is_some_and(|applied| applied.index >= place.index),
    }
}

fn look(node: NodeId, place: Option<&Place>, durable: &Contents) -> Result<(), String> {
    match place {
        Some(place) if !is_durable(place, durable) => {
            Err(format!("{node} acknowledged {place:?} before it was durable"))
        }
        _ => Ok(()),
    }
}

impl Invariant for OnlyWhatIsDurable {
    fn name(&self) -> &'static str {
        "only what is durable is acknowledged"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::StreamAnswers { node, answer: StreamAnswer::Matching(place), durable } => {
                look(*node, place.as_ref(), durable)
            }
            Seen::Answers { node, answer: Response::Vote { vote, granted: true, .. }, durable } => {
                let kept = ballot_of(durable);
                if kept.as_ref().is_some_and(|kept| kept.term >= vote.term) {
                    return Ok(());
                }
                Err(format!("{node} granted {vote:?} with {kept:?} on its disk"))
            }
            _ => Ok(()),
        }
    }
}
