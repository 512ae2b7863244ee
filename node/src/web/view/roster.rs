//! Of a step that reaches people: how many it has reached, and how many it wants.

use std::collections::BTreeSet;

use serde::Serialize;
use weir_model::directory::{CallRoster, Directory, Need, StepKind};
use weir_model::fact::{StepState, Target};
use weir_model::home::{StepPicture, TargetPicture};
use weir_model::id::{PersonId, PlanId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Roster {
    /// Members who acknowledged, or for whom somebody did; of a message, whose
    /// message was accepted.
    reached: usize,
    of: usize,
    /// Different people who acknowledged: who stands in for two is one.
    people: usize,
    /// As many are wanted; `None`: every member.
    need: Option<u32>,
    /// Who is being called or written to now.
    under_way: usize,
    unknown: usize,
}

pub(super) fn of(directory: &Directory, plan: &PlanId, step: &StepPicture) -> Option<Roster> {
    let persons = || step.targets.iter().filter(|one| matches!(one.target, Target::Person(_)));
    persons().next()?;
    let people: BTreeSet<&PersonId> = persons().filter_map(|one| one.by.as_ref()).collect();
    let in_state = |state| move |one: &&TargetPicture| one.state == state;
    Some(Roster {
        reached: persons().filter(in_state(StepState::Done)).count(),
        of: persons().count(),
        people: people.len(),
        need: need(directory, plan, step),
        under_way: persons().filter(in_state(StepState::Running)).count(),
        unknown: persons().filter(in_state(StepState::Unknown)).count(),
    })
}

fn need(directory: &Directory, plan: &PlanId, step: &StepPicture) -> Option<u32> {
    let mut steps = directory.plans.get(plan)?.steps.iter();
    match &steps.find(|one| one.id == step.id)?.kind {
        StepKind::CallRoster(CallRoster { need: Need::Count(need), .. }) => Some(*need),
        _ => None,
    }
}
