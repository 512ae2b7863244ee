//! People are left in peace: who pressed the key is not rung again for that step,
//! no text arrives twice, and of whom nobody knows, nobody is tried again, unless
//! a person asks. Devices count; journals say why.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::fact::{EffectKey, EffectResult, Fact, FactBody, Why};
use weir_model::id::{ActivationId, PersonId, StepId};

use super::{Invariant, Seen};
use crate::sites::relay::{Deed, Sounded};

type Reached = (ActivationId, StepId, PersonId);

#[derive(Default)]
pub(super) struct LeftInPeace {
    acknowledged: BTreeSet<Reached>,
    taken: BTreeSet<Reached>,
}

fn reached(key: &EffectKey, person: &PersonId) -> Reached {
    (key.activation, key.step.clone(), person.clone())
}

impl LeftInPeace {
    fn did(&mut self, sounded: &Sounded) -> Result<(), String> {
        let (key, asked) = (&sounded.key, matches!(sounded.why, Why::Person(_)));
        match &sounded.deed {
            Deed::Call { person }
                if self.acknowledged.contains(&reached(key, person)) && !asked =>
            {
                Err(format!("{key} rang {person}, who had acknowledged"))
            }
            Deed::Message { person } if !asked && !self.taken.insert(reached(key, person)) => {
                Err(format!("{key} sent {person} the same text again"))
            }
            Deed::Page | Deed::Call { .. } | Deed::Message { .. } | Deed::Conference { .. } => {
                Ok(())
            }
        }
    }
}

/// Unasked, nothing follows an attempt of which nobody knows.
fn again_after_unknown(facts: &[Fact]) -> Result<(), String> {
    let (mut callees, mut unknown) = (BTreeMap::new(), BTreeSet::new());
    for fact in facts {
        match &fact.body {
            FactBody::PersonCalled { key, callee } => {
                callees.insert(key.clone(), callee.clone());
            }
            FactBody::EffectOutcome { key, result: EffectResult::Unknown { .. }, .. } => {
                unknown.extend(callees.get(key).map(|person| reached(key, person)));
            }
            // Told late, it is known after all.
            FactBody::EffectOutcome { key, .. } => {
                if let Some(person) = callees.get(key) {
                    unknown.remove(&reached(key, person));
                }
            }
            FactBody::EffectBegun { key, why: Why::Plan | Why::AfterUnknown, .. } => {
                let person = callees.get(key);
                if let Some(person) = person.filter(|who| unknown.contains(&reached(key, who))) {
                    return Err(format!("{key} tries {person} again, of whom nobody knows"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Invariant for LeftInPeace {
    fn name(&self) -> &'static str {
        "people are left in peace"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Sounds { sounded, .. } => self.did(sounded),
            Seen::Acknowledges { call: Sounded { key, deed: Deed::Call { person }, .. } } => {
                self.acknowledged.insert(reached(key, person));
                Ok(())
            }
            Seen::Nightfall(journals) => {
                journals.nodes().try_for_each(|(_, facts)| again_after_unknown(&facts))
            }
            _ => Ok(()),
        }
    }
}
