//! How facts change what the machine knows: the same way whether they are being
//! written or read back after a restart, so that a replay cannot come out
//! otherwise than life did. Decides nothing and orders nothing.

use std::collections::BTreeSet;

use super::Home;
use super::activation::{Activation, Launch, Phase, is_ours, zones_of};
use super::clock::Clock;
use super::page;
use super::remembered::Remembered;
use super::step::{Ended, StepPhase, StepRun, TargetRun};
use crate::directory::{Directory, Level, OnTimeout, Plan, StepKind};
use crate::fact::{EffectKey, Ending, FactBody, StepState, Target, Why};
use crate::id::{ActivationId, IntentId, StepId, ZoneId};
use crate::intent::{IntentStatus, SignedIntent, Window};

impl Home {
    pub(super) fn fold(&mut self, now: Clock, directory: &Directory, fact: &FactBody) {
        match fact {
            FactBody::Began { .. }
            | FactBody::DutyNote { .. }
            | FactBody::SoundsStaged { .. }
            // Calls are no business of a plan, nor who is in a conference; see
            // `heard_of_call`.
            | FactBody::CallAnswered { .. }
            | FactBody::CallChanged { .. }
            | FactBody::CallEnded { .. }
            | FactBody::CallSeen { .. }
            | FactBody::ConferenceOpened { .. }
            | FactBody::ConferenceJoined { .. }
            | FactBody::ConferenceLeft { .. }
            | FactBody::ConferenceEnded { .. } => {}
            FactBody::IntentReceived { signed } => self.received(now, signed),
            FactBody::IntentJudged { intent, status } => self.judged(now, *intent, status),
            FactBody::ActivationStarted { .. } => self.started(now, directory, fact),
            FactBody::ActivationJoined { intent, activation, who } => {
                if let Some(run) = self.activations.get_mut(activation) {
                    run.joined(Launch { intent: *intent, who: who.clone() });
                }
                self.answered(*intent, IntentStatus::Joined { activation: *activation });
            }
            FactBody::StepOpened { activation, step, targets, elsewhere, until } => {
                self.on_step(*activation, step, |step| {
                    step.opened(targets, elsewhere, now.mono_of(*until));
                });
            }
            FactBody::StepWaits { activation, step, until } => {
                self.on_step(*activation, step, |step| {
                    step.phase = StepPhase::Waits { until: now.mono_of(*until) };
                });
            }
            FactBody::Confirmed { activation, step, answer, intent, since } => {
                self.confirmed(now.mono_of(*since), (*activation, step), *answer, *intent);
            }
            FactBody::StepChanged { activation, step, state, since } => {
                self.step_over((*activation, step), *state, now.mono_of(*since));
            }
            FactBody::EffectBegun { .. }
            | FactBody::EffectOutcome { .. }
            | FactBody::PersonCalled { .. }
            | FactBody::MemberCovered { .. }
            | FactBody::TargetPassed { .. } => self.fold_effect(now, fact),
            FactBody::ActivationStopped { activation, how } => {
                if let Some(run) = self.activations.get_mut(activation) {
                    run.stop(how.clone());
                }
            }
            FactBody::ActivationEnded { activation, how, since } => {
                if let Some(run) = self.activations.get_mut(activation) {
                    run.end(how, *since, now.mono_of(*since));
                }
            }
        }
    }

    fn fold_effect(&mut self, now: Clock, fact: &FactBody) {
        match fact {
            FactBody::EffectBegun { key, epoch, why, until, .. } => {
                self.on_step(key.activation, &key.step, |step| {
                    let until = now.mono_of(*until);
                    let overdue = now.mono.plus_ms(step.overdue_ms(&key.target));
                    if let Some(target) = step.targets.get_mut(&key.target) {
                        target.begun(key.attempt, *why, *epoch, until, overdue);
                    }
                });
            }
            FactBody::EffectOutcome { key, result, proof, since, .. } => {
                let may_repeat = self.may_repeat(key);
                self.on_target(key, |target, wanted| {
                    target.ended(&Ended {
                        attempt: key.attempt,
                        person: matches!(key.target, Target::Person(_)),
                        result,
                        proof: *proof,
                        wanted,
                        may_repeat,
                        since: now.mono_of(*since),
                        now: now.mono,
                    });
                });
                self.on_step(key.activation, &key.step, StepRun::reconsider);
            }
            FactBody::PersonCalled { key, callee } => {
                self.on_target(key, |target, _| {
                    target.called = Some((key.attempt, callee.clone()));
                });
            }
            FactBody::MemberCovered { activation, step, member, by, since } => {
                self.on_step(*activation, step, |step| {
                    let target = Target::Person(member.clone());
                    if let Some(target) = step.targets.get_mut(&target) {
                        target.covered(by.clone(), now.mono_of(*since));
                    }
                });
            }
            FactBody::TargetPassed { activation, step, target, state, since } => {
                self.on_step(*activation, step, |step| {
                    if let Some(target) = step.targets.get_mut(target) {
                        target.pass(*state, now.mono_of(*since));
                    }
                });
            }
            _ => {}
        }
    }

    fn received(&mut self, now: Clock, signed: &SignedIntent) {
        // Only what opened was written down; another version's is passed over.
        let Ok(intent) = signed.open() else { return };
        let (hash, received) = (signed.hash(), now.wall);
        let known = Remembered { intent, hash, received, status: None };
        self.intents.insert(known.intent.id, known);
    }

    fn answered(&mut self, intent: IntentId, status: IntentStatus) {
        if let Some(known) = self.intents.get_mut(&intent) {
            known.status = Some(status);
        }
    }

    fn judged(&mut self, now: Clock, intent: IntentId, status: &IntentStatus) {
        match status {
            IntentStatus::Aborted { activation } => {
                if let Some(run) = self.activations.get_mut(activation) {
                    run.stop(Ending::Aborted { intent });
                }
            }
            IntentStatus::Repeats { key } => {
                self.on_step(key.activation, &key.step, |step| {
                    let window = step.kind.as_ref().and_then(Window::of).unwrap_or(Window::Page);
                    let until = now.mono.plus_ms(window.ms());
                    step.reopened(&key.target, Why::Person(intent), until);
                });
            }
            IntentStatus::Started { .. }
            | IntentStatus::Joined { .. }
            | IntentStatus::AwaitsSecond { .. }
            | IntentStatus::Confirmed { .. }
            | IntentStatus::Outranked { .. }
            | IntentStatus::Expired { .. }
            | IntentStatus::Refused(_) => {}
        }
        self.answered(intent, status.clone());
    }

    fn started(&mut self, now: Clock, directory: &Directory, fact: &FactBody) {
        let FactBody::ActivationStarted {
            activation,
            intent,
            agreed,
            plan,
            version,
            level,
            mode,
            who,
            since,
        } = fact
        else {
            return;
        };
        let held = directory.plan_hash(plan).ok().flatten() == Some(*version);
        let held: Option<&Plan> = directory.plans.get(plan).filter(|_| held);
        let first = agreed.and_then(|first| {
            let who = self.intents.get(&first)?.intent.who.clone();
            Some(Launch { intent: first, who })
        });
        let launches = first.into_iter().chain([Launch { intent: *intent, who: who.clone() }]);
        // A page outside any plan carries its one step itself.
        let page = self.intents.get(intent).and_then(|known| page::step_of(&known.intent));
        let (zones, steps) = match (page, held) {
            (Some((zone, step)), _) => (BTreeSet::from([zone]), Some(vec![step])),
            (None, Some(plan)) => (
                zones_of(plan, &self.site, directory),
                Some(plan.steps.iter().map(StepRun::of).collect()),
            ),
            (None, None) => (BTreeSet::new(), None),
        };
        let run = Activation {
            id: *activation,
            plan: plan.clone(),
            version: *version,
            level: *level,
            mode: *mode,
            launches: launches.collect(),
            started: *since,
            zones,
            plan_held: steps.is_some(),
            steps: steps.unwrap_or_default(),
            runnable: now.mono_of(*since),
            phase: Phase::Running,
        };
        self.activations.insert(*activation, run);
        for intent in agreed.iter().chain([intent]) {
            self.answered(*intent, IntentStatus::Started { activation: *activation });
        }
    }

    fn confirmed(
        &mut self,
        since: super::clock::Mono,
        (activation, step): (ActivationId, &StepId),
        answer: Option<bool>,
        intent: Option<IntentId>,
    ) {
        let state = if answer.is_some() { StepState::Done } else { StepState::Expired };
        self.step_over((activation, step), state, since);
        if let (Some(intent), Some(yes)) = (intent, answer) {
            let status = IntentStatus::Confirmed { activation, step: step.clone(), yes };
            self.answered(intent, status);
        }
        let Some(run) = self.activations.get_mut(&activation) else { return };
        let stops_unanswered = run.steps.iter().find(|one| one.id == *step).is_some_and(|one| {
            matches!(&one.kind, Some(StepKind::Confirm(asked))
                if asked.on_timeout == OnTimeout::Abort)
        });
        match answer {
            Some(false) => run.wind_down(Ending::Declined),
            None if stops_unanswered => run.wind_down(Ending::Unanswered),
            Some(true) | None => {}
        }
    }

    fn step_over(
        &mut self,
        (activation, step): (ActivationId, &StepId),
        state: StepState,
        since: super::clock::Mono,
    ) {
        self.on_step(activation, step, |step| step.phase = StepPhase::Over(state));
        if let Some(run) = self.activations.get_mut(&activation) {
            run.runnable = run.runnable.max(since);
        }
    }

    fn on_step(&mut self, activation: ActivationId, id: &StepId, act: impl FnOnce(&mut StepRun)) {
        let Some(run) = self.activations.get_mut(&activation) else { return };
        if !run.plan_held && run.steps.iter().all(|step| step.id != *id) {
            run.steps.push(StepRun::unheld(id.clone()));
        }
        if let Some(step) = run.steps.iter_mut().find(|step| step.id == *id) {
            act(step);
        }
    }

    fn on_target(
        &mut self,
        key: &EffectKey,
        act: impl FnOnce(&mut TargetRun, Option<crate::directory::Evidence>),
    ) {
        self.on_step(key.activation, &key.step, |step| {
            let wanted = step.evidence();
            if let Some(target) = step.targets.get_mut(&key.target) {
                act(target, wanted);
            }
        });
    }

    /// An evacuation page of unknown outcome is repeated once: twice heard is
    /// better than not at all. A message of unknown fate is asked about by its key,
    /// and sent again only if it surely never came. Nothing else is repeated unasked,
    /// least of all a conference: its people may be talking.
    fn may_repeat(&self, key: &EffectKey) -> bool {
        let Some(run) = self.activations.get(&key.activation) else { return false };
        let step = run.steps.iter().find(|step| step.id == key.step);
        let Some(step) = step else { return false };
        let Some(target) = step.targets.get(&key.target) else { return false };
        #[cfg(feature = "planted")]
        if self.planted.repeat_unbounded {
            return target.attempts < super::ATTEMPTS_MAX;
        }
        if let Some(StepKind::Message(_)) = step.kind {
            return run.is_alive() && self.minds_unknown();
        }
        if let Some(StepKind::ConferenceOpen(_)) = step.kind {
            return run.is_alive() && self.reopens();
        }
        let page = matches!(step.kind, Some(StepKind::PaPlay(_)));
        let evacuation = page && run.level == Level::Red && run.is_alive();
        evacuation && !target.repeated && target.attempts < super::ATTEMPTS_MAX
    }

    /// Splits zones into those that this site drives and the rest.
    pub(super) fn split(
        &self,
        directory: &Directory,
        zones: Vec<ZoneId>,
    ) -> (Vec<Target>, Vec<Target>) {
        let (ours, others): (Vec<_>, Vec<_>) =
            zones.into_iter().partition(|zone| is_ours(directory, &self.site, zone));
        let targets = |zones: Vec<ZoneId>| zones.into_iter().map(Target::Zone).collect();
        (targets(ours), targets(others))
    }
}
