//! People are called together once: unasked, a step opens one conference, and no two
//! attempts open the same one. What is called done had as many people in it as the
//! plan wants.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::fact::{EffectKey, EffectResult, FactBody, Target, Why};
use weir_model::id::{ActivationId, ConferenceId, StepId};

use super::{Invariant, Journals, Seen};
use crate::sites::MIN_JOIN;
use crate::sites::relay::{Deed, Sounded};

#[derive(Default)]
pub(super) struct CalledTogetherOnce {
    unasked: BTreeSet<(ActivationId, StepId)>,
    opened: BTreeSet<ConferenceId>,
    joined: BTreeMap<EffectKey, u32>,
}

impl CalledTogetherOnce {
    fn opens(&mut self, one: &Sounded) -> Result<(), String> {
        let Deed::Conference { conference, joined } = one.deed else { return Ok(()) };
        let key = &one.key;
        let asked = matches!(one.why, Why::Person(_));
        if !asked && !self.unasked.insert((key.activation, key.step.clone())) {
            return Err(format!("{key} was opened again, and nobody asked"));
        }
        if !self.opened.insert(conference) {
            return Err(format!("{key} opened {conference}, which another had opened"));
        }
        self.joined.insert(key.clone(), joined);
        Ok(())
    }

    fn counted(&self, journals: &Journals) -> Result<(), String> {
        for (node, facts) in journals.nodes() {
            for fact in &facts {
                if let FactBody::EffectOutcome { key, result: EffectResult::Done, .. } = &fact.body
                    && matches!(key.target, Target::Conference(_))
                {
                    let joined = self.joined.get(key).copied().unwrap_or(0);
                    if joined < MIN_JOIN {
                        return Err(format!("{node} calls {key} done, and {joined} joined"));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Invariant for CalledTogetherOnce {
    fn name(&self) -> &'static str {
        "people are called together once, and counted"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Sounds { sounded, .. } => self.opens(sounded),
            Seen::Nightfall(journals) => self.counted(journals),
            _ => Ok(()),
        }
    }
}
