//! What a node has applied only ever grows within one of its lives. A crash may
//! take back what was not synced; it comes again from the log.

use super::{Invariant, Seen, place_in, place_of};

#[derive(Default)]
pub(super) struct OnlyForward;

impl Invariant for OnlyForward {
    fn name(&self) -> &'static str {
        "applied only goes forward"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Writes { node, batch, before } = seen else { return Ok(()) };
        let (Some(old), Some(new)) = (place_of(before), place_in(batch)) else { return Ok(()) };
        if (new.index, new.term) >= (old.index, old.term) {
            return Ok(());
        }
        Err(format!("{node} went back from {old:?} to {new:?}"))
    }
}
