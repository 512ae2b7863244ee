//! Late is never: no run starts after its intent's time, and no effect is let
//! go after the end of its window, each by the home site's own clock.

use std::collections::BTreeMap;

use weir_model::fact::{Fact, FactBody};

use super::{Invariant, Journals, Seen, begun};

/// Clocks here tell milliseconds; two of them may round differently.
const ROUNDING_MS: u64 = 2;

#[derive(Default)]
pub(super) struct NeverLate;

fn late_starts(facts: &[Fact]) -> Result<(), String> {
    let mut until = BTreeMap::new();
    for fact in facts {
        match &fact.body {
            FactBody::IntentReceived { signed } => {
                if let Ok(intent) = signed.open() {
                    // It is judged in the turn in which it was received.
                    until.insert(intent.id, (intent.not_after, fact.at));
                }
            }
            FactBody::ActivationStarted { intent, activation, since, .. } => {
                let Some((not_after, _)) = until.get(intent) else { continue };
                if since > not_after {
                    return Err(format!("{activation} started after its time"));
                }
            }
            FactBody::ActivationJoined { intent, activation, .. } => {
                let Some((not_after, received)) = until.get(intent) else { continue };
                if received > not_after && fact.at > *not_after {
                    return Err(format!("{activation} was joined after its time"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn late_sounds(journals: &Journals) -> Result<(), String> {
    for sounded in &journals.ledger {
        let facts = journals.facts(sounded.node);
        let Some(fact) = begun(&facts, &sounded.key) else { continue };
        let FactBody::EffectBegun { until, .. } = &fact.body else { continue };
        let late_ms = sounded.ordered.since(*until);
        if late_ms > ROUNDING_MS {
            return Err(format!("{} sounded {late_ms} ms after its window", sounded.key));
        }
    }
    Ok(())
}

impl Invariant for NeverLate {
    fn name(&self) -> &'static str {
        "late is never"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        journals.nodes().try_for_each(|(_, facts)| late_starts(&facts))?;
        late_sounds(journals)
    }
}
