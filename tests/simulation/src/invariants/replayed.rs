//! What a home machine shows is what its journal says: nothing happened to it
//! that was not written down, so that a restart shows the same picture.

use weir_model::home::Home;
use weir_model::id::NodeId;

use super::{Invariant, Journals, Seen};

#[derive(Default)]
pub(super) struct LifeAndReplay;

fn look(journals: &Journals, node: NodeId) -> Result<(), String> {
    let (Some(view), Some(site)) = (journals.shown.get(&node), journals.fixture.homes.get(&node))
    else {
        return Ok(());
    };
    let facts = journals.facts(node);
    let directory = &journals.fixture.directory;
    let again = Home::replay(site.clone(), node, view.picture.epoch, &facts, directory).picture();
    if again == view.picture {
        return Ok(());
    }
    let other = again.activations.iter().zip(&view.picture.activations).find(|(a, b)| a != b);
    Err(format!("{node} shows what its journal does not: {other:?}"))
}

impl Invariant for LifeAndReplay {
    fn name(&self) -> &'static str {
        "a restart shows the same picture"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        journals.fixture.homes.keys().try_for_each(|node| look(journals, *node))
    }
}
