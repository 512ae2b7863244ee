//! Another site's runs, as its own facts tell them: the same fold that the home
//! site's machine uses, without the machine. A mirror orders nothing, answers
//! nothing and knows no time but the stamps of the facts; what a broken or
//! hostile journal could make endless is cut at the limits that hold at home.

use std::collections::BTreeMap;

use super::clock::Clock;
use super::picture::Picture;
use super::step::MESSAGE_ATTEMPTS_MAX;
use super::{ACTIVATIONS_MAX, ACTIVATIONS_SHOWN, Home, INTENTS_MAX};
use crate::directory::Directory;
use crate::fact::{Fact, FactBody, FactId, Target};
use crate::id::{ActivationId, NodeId, SiteId, StepId, WallMs};

/// Most steps of a run whose plan is not held here.
const STEPS_MAX: usize = crate::directory::limits::STEPS_PER_PLAN_MAX;

/// What one node of another site has done, as far as its journal came here.
#[derive(Debug, Clone)]
pub struct Mirror {
    home: Home,
    last: Option<FactId>,
    /// Until when a delay runs or a person is asked, by the site's own clock.
    waits: BTreeMap<(ActivationId, StepId), WallMs>,
    /// When the newest attempt at a target began.
    began: BTreeMap<(ActivationId, Target), WallMs>,
}

impl Mirror {
    pub fn new(site: SiteId, node: NodeId) -> Self {
        Self {
            home: Home::new(site, node, 0),
            last: None,
            waits: BTreeMap::new(),
            began: BTreeMap::new(),
        }
    }

    /// The newest fact taken in.
    pub fn last(&self) -> Option<FactId> {
        self.last
    }

    /// Takes in the journal's next fact, and returns whether it was one: facts
    /// come in the order of their journal, once each. Gaps are not noticed: a
    /// long journal may be read from its middle.
    pub fn fold(&mut self, fact: &Fact, directory: &Directory) -> bool {
        let place = |id: FactId| (id.incarnation, id.seq);
        let new = self.last.is_none_or(|last| place(last) < place(fact.id));
        if fact.id.node != self.home.node || !new {
            return false;
        }
        self.last = Some(fact.id);
        self.home.heard_of_call(fact.at, &fact.body);
        if self.is_endless(&fact.body) {
            return true;
        }
        self.home.floor = self.home.floor.max(fact.at);
        self.home.fold(Clock::replayed(self.home.floor), directory, &fact.body);
        self.note_times(fact);
        self.bound();
        true
    }

    pub fn picture(&self) -> Picture {
        self.home.picture()
    }

    pub fn waits_until(&self, run: ActivationId, step: &StepId) -> Option<WallMs> {
        self.waits.get(&(run, step.clone())).copied()
    }

    pub fn began(&self, run: ActivationId, target: &Target) -> Option<WallMs> {
        self.began.get(&(run, target.clone())).copied()
    }

    /// Whether a run was taken in before its plan had arrived here, so that the
    /// journal read anew would tell more.
    pub fn would_tell_more(&self, directory: &Directory) -> bool {
        self.home.activations.values().filter(|run| !run.plan_held).any(|run| {
            let held = directory.plan_hash(&run.plan).ok().flatten();
            held == Some(run.version)
        })
    }

    /// What no home site would have written.
    fn is_endless(&self, fact: &FactBody) -> bool {
        let run = |id: &ActivationId| self.home.activations.get(id);
        let crowded = |id: &ActivationId, step: &StepId| {
            run(id).is_some_and(|run| {
                run.steps.len() >= STEPS_MAX && run.steps.iter().all(|one| one.id != *step)
            })
        };
        match fact {
            FactBody::EffectBegun { key, .. } | FactBody::PersonCalled { key, .. } => {
                key.attempt > MESSAGE_ATTEMPTS_MAX || crowded(&key.activation, &key.step)
            }
            FactBody::EffectOutcome { key, .. } => crowded(&key.activation, &key.step),
            FactBody::StepOpened { activation, step, .. }
            | FactBody::StepWaits { activation, step, .. }
            | FactBody::Confirmed { activation, step, .. }
            | FactBody::StepChanged { activation, step, .. }
            | FactBody::MemberCovered { activation, step, .. }
            | FactBody::TargetPassed { activation, step, .. } => crowded(activation, step),
            FactBody::Began { .. }
            | FactBody::IntentReceived { .. }
            | FactBody::IntentJudged { .. }
            | FactBody::ActivationStarted { .. }
            | FactBody::ActivationJoined { .. }
            | FactBody::ActivationStopped { .. }
            | FactBody::ActivationEnded { .. }
            | FactBody::SoundsStaged { .. }
            | FactBody::DutyNote { .. }
            | FactBody::CallAnswered { .. }
            | FactBody::CallChanged { .. }
            | FactBody::CallEnded { .. }
            | FactBody::CallSeen { .. }
            | FactBody::ConferenceOpened { .. }
            | FactBody::ConferenceJoined { .. }
            | FactBody::ConferenceLeft { .. }
            | FactBody::ConferenceEnded { .. } => false,
        }
    }

    fn note_times(&mut self, fact: &Fact) {
        match &fact.body {
            FactBody::StepWaits { activation, step, until }
                if self.home.activations.contains_key(activation) =>
            {
                self.waits.insert((*activation, step.clone()), *until);
            }
            FactBody::EffectBegun { key, .. }
                if self.home.activations.contains_key(&key.activation) =>
            {
                self.began.insert((key.activation, key.target.clone()), fact.at);
            }
            _ => {}
        }
    }

    fn bound(&mut self) {
        let home = &mut self.home;
        let runs = home.activations.len();
        if runs > ACTIVATIONS_MAX + ACTIVATIONS_SHOWN {
            home.forget_ended(home.floor);
            if home.activations.len() > ACTIVATIONS_MAX + ACTIVATIONS_SHOWN {
                let oldest = home.activations.values().min_by_key(|run| (run.started, run.id));
                if let Some(id) = oldest.map(|run| run.id) {
                    home.activations.remove(&id);
                }
            }
        }
        if home.intents.len() > INTENTS_MAX {
            home.forget(home.floor);
            if home.intents.len() > INTENTS_MAX {
                let oldest = home.intents.iter().min_by_key(|(id, known)| (known.received, **id));
                if let Some(id) = oldest.map(|(id, _)| *id) {
                    home.intents.remove(&id);
                }
            }
        }
        if home.activations.len() < runs {
            let known = &home.activations;
            self.waits.retain(|(run, _), _| known.contains_key(run));
            self.began.retain(|(run, _), _| known.contains_key(run));
        }
    }
}
