//! A vote is never taken back: not by a later write, and not by a crash after
//! the node was told that it is durable. Two votes in one term would let two
//! nodes lead it.

use std::collections::BTreeMap;

use weir_consensus::store::wire::Ballot;
use weir_model::id::NodeId;

use super::{Invariant, Seen, ballot_in, ballot_of};

#[derive(Default)]
pub(super) struct NeverTakenBack {
    told: BTreeMap<NodeId, Ballot>,
}

/// Whether `later` goes on from `earlier`.
fn goes_on(earlier: &Ballot, later: &Ballot) -> bool {
    match later.term.cmp(&earlier.term) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => {
            // Who asked in vain follows whom the others elected.
            let elected = later.committed && !earlier.committed;
            elected || (later.candidate, later.committed) == (earlier.candidate, earlier.committed)
        }
    }
}

impl Invariant for NeverTakenBack {
    fn name(&self) -> &'static str {
        "a vote is never taken back"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Writes { node, batch, before } => {
                let (Some(old), Some(new)) = (ballot_of(before), ballot_in(batch)) else {
                    return Ok(());
                };
                if goes_on(&old, &new) {
                    return Ok(());
                }
                Err(format!("{node} voted {old:?}, then {new:?}"))
            }
            Seen::Kept { node, batch } => {
                if let Some(ballot) = ballot_in(batch) {
                    self.told.insert(*node, ballot);
                }
                Ok(())
            }
            Seen::Starts { node, contents } => {
                let Some(told) = self.told.get(node) else { return Ok(()) };
                let kept = ballot_of(contents);
                if kept.as_ref().is_some_and(|kept| goes_on(told, kept)) {
                    return Ok(());
                }
                Err(format!("{node} had voted {told:?} and starts with {kept:?}"))
            }
            _ => Ok(()),
        }
    }
}
