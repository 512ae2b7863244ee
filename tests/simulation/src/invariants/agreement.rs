//! Two nodes never apply different entries under one index. What a node applies
//! is read from its own log at the moment when it writes that it has applied
//! it; a state that came as a snapshot has no entries to compare.

use std::collections::BTreeMap;

use weir_consensus::disk::Family;
use weir_model::id::NodeId;

use super::{Invariant, Seen, installs, place_in, place_of};
use crate::dice::digest;

#[derive(Default)]
pub(super) struct SameEntries {
    chosen: BTreeMap<u64, (u64, NodeId)>,
}

impl Invariant for SameEntries {
    fn name(&self) -> &'static str {
        "the same entry under the same index"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Writes { node, batch, before } = seen else { return Ok(()) };
        let Some(now) = place_in(batch).filter(|_| !installs(batch)) else { return Ok(()) };
        let from = place_of(before).map_or(0, |place| place.index + 1);
        for index in from..=now.index {
            let Some(entry) = before.get(Family::Log, &index.to_be_bytes()) else {
                return Err(format!("{node} applied {index}, which is not in its log"));
            };
            let sum = digest(entry);
            let (first, whose) = *self.chosen.entry(index).or_insert((sum, *node));
            if first != sum {
                return Err(format!("{node} applied another {index} than {whose}"));
            }
        }
        Ok(())
    }
}
