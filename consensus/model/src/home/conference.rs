//! A step that brings people together in a conference: one effect, opened like a
//! page, over when enough have joined or when their time is. Who is rung, and how
//! often, is the edge's business; the step only counts. A conference of which
//! nobody knows how it ended is never opened again unasked: its people may be
//! talking.

use super::Home;
use super::activation::Activation;
use super::clock::{Clock, Mono};
use super::moves::{Move, key_of, pass_since};
use super::order::{EffectAction, EffectOrder};
use super::step::{StepRun, TargetRun};
use crate::directory::{ConferenceOpen, Directory, StepKind};
use crate::fact::{EffectKey, EffectResult, FactBody, Proof, StepState, Target, Why};
use crate::id::{ConferenceId, Extension};
use crate::intent::Priority;

/// How much longer than its people a conference may take to say how many came.
pub const CONFERENCE_GRACE_MS: u64 = 30_000;

/// After this long without an outcome a conference step is unknown.
pub(super) fn conference_overdue_ms(kind: Option<&StepKind>) -> u64 {
    let wait_s = match kind {
        Some(StepKind::ConferenceOpen(conference)) => conference.wait_s,
        // The plan is gone: the longest that any plan may say.
        _ => 600,
    };
    u64::from(wait_s) * 1_000 + CONFERENCE_GRACE_MS
}

impl Home {
    /// The room as a target; none when the directory knows this site no more.
    pub(super) fn room(&self, directory: &Directory, conference: &ConferenceOpen) -> Vec<Target> {
        let number = directory.room_number(&self.site, &conference.room);
        number.map(Target::Conference).into_iter().collect()
    }

    /// Opens it. With nobody who could be rung it has failed already.
    pub(super) fn confer(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
        (number, one): (&Extension, &TargetRun),
        (why, until): (Why, Mono),
    ) -> Move {
        let target = Target::Conference(number.clone());
        let Some(StepKind::ConferenceOpen(asked)) = &step.kind else {
            return pass_since(now, run, step, &target, StepState::Superseded, now.mono);
        };
        let key = key_of(run, step, &target, one.attempts.saturating_add(1));
        let (epoch, mode, ends) = (self.epoch, run.mode, now.wall_of(until));
        let begun = FactBody::EffectBegun { key: key.clone(), epoch, why, mode, until: ends };
        let members = directory.attendees(asked, &self.site);
        if members.iter().all(|one| one.numbers.is_empty()) {
            let result = EffectResult::too_few(0, asked.min_join);
            let (proof, since) = (Proof::default(), now.wall);
            let failed = FactBody::EffectOutcome { key, epoch, result, proof, since };
            return Move::Hopeless(vec![begun, failed]);
        }
        let action = EffectAction::Confer {
            conference: ConferenceId::of(&run.id, &step.id, key.attempt),
            number: number.to_string(),
            members,
            min_join: asked.min_join,
            wait_s: asked.wait_s,
            confirm: asked.confirm,
        };
        let (priority, window_ends_mono_ms) = (Priority::of(run.level), until.ms());
        let order = EffectOrder { key, epoch, mode, priority, why, action, window_ends_mono_ms };
        Move::Begin(vec![begun], Box::new(order))
    }

    /// What is said to be done though fewer joined than the plan wants has failed.
    pub(super) fn joined(&self, key: &EffectKey, proof: Proof) -> EffectResult {
        let run = self.activations.get(&key.activation);
        let step = run.and_then(|run| run.steps.iter().find(|step| step.id == key.step));
        match step.and_then(|step| step.kind.as_ref()) {
            Some(StepKind::ConferenceOpen(asked))
                if self.counts() && u32::from(proof.reached) < asked.min_join =>
            {
                EffectResult::too_few(proof.reached.into(), asked.min_join)
            }
            _ => EffectResult::Done,
        }
    }

    #[cfg_attr(not(feature = "planted"), expect(clippy::unused_self, reason = "for planted bugs"))]
    fn counts(&self) -> bool {
        #[cfg(feature = "planted")]
        if self.planted.joined_rounded_up {
            return false;
        }
        true
    }

    /// Whether a conference of which nobody knows is opened again unasked: never.
    #[cfg_attr(not(feature = "planted"), expect(clippy::unused_self, reason = "for planted bugs"))]
    pub(super) fn reopens(&self) -> bool {
        #[cfg(feature = "planted")]
        if self.planted.conference_reopened {
            return true;
        }
        false
    }
}
