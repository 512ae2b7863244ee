//! Bugs planted on purpose, for the simulation that must find them. Exists only
//! behind the feature `planted`, which no release is built with.

use super::order::{EffectAction, EffectOrder, Output};
use super::{Home, Turn};
use crate::directory::Sound;
use crate::fact::{EffectKey, Fact, FactBody, Target};
use crate::intent::Priority;

/// Each field is one mistake.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Planted {
    pub expiry_ignored: bool,
    /// The same intent is carried out again.
    pub dedupe_dropped: bool,
    pub fence_removed: bool,
    pub begun_not_journaled: bool,
    /// Every unknown page is repeated, however often.
    pub repeat_unbounded: bool,
    /// A second launch runs beside the first.
    pub join_dropped: bool,
    /// What another node began is taken as an order.
    pub merge_reexecutes: bool,
    /// Causal depth is left out of the order.
    pub wrong_fact_order: bool,
    /// A restart takes what it does not know for done.
    pub outcome_claimed: bool,
    /// A person, or a message, of whom nobody knows is tried again.
    pub unknown_retried: bool,
    /// Who acknowledged is called again.
    pub acknowledged_forgotten: bool,
    /// A conference of which nobody knows is opened again.
    pub conference_reopened: bool,
    /// Too few in a conference are taken for enough.
    pub joined_rounded_up: bool,
}

impl Home {
    pub(super) fn obey_foreign(&self, turn: &mut Turn<'_>, fact: &Fact) {
        let FactBody::EffectBegun { key, why, mode, until, .. } = &fact.body else { return };
        let EffectKey { target: Target::Zone(zone), .. } = key else { return };
        turn.out.push(Output::Effect(EffectOrder {
            key: key.clone(),
            epoch: self.epoch,
            mode: *mode,
            priority: Priority::Evacuation,
            why: *why,
            action: EffectAction::Page {
                zone: zone.clone(),
                sound: Sound::Text(String::new()),
                repeat: 1,
                evidence: None,
            },
            window_ends_mono_ms: turn.now.mono_of(*until).ms(),
        }));
    }
}
