//! What the machine shows: a copy for screens and the API, which changes
//! nothing.

use serde::{Deserialize, Serialize};

use super::Home;
use super::activation::{Activation, Phase};
use super::calls::CallsPicture;
use super::conferences::ConferencesPicture;
use super::step::{StepRun, TargetRun};
use crate::directory::{Evidence, Level};
use crate::fact::{EffectResult, Ending, Proof, StepState, Target, Why};
use crate::id::{ActivationId, Hash, IntentId, PersonId, PlanId, SiteId, StepId, WallMs};
use crate::intent::{IntentBody, IntentStatus, Mode};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    pub site: SiteId,
    pub epoch: u64,
    /// Oldest first.
    pub activations: Vec<ActivationPicture>,
    /// Launches that wait for a second person, the newest of them, by when they
    /// lapse. Those whose time has passed are still among them.
    #[serde(default)]
    pub awaiting: Vec<AwaitingPicture>,
    #[serde(default)]
    pub calls: CallsPicture,
    #[serde(default)]
    pub conferences: ConferencesPicture,
}

/// Half a launch: a plan that needs two people, and one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingPicture {
    pub intent: IntentId,
    pub plan: PlanId,
    pub mode: Mode,
    pub who: PersonId,
    pub until: WallMs,
}

/// Most half launches shown.
const AWAITING_SHOWN: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationPicture {
    pub id: ActivationId,
    pub plan: PlanId,
    pub version: Hash,
    pub level: Level,
    pub mode: Mode,
    /// Every launch that is part of it, the first one first.
    pub launches: Vec<(IntentId, PersonId)>,
    pub started: WallMs,
    pub steps: Vec<StepPicture>,
    /// `None` while it runs.
    pub ended: Option<(Ending, WallMs)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPicture {
    pub id: StepId,
    /// As in plans, such as `pa.play`; `None` when the plan is gone.
    pub kind: Option<String>,
    pub state: StepState,
    pub targets: Vec<TargetPicture>,
    /// Zones that the plan names but another site drives.
    pub elsewhere: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPicture {
    pub target: Target,
    pub state: StepState,
    /// Who acknowledged: the person themselves, or who stood in.
    #[serde(default)]
    pub by: Option<PersonId>,
    pub attempts: Vec<AttemptPicture>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPicture {
    pub attempt: u16,
    /// A repeat after *unknown* is marked by this.
    pub why: Why,
    pub epoch: u64,
    /// Whom it called, if it called a person.
    #[serde(default)]
    pub callee: Option<PersonId>,
    /// `None` while it is under way.
    pub result: Option<EffectResult>,
    pub proof: Proof,
}

impl Home {
    /// In which mode a run was launched.
    pub fn mode_of(&self, activation: &ActivationId) -> Option<Mode> {
        self.activations.get(activation).map(|run| run.mode)
    }

    pub fn picture(&self) -> Picture {
        let mut activations: Vec<_> = self.activations.values().map(activation).collect();
        activations.sort_by_key(|run| (run.started, run.id));
        Picture {
            site: self.site.clone(),
            epoch: self.epoch,
            activations,
            awaiting: self.awaiting(),
            calls: self.calls.picture(),
            conferences: self.conferences.picture(),
        }
    }

    fn awaiting(&self) -> Vec<AwaitingPicture> {
        let waiting = self.intents.values().filter_map(|known| {
            let Some(IntentStatus::AwaitsSecond { until }) = known.status else { return None };
            let IntentBody::Launch { plan, .. } = &known.intent.body else { return None };
            let (plan, who) = (plan.clone(), known.intent.who.clone());
            let (intent, mode) = (known.intent.id, known.intent.mode);
            Some(AwaitingPicture { intent, plan, mode, who, until })
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|one| (one.until, one.intent));
        waiting.split_off(waiting.len().saturating_sub(AWAITING_SHOWN))
    }
}

fn activation(run: &Activation) -> ActivationPicture {
    let ended = match &run.phase {
        Phase::Over { how, at } => Some((how.clone(), *at)),
        Phase::Running | Phase::Winding(_) | Phase::Stopping(_) => None,
    };
    let launches = run.launches.iter().map(|launch| (launch.intent, launch.who.clone()));
    ActivationPicture {
        id: run.id,
        plan: run.plan.clone(),
        version: run.version,
        level: run.level,
        mode: run.mode,
        launches: launches.collect(),
        started: run.started,
        steps: run.steps.iter().map(step).collect(),
        ended,
    }
}

fn step(step: &StepRun) -> StepPicture {
    StepPicture {
        id: step.id.clone(),
        kind: step.kind.as_ref().map(|kind| kind.word().to_owned()),
        state: step.state(),
        targets: step.in_order().map(|(at, one)| target(at, one, step.evidence())).collect(),
        elsewhere: step.elsewhere.clone(),
    }
}

fn target(at: &Target, run: &TargetRun, wanted: Option<Evidence>) -> TargetPicture {
    let attempts = run.log.iter().map(|one| AttemptPicture {
        attempt: one.attempt,
        why: one.why,
        epoch: one.epoch,
        callee: one.callee.clone(),
        result: one.result.clone(),
        proof: one.proof,
    });
    TargetPicture {
        target: at.clone(),
        state: run.state(),
        by: run.acknowledged_by(wanted).cloned(),
        attempts: attempts.collect(),
    }
}
