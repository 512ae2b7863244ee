//! What a journal calls done did sound: nobody rounds *unknown* up.

use std::collections::BTreeSet;

use weir_model::fact::{EffectResult, FactBody};

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct NothingClaimed;

impl Invariant for NothingClaimed {
    fn name(&self) -> &'static str {
        "what is called done was heard"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        let heard: BTreeSet<_> = journals.ledger.iter().map(|sounded| &sounded.key).collect();
        for (node, facts) in journals.nodes() {
            for fact in &facts {
                if let FactBody::EffectOutcome { key, result: EffectResult::Done, .. } = &fact.body
                    && !heard.contains(key)
                {
                    return Err(format!("{node} calls {key} done; nothing sounded"));
                }
            }
        }
        Ok(())
    }
}
