//! No effect sounds twice: the same activation, step, target and attempt names
//! one sound, whatever fell in between.

use std::collections::BTreeSet;

use weir_model::fact::EffectKey;

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct SoundsOnce {
    sounded: BTreeSet<EffectKey>,
}

impl Invariant for SoundsOnce {
    fn name(&self) -> &'static str {
        "nothing sounds twice"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Sounds { sounded, .. } = seen else { return Ok(()) };
        match self.sounded.insert(sounded.key.clone()) {
            true => Ok(()),
            false => Err(format!("{} sounded again, by {}", sounded.key, sounded.node)),
        }
    }
}
