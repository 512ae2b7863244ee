//! What a node shows as kept at two is kept at two; and in good weather all of
//! it gets there.

use super::{Invariant, Journals, Seen};
use weir_model::id::NodeId;

#[derive(Default)]
pub(super) struct KeptElsewhere;

fn look(journals: &Journals, node: NodeId) -> Result<(), String> {
    let Some(view) = journals.shown.get(&node) else {
        return Err(format!("{node} is not up in the end"));
    };
    if view.unrecorded {
        return Err(format!("{node} stopped recording, though its disk did not fail"));
    }
    let copies = journals.copies.iter().filter(|((_, author), _)| *author == node);
    let most = copies.map(|(_, facts)| facts.len() as u64).max().unwrap_or(0);
    if view.kept_at_two > most {
        return Err(format!("{node} shows {} as kept at two; {most} are", view.kept_at_two));
    }
    if !journals.fixture.ships_nowhere(node) && view.kept_at_two != view.head.id.seq {
        let (two, all) = (view.kept_at_two, view.head.id.seq);
        return Err(format!("{node}: only {two} of {all} facts were shipped in the end"));
    }
    Ok(())
}

impl Invariant for KeptElsewhere {
    fn name(&self) -> &'static str {
        "kept at two means kept at two"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        journals.fixture.homes.keys().try_for_each(|node| look(journals, *node))
    }
}
