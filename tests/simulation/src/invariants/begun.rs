//! Nothing sounds unrecorded: when an effect reaches a device, its node's disk
//! holds durably that it began, and still does when the night is over.

use weir_consensus::disk::Family;
use weir_model::codec;
use weir_model::fact::Fact;

use super::{Invariant, Seen, begun};

#[derive(Default)]
pub(super) struct WrittenDownFirst;

impl Invariant for WrittenDownFirst {
    fn name(&self) -> &'static str {
        "what sounds was written down before"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Sounds { sounded, durable } => {
                let newest = durable.family(Family::Journal).values().rev();
                let facts: Vec<Fact> = newest.filter_map(|b| codec::decode(b).ok()).collect();
                match begun(&facts, &sounded.key) {
                    Some(_) => Ok(()),
                    None => Err(format!("{} sounded before it was written down", sounded.key)),
                }
            }
            Seen::Nightfall(journals) => {
                journals.ledger.iter().try_for_each(|sounded| {
                    match begun(&journals.facts(sounded.node), &sounded.key) {
                        Some(_) => Ok(()),
                        None => Err(format!("{} sounded and no journal knows", sounded.key)),
                    }
                })
            }
            _ => Ok(()),
        }
    }
}
