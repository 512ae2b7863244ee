//! No node's consensus stops unasked, and nothing panics: what comes from a
//! wire or from a disk after a crash is never a reason to.

use super::{Final, Invariant, Seen};

#[derive(Default)]
pub(super) struct NobodyStops;

fn look(node: &Final) -> Result<(), String> {
    let id = node.node;
    if node.panics > 0 {
        return Err(format!("{id}: {} tasks panicked", node.panics));
    }
    match &node.status {
        None => Err(format!("{id} did not start")),
        Some(status) => match &status.stopped {
            Some(why) => Err(format!("{id} stopped: {why}")),
            None => Ok(()),
        },
    }
}

impl Invariant for NobodyStops {
    fn name(&self) -> &'static str {
        "nobody stops unasked"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Ended { nodes } => nodes.iter().try_for_each(look),
            _ => Ok(()),
        }
    }
}
