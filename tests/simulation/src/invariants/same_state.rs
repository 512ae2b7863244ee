//! Two nodes that have applied up to the same index hold the same state, byte
//! for byte, whether it came from the log, from a snapshot or from the disk.

use std::collections::BTreeMap;

use weir_model::id::NodeId;

use super::{Invariant, Seen, place_in, place_of};
use crate::platter::Contents;

#[derive(Default)]
pub(super) struct SameState {
    sums: BTreeMap<u64, (u64, NodeId)>,
}

impl SameState {
    fn compare(&mut self, node: NodeId, index: u64, contents: &Contents) -> Result<(), String> {
        let sum = contents.state_sum();
        let (first, whose) = *self.sums.entry(index).or_insert((sum, node));
        if first == sum {
            return Ok(());
        }
        Err(format!("{node} holds another state at {index} than {whose}"))
    }
}

impl Invariant for SameState {
    fn name(&self) -> &'static str {
        "the same state at the same index"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Wrote { node, batch, after } => match place_in(batch) {
                Some(place) => self.compare(*node, place.index, after),
                None => Ok(()),
            },
            Seen::Starts { node, contents } => match place_of(contents) {
                Some(place) => self.compare(*node, place.index, contents),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
