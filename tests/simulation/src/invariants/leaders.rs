//! At most one node leads a term. A vote that a quorum has confirmed is written
//! by everyone who hears of the leader, so every such write names it.

use std::collections::BTreeMap;

use weir_model::id::NodeId;

use super::{Invariant, Seen, ballot_in};

#[derive(Default)]
pub(super) struct OneATerm {
    leaders: BTreeMap<u64, NodeId>,
}

impl Invariant for OneATerm {
    fn name(&self) -> &'static str {
        "one leader a term"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Writes { batch, .. } = seen else { return Ok(()) };
        let Some(ballot) = ballot_in(batch).filter(|ballot| ballot.committed) else {
            return Ok(());
        };
        let leader = *self.leaders.entry(ballot.term).or_insert(ballot.candidate);
        if leader == ballot.candidate {
            return Ok(());
        }
        Err(format!("term {} is led by {leader} and by {}", ballot.term, ballot.candidate))
    }
}
