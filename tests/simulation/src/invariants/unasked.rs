//! Unasked, a target hears a step once, and a second time only when the first
//! was unknown, marked as such.

use std::collections::BTreeMap;

use weir_model::fact::Why;

use super::{Invariant, Seen};
use crate::sites::relay::Deed;

#[derive(Default)]
pub(super) struct NotRepeatedUnasked;

impl Invariant for NotRepeatedUnasked {
    fn name(&self) -> &'static str {
        "unasked, at most one marked repeat"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        let mut heard: BTreeMap<_, (u32, u32)> = BTreeMap::new();
        let pages = journals.ledger.iter().filter(|one| one.deed == Deed::Page);
        for sounded in pages {
            let key = &sounded.key;
            let place = (key.activation, key.step.clone(), key.target.clone());
            let (plain, marked) = heard.entry(place).or_default();
            match sounded.why {
                Why::Plan => *plain += 1,
                Why::AfterUnknown => *marked += 1,
                Why::Person(_) => {}
            }
            if *plain > 1 || *marked > 1 {
                return Err(format!("{key}: {plain} by the plan, {marked} after unknown"));
            }
        }
        Ok(())
    }
}
