//! A snapshot of the same position is the same file on every node, so that its
//! chunks can be fetched from anyone and a cut transfer can go on elsewhere.

use std::collections::BTreeMap;

use weir_model::id::NodeId;

use super::{Invariant, Seen};
use crate::dice::digest;
use crate::disk::SNAPSHOT;

#[derive(Default)]
pub(super) struct SameSnapshots {
    files: BTreeMap<String, (u64, NodeId)>,
}

impl Invariant for SameSnapshots {
    fn name(&self) -> &'static str {
        "the same snapshot of the same position"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::File { node, name, bytes } = seen else { return Ok(()) };
        if !name.starts_with(SNAPSHOT) {
            return Ok(());
        }
        let sum = digest(bytes);
        let (first, whose) = *self.files.entry((*name).to_owned()).or_insert((sum, *node));
        if first == sum {
            return Ok(());
        }
        Err(format!("{node} and {whose} wrote different files {name}"))
    }
}
