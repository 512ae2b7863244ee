//! A node comes back. The journal says what was so; the clock says how long it
//! was away; what was under way is *unknown*, whatever it was likely to be. An
//! evacuation page is then repeated once if its window is still open, and
//! nothing else is done again.

use super::clock::{Clock, Mono};
use super::judge::clip;
use super::moves::key_of;
use super::order::{Event, Output};
use super::step::{ASK_MS, StepPhase, TargetPhase};
use super::{ACTIVATIONS_MAX, ACTIVATIONS_SHOWN, Home, INTENTS_MAX, Life, Turn};
use crate::directory::{Directory, StepKind};
use crate::fact::{EffectKey, EffectResult, Fact, FactBody, Proof};
use crate::id::{IntentId, NodeId, SiteId, WallMs};

impl Home {
    /// What the machine knew when its node fell, from the node's own journal,
    /// oldest fact first. Orders nothing; [`super::Input::Recovered`] then makes
    /// it so. `epoch` must be higher than any before.
    pub fn replay<'a>(
        site: SiteId,
        node: NodeId,
        epoch: u64,
        facts: impl IntoIterator<Item = &'a Fact>,
        directory: &Directory,
    ) -> Self {
        let mut home = Self { life: Life::Replayed, ..Self::new(site, node, epoch) };
        for fact in facts.into_iter().filter(|fact| fact.id.node == node) {
            home.floor = home.floor.max(fact.at);
            home.heard_of_call(fact.at, &fact.body);
            home.fold(Clock::replayed(home.floor), directory, &fact.body);
            if home.activations.len() > ACTIVATIONS_MAX + ACTIVATIONS_SHOWN {
                home.forget_ended(home.floor);
            }
            if home.intents.len() > INTENTS_MAX {
                home.forget(home.floor);
            }
        }
        home
    }

    pub(super) fn recover(&mut self, turn: &mut Turn<'_>) {
        // Until now, times were the journal's wall-clock stamps.
        let by_ms = turn.now.mono.0.saturating_sub(Clock::replayed(turn.now.wall).mono.0);
        self.shift(by_ms);
        self.life = Life::Live;
        let fell = self.floor;
        self.ask_again(turn);
        self.orphans(turn, fell);
        let unjudged: Vec<IntentId> = self
            .intents
            .iter()
            .filter(|(_, known)| known.status.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in unjudged {
            self.judge(turn, id);
        }
    }

    pub(super) fn raise_epoch(&mut self, turn: &mut Turn<'_>, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.orphans(turn, turn.now.wall);
        }
    }

    /// Effects begun whose outcome will never be reported by who began them.
    fn orphans(&mut self, turn: &mut Turn<'_>, since: WallMs) {
        let mut orphans = Vec::new();
        for run in self.activations.values() {
            for step in &run.steps {
                for (target, one) in &step.targets {
                    let open = one.log.iter().filter(|attempt| attempt.result.is_none());
                    let keys = open.map(|attempt| key_of(run, step, target, attempt.attempt));
                    orphans.extend(keys.map(|key| (key, run.is_alive())));
                }
            }
        }
        for (key, alive) in orphans {
            if !alive {
                turn.out.push(Output::Cease { key: key.clone() });
            }
            let (result, proof) = self.orphaned();
            self.outcome(turn, key, result, proof, since);
        }
    }

    /// Nobody saw it end, so nobody says how.
    fn orphaned(&self) -> (EffectResult, Proof) {
        #[cfg(feature = "planted")]
        if self.planted.outcome_claimed {
            let grade = Some(crate::directory::Grade::Receiving);
            return (EffectResult::Done, Proof { grade, reached: 1, of: 1, siren: false });
        }
        let why = "its node stopped before the outcome".to_owned();
        (EffectResult::Unknown { why }, Proof::default())
    }

    /// Writes down how an effect ended. *Done* without anything seen is not
    /// taken at its word.
    pub(super) fn outcome(
        &mut self,
        turn: &mut Turn<'_>,
        key: EffectKey,
        result: EffectResult,
        proof: Proof,
        since: WallMs,
    ) {
        let result = match result {
            EffectResult::Done if proof.grade.is_none() => {
                EffectResult::Unknown { why: "nothing was seen of it".to_owned() }
            }
            EffectResult::Done => self.joined(&key, proof),
            EffectResult::Failed { why } => EffectResult::Failed { why: clip(&why) },
            EffectResult::Unreachable { why } => EffectResult::Unreachable { why: clip(&why) },
            EffectResult::Unknown { why } => EffectResult::Unknown { why: clip(&why) },
            result @ (EffectResult::Ceased | EffectResult::NotBegun) => result,
        };
        let epoch = self.epoch;
        let asked = key.clone();
        self.fact(turn, FactBody::EffectOutcome { key, epoch, result, proof, since });
        if let Some(until) = self.asked_until(&asked)
            && until > turn.now.mono
        {
            turn.out.push(Output::Ask { key: asked, until_mono_ms: until.ms() });
        }
    }

    fn asked_until(&self, key: &EffectKey) -> Option<Mono> {
        let run = self.activations.get(&key.activation)?;
        let step = run.steps.iter().find(|step| step.id == key.step)?;
        let target = step.targets.get(&key.target).filter(|one| one.attempts == key.attempt)?;
        match target.phase {
            TargetPhase::Asked { asked, .. } => Some(asked),
            TargetPhase::Due { .. } | TargetPhase::InFlight { .. } | TargetPhase::Over(_) => None,
        }
    }

    /// Questions that were open when the node fell: to devices and to people.
    fn ask_again(&mut self, turn: &mut Turn<'_>) {
        let asked = turn.now.mono.plus_ms(ASK_MS);
        for run in self.activations.values_mut().filter(|run| run.is_alive()) {
            let mut keys = Vec::new();
            for step in &mut run.steps {
                for (target, one) in &mut step.targets {
                    if let TargetPhase::Asked { until, .. } = one.phase {
                        one.phase = TargetPhase::Asked { until, asked };
                        keys.push((step.id.clone(), target.clone(), one.attempts));
                    }
                }
                if let (StepPhase::Waits { until }, Some(StepKind::Confirm(confirm))) =
                    (&step.phase, &step.kind)
                    && *until > turn.now.mono
                {
                    let (activation, step, confirm) = (run.id, step.id.clone(), confirm.clone());
                    let question = Event::Question { activation, step, confirm };
                    turn.out.push(Output::Event(question));
                }
            }
            for (step, target, attempt) in keys {
                let key = EffectKey { activation: run.id, step, target, attempt };
                turn.out.push(Output::Ask { key, until_mono_ms: asked.ms() });
            }
        }
    }

    fn shift(&mut self, by_ms: i64) {
        for run in self.activations.values_mut() {
            run.runnable.shift(by_ms);
            for step in &mut run.steps {
                if let StepPhase::Waits { until } = &mut step.phase {
                    until.shift(by_ms);
                }
                for target in step.targets.values_mut() {
                    target.since.shift(by_ms);
                    match &mut target.phase {
                        TargetPhase::Due { until, .. } => until.shift(by_ms),
                        TargetPhase::InFlight { until, overdue, .. } => {
                            until.shift(by_ms);
                            overdue.shift(by_ms);
                        }
                        TargetPhase::Asked { until, asked } => {
                            until.shift(by_ms);
                            asked.shift(by_ms);
                        }
                        TargetPhase::Over(_) => {}
                    }
                }
            }
        }
    }
}
