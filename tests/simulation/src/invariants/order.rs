//! One order of facts for everybody: by the committed index seen, then by depth
//! in the web of causes, then by name; whatever the order of their arrival.

use weir_model::fact::{Fact, FactId, Merge};
use weir_model::id::{Incarnation, NodeId};

use super::{Invariant, Journals, Seen};

#[derive(Default)]
pub(super) struct OneOrder;

fn ids<'a>(facts: impl Iterator<Item = &'a Fact>) -> Vec<FactId> {
    facts.map(|fact| fact.id).collect()
}

/// All facts, offered journal by journal in this order of nodes.
fn merged(journals: &Journals, nodes: impl Iterator<Item = NodeId>) -> Option<Vec<FactId>> {
    let stranger = NodeId(u64::MAX);
    let site = journals.fixture.homes.values().next()?.clone();
    let mut merge = Merge::new(site, stranger, Incarnation(1));
    for node in nodes {
        for fact in journals.facts(node) {
            let (hash, author) = (fact.hash().ok()?, journals.fixture.homes.get(&node));
            merge.offer(fact, hash, author);
        }
    }
    Some(ids(merge.shown()))
}

impl Invariant for OneOrder {
    fn name(&self) -> &'static str {
        "one order of facts for everybody"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        let nodes: Vec<NodeId> = journals.own.keys().copied().collect();
        let one = merged(journals, nodes.iter().copied());
        if one != merged(journals, nodes.iter().rev().copied()) {
            return Err("the order hangs on the order of arrival".into());
        }
        for (node, view) in &journals.shown {
            let shown = ids(view.facts.iter());
            let mut sorted: Vec<&Fact> = view.facts.iter().collect();
            sorted.sort_by_key(|fact| fact.place());
            if shown != ids(sorted.into_iter()) {
                return Err(format!("{node} shows facts out of order"));
            }
        }
        Ok(())
    }
}
