//! A plan runs once at a time at a site, in each mode: a second launch joins.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::fact::{Fact, FactBody};
use weir_model::id::NodeId;
use weir_model::intent::IntentStatus;

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct OneRun;

fn look(node: NodeId, facts: &[Fact]) -> Result<(), String> {
    let mut running = BTreeMap::new();
    let mut started = BTreeSet::new();
    for fact in facts {
        match &fact.body {
            FactBody::ActivationStarted { activation, plan, mode, .. } => {
                if !started.insert(*activation) {
                    return Err(format!("{node}: {activation} started twice"));
                }
                if let Some(other) = running.insert((plan.clone(), *mode), *activation) {
                    return Err(format!("{node}: {activation} runs beside {other}"));
                }
            }
            FactBody::ActivationEnded { activation, .. }
            | FactBody::ActivationStopped { activation, .. } => {
                running.retain(|_, other| other != activation);
            }
            FactBody::IntentJudged { status: IntentStatus::Aborted { activation }, .. } => {
                running.retain(|_, other| other != activation);
            }
            _ => {}
        }
    }
    Ok(())
}

impl Invariant for OneRun {
    fn name(&self) -> &'static str {
        "a plan runs once at a time"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        journals.nodes().try_for_each(|(node, facts)| look(node, &facts))
    }
}
