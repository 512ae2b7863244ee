//! The activation board: what each site runs and has run, as its facts tell.

use serde::Serialize;
use weir_model::directory::{Directory, StepKind, Word};
use weir_model::fact::{EffectKey, EffectResult, Ending, StepState, Target, Why};
use weir_model::home::{
    ActivationPicture, AttemptPicture, AwaitingPicture, PAGE_PREFIX, StepPicture, TargetPicture,
};
use weir_model::id::{PersonId, PlanId, SiteId, StepId};
use weir_model::intent::Mode;

use super::roster::{self, Roster};
use crate::web::mirrors::SiteSeen;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SiteBoard {
    pub(crate) site: String,
    /// Since anything was last heard of the site; 0 for our own. `None`: never,
    /// or there may be more than is shown.
    pub(crate) age_ms: Option<u64>,
    pub(crate) activations: Vec<Activation>,
    /// Half launches. One whose time has passed may still be among them.
    awaiting: Vec<Awaiting>,
}

/// A plan that waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Awaiting {
    intent: String,
    plan: String,
    name_zh: String,
    name_en: String,
    level: Option<&'static str>,
    mode: Mode,
    who: String,
    name: String,
    until_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Activation {
    id: String,
    plan: String,
    name_zh: String,
    name_en: String,
    level: &'static str,
    mode: Mode,
    launches: Vec<Launch>,
    started_ms: u64,
    ended: Option<Ended>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Launch {
    intent: String,
    who: String,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Ended {
    how: &'static str,
    at_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Step {
    id: String,
    /// `unknown`: the plan that ran is no longer held here in that version.
    kind: String,
    state: StepState,
    question: Option<Question>,
    /// While a delay runs or a person is asked.
    until_ms: Option<u64>,
    elsewhere: Vec<String>,
    /// Of a step that reaches people: how many it has reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    roster: Option<Roster>,
    targets: Vec<OfTarget>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Question {
    zh: String,
    en: String,
    by: &'static str,
    until_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct OfTarget {
    /// Of a person, their id: what a repeat names.
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// Who acknowledged: that person, or one who stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_name: Option<String>,
    name_zh: String,
    name_en: String,
    state: StepState,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Attempt {
    attempt: u16,
    /// Whom it called.
    #[serde(skip_serializing_if = "Option::is_none")]
    callee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callee_name: Option<String>,
    /// By the site's clock; only of people, and where the facts are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    began_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<u64>,
    why: &'static str,
    result: Option<&'static str>,
    reason: Option<String>,
    grade: Option<&'static str>,
    reached: u16,
    of: u16,
    /// The built-in siren sounded in place of the plan's own sound.
    siren: bool,
}

impl SiteBoard {
    /// The same but for how much its age is.
    pub(crate) fn essence(&self) -> Self {
        Self { age_ms: self.age_ms.map(|_| 0), ..self.clone() }
    }
}

pub(crate) fn board(
    directory: &Directory,
    (site, age_ms): (&SiteId, Option<u64>),
    seen: &SiteSeen,
) -> SiteBoard {
    let runs = seen.runs.iter().map(|run| activation(directory, run, seen));
    let waiting = seen.awaiting.values().flatten().map(|one| awaiting(directory, one));
    SiteBoard {
        site: site.to_string(),
        age_ms,
        activations: runs.collect(),
        awaiting: waiting.collect(),
    }
}

pub(super) fn person(directory: &Directory, id: &PersonId) -> String {
    directory.people.get(id).map_or_else(|| id.to_string(), |known| known.name.clone())
}

fn awaiting(directory: &Directory, one: &AwaitingPicture) -> Awaiting {
    let plan = directory.plans.get(&one.plan);
    let id = || one.plan.to_string();
    Awaiting {
        intent: one.intent.to_string(),
        plan: id(),
        name_zh: plan.map_or_else(id, |plan| plan.name_zh.clone()),
        name_en: plan.map_or_else(id, |plan| plan.name_en.clone()),
        level: plan.map(|plan| plan.level.word()),
        mode: one.mode,
        who: one.who.to_string(),
        name: person(directory, &one.who),
        until_ms: one.until.0,
    }
}

fn activation(directory: &Directory, run: &ActivationPicture, seen: &SiteSeen) -> Activation {
    let plan = directory.plans.get(&run.plan);
    // A page outside any plan has its zone's number behind a mark of its own.
    let zone = run.plan.as_str().strip_prefix(PAGE_PREFIX);
    let name = |name: Option<&String>, page: &str| match (name, zone) {
        (Some(name), _) => name.clone(),
        (None, Some(zone)) => format!("{page} {zone}"),
        (None, None) => run.plan.to_string(),
    };
    let launches = run.launches.iter().map(|(intent, who)| Launch {
        intent: intent.to_string(),
        who: who.to_string(),
        name: person(directory, who),
    });
    Activation {
        id: run.id.to_string(),
        plan: run.plan.to_string(),
        name_zh: name(plan.map(|plan| &plan.name_zh), "单独广播"),
        name_en: name(plan.map(|plan| &plan.name_en), "Page to"),
        level: run.level.word(),
        mode: run.mode,
        launches: launches.collect(),
        started_ms: run.started.0,
        ended: run.ended.as_ref().map(|(how, at)| Ended { how: ending(how), at_ms: at.0 }),
        steps: run.steps.iter().map(|one| step(directory, (run, one), seen)).collect(),
    }
}

fn step(
    directory: &Directory,
    (run, step): (&ActivationPicture, &StepPicture),
    seen: &SiteSeen,
) -> Step {
    let paged = !step.targets.is_empty() || !step.elsewhere.is_empty();
    let guessed = if paged { "pa.play" } else { "unknown" };
    let waiting = step.state == StepState::Waiting;
    let until = seen.waits.get(&(run.id, step.id.clone())).filter(|_| waiting);
    let until_ms = until.map(|until| until.0);
    Step {
        id: step.id.to_string(),
        kind: step.kind.clone().unwrap_or_else(|| guessed.to_owned()),
        state: step.state,
        question: question(directory, &run.plan, &step.id, until_ms),
        until_ms,
        elsewhere: step.elsewhere.iter().map(ToString::to_string).collect(),
        roster: roster::of(directory, &run.plan, step),
        targets: step
            .targets
            .iter()
            .map(|one| of_target(directory, (run, step, one), seen))
            .collect(),
    }
}

fn question(
    directory: &Directory,
    plan: &PlanId,
    step: &StepId,
    until_ms: Option<u64>,
) -> Option<Question> {
    let step = directory.plans.get(plan)?.steps.iter().find(|one| one.id == *step)?;
    let StepKind::Confirm(confirm) = &step.kind else { return None };
    Some(Question {
        zh: confirm.question_zh.clone(),
        en: confirm.question_en.clone(),
        by: confirm.by.word(),
        until_ms,
    })
}

fn of_target(
    directory: &Directory,
    (run, step, target): (&ActivationPicture, &StepPicture, &TargetPicture),
    seen: &SiteSeen,
) -> OfTarget {
    let id = target.target.to_string();
    let names = match &target.target {
        Target::Zone(zone) => {
            directory.zones.get(zone).map(|zone| (zone.name_zh.clone(), zone.name_en.clone()))
        }
        Target::Person(person) => {
            directory.people.get(person).map(|one| (one.name.clone(), one.name.clone()))
        }
        Target::Conference(number) => {
            Some((format!("会议 {number}"), format!("conference {number}")))
        }
    };
    let (name_zh, name_en) = names.unwrap_or_else(|| (id.clone(), id.clone()));
    let key = |one: &AttemptPicture| EffectKey {
        activation: run.id,
        step: step.id.clone(),
        target: target.target.clone(),
        attempt: one.attempt,
    };
    let attempts = target.attempts.iter().map(|one| {
        let times = seen.attempts.get(&key(one));
        Attempt {
            began_ms: times.map(|times| times.began.0),
            ended_ms: times.and_then(|times| times.ended).map(|at| at.0),
            ..attempt(directory, one)
        }
    });
    OfTarget {
        person: matches!(target.target, Target::Person(_)).then(|| id.clone()),
        zone: id,
        by: target.by.as_ref().map(ToString::to_string),
        by_name: target.by.as_ref().map(|by| person(directory, by)),
        name_zh,
        name_en,
        state: target.state,
        attempts: attempts.collect(),
    }
}

fn attempt(directory: &Directory, one: &AttemptPicture) -> Attempt {
    let (result, reason) = one.result.as_ref().map_or((None, None), |result| {
        let (word, why) = outcome(result);
        (Some(word), why.map(ToOwned::to_owned))
    });
    Attempt {
        attempt: one.attempt,
        callee: one.callee.as_ref().map(ToString::to_string),
        callee_name: one.callee.as_ref().map(|callee| person(directory, callee)),
        began_ms: None,
        ended_ms: None,
        why: match one.why {
            Why::Plan => "plan",
            Why::AfterUnknown => "after-unknown",
            Why::Person(_) => "person",
        },
        result,
        reason,
        grade: one.proof.grade.map(Word::word),
        reached: one.proof.reached,
        of: one.proof.of,
        siren: one.proof.siren,
    }
}

pub(crate) fn outcome(result: &EffectResult) -> (&'static str, Option<&str>) {
    match result {
        EffectResult::Done => ("done", None),
        EffectResult::Failed { why } => ("failed", Some(why)),
        EffectResult::Unreachable { why } => ("unreachable", Some(why)),
        EffectResult::Unknown { why } => ("unknown", Some(why)),
        EffectResult::Ceased => ("ceased", None),
        EffectResult::NotBegun => ("not-begun", None),
    }
}

pub(crate) fn ending(how: &Ending) -> &'static str {
    match how {
        Ending::Completed => "completed",
        Ending::Declined => "declined",
        Ending::Unanswered => "unanswered",
        Ending::Aborted { .. } => "aborted",
        Ending::Superseded { .. } => "superseded",
        Ending::PlanGone => "plan-gone",
    }
}
