//! What the machine shows: a copy for screens and the API, which changes
//! nothing.

use serde::{Deserialize, Serialize};

use super::Home;
use super::activation::{Activation, Phase};
use super::step::{StepRun, TargetRun};
use crate::directory::Level;
use crate::fact::{EffectResult, Ending, Proof, StepState, Target, Why};
use crate::id::{ActivationId, Hash, IntentId, PersonId, PlanId, SiteId, StepId, WallMs};
use crate::intent::Mode;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    pub site: SiteId,
    pub epoch: u64,
    /// Oldest first.
    pub activations: Vec<ActivationPicture>,
}

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
    pub attempts: Vec<AttemptPicture>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPicture {
    pub attempt: u16,
    /// A repeat after *unknown* is marked by this.
    pub why: Why,
    pub epoch: u64,
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
        Picture { site: self.site.clone(), epoch: self.epoch, activations }
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
        targets: step.targets.iter().map(|(at, one)| target(at, one)).collect(),
        elsewhere: step.elsewhere.clone(),
    }
}

fn target(at: &Target, run: &TargetRun) -> TargetPicture {
    let attempts = run.log.iter().map(|one| AttemptPicture {
        attempt: one.attempt,
        why: one.why,
        epoch: one.epoch,
        result: one.result.clone(),
        proof: one.proof,
    });
    TargetPicture { target: at.clone(), state: run.state(), attempts: attempts.collect() }
}
