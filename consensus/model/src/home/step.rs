//! One step of a run, and each target of it, as states that facts move on.
//! What was seen decides: an outcome without proof is *unknown*, and a proof
//! below what the plan asks for is a failure, never rounded up.

use std::collections::BTreeMap;
use std::mem;

use super::clock::Mono;
use super::conference::conference_overdue_ms;
use crate::directory::{Evidence, Grade, Step, StepKind};
use crate::fact::{EffectResult, Proof, StepState, Target, Why};
use crate::id::{PersonId, StepGroup, StepId};

/// Most attempts at one target of one step, people's included.
pub const ATTEMPTS_MAX: u16 = 16;
/// Most targets of one step.
pub const TARGETS_MAX: usize = 128;
/// How long a device may take to say whether an effect took place.
pub const ASK_MS: u64 = 2_000;
/// An effect without an outcome for this long is unknown: longer than the
/// longest page, twenty times a minute of speech.
pub const OVERDUE_MS: u64 = 30 * 60_000;
/// The same for a call to a person, which rings two minutes at most and plays a
/// minute of speech, and for a message.
pub const PERSON_OVERDUE_MS: u64 = 10 * 60_000;
/// Most attempts at one message, people's included: those that a window of half
/// an hour holds, and a few that somebody asks for.
pub const MESSAGE_ATTEMPTS_MAX: u16 = 48;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepPhase {
    Pending,
    Waits {
        until: Mono,
    },
    /// Its targets tell the rest.
    Open,
    Over(StepState),
}

#[derive(Debug, Clone)]
pub(super) struct StepRun {
    pub(super) id: StepId,
    /// `None`: the plan that ran is no longer held in that version.
    pub(super) kind: Option<StepKind>,
    pub(super) group: Option<StepGroup>,
    pub(super) phase: StepPhase,
    pub(super) targets: BTreeMap<Target, TargetRun>,
    /// In the order in which the fact named them: that of a roster.
    pub(super) order: Vec<Target>,
    /// Named by the plan, but driven by another site.
    pub(super) elsewhere: Vec<Target>,
}

impl StepRun {
    pub(super) fn of(step: &Step) -> Self {
        Self {
            kind: Some(step.kind.clone()),
            group: step.group.clone(),
            ..Self::unheld(step.id.clone())
        }
    }

    pub(super) fn unheld(id: StepId) -> Self {
        Self {
            id,
            kind: None,
            group: None,
            phase: StepPhase::Pending,
            targets: BTreeMap::new(),
            order: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, StepPhase::Over(_))
    }

    pub(super) fn state(&self) -> StepState {
        match self.phase {
            StepPhase::Pending => StepState::Pending,
            StepPhase::Waits { .. } => StepState::Waiting,
            StepPhase::Open => StepState::Running,
            StepPhase::Over(state) => state,
        }
    }

    pub(super) fn evidence(&self) -> Option<Evidence> {
        match &self.kind {
            Some(StepKind::PaPlay(page)) => page.evidence,
            // A telephone that was answered has told nobody anything yet.
            Some(StepKind::CallRoster(_)) => Some(Evidence { grade: Grade::Heard, within_s: 0 }),
            // How many joined is counted before it is written down.
            Some(
                StepKind::Delay { .. }
                | StepKind::Confirm(_)
                | StepKind::Message(_)
                | StepKind::ConferenceOpen(_),
            )
            | None => None,
        }
    }

    /// After how long without an outcome an effect is unknown.
    pub(super) fn overdue_ms(&self, target: &Target) -> u64 {
        match target {
            Target::Zone(_) => OVERDUE_MS,
            Target::Person(_) => PERSON_OVERDUE_MS,
            Target::Conference(_) => conference_overdue_ms(self.kind.as_ref()),
        }
    }

    pub(super) fn attempts_max(&self) -> u16 {
        match &self.kind {
            Some(StepKind::Message(_)) => MESSAGE_ATTEMPTS_MAX,
            Some(
                StepKind::PaPlay(_)
                | StepKind::Delay { .. }
                | StepKind::Confirm(_)
                | StepKind::CallRoster(_)
                | StepKind::ConferenceOpen(_),
            )
            | None => ATTEMPTS_MAX,
        }
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = (&Target, &TargetRun)> {
        self.order.iter().filter_map(|target| Some((target, self.targets.get(target)?)))
    }

    pub(super) fn opened(&mut self, targets: &[Target], elsewhere: &[Target], until: Mono) {
        let due = |target: &Target| (target.clone(), TargetRun::due(until));
        self.targets = targets.iter().take(TARGETS_MAX).map(due).collect();
        self.order = Vec::with_capacity(self.targets.len());
        for target in targets.iter().take(TARGETS_MAX) {
            if !self.order.contains(target) {
                self.order.push(target.clone());
            }
        }
        self.elsewhere = elsewhere.to_vec();
        self.phase = StepPhase::Open;
    }

    /// A person wants one more attempt at one target.
    pub(super) fn reopened(&mut self, target: &Target, why: Why, until: Mono) {
        if let Some(run) = self.targets.get_mut(target) {
            run.phase = TargetPhase::Due { why, until };
            self.phase = StepPhase::Open;
        }
    }

    /// Every target is over: how the step is over, and since when.
    pub(super) fn result(&self) -> Option<(StepState, Option<Mono>)> {
        let states: Option<Vec<StepState>> =
            self.targets.values().map(|target| target.over()).collect();
        let elsewhere = self.elsewhere.iter().map(|_| StepState::Unreachable);
        // The worst comes first, for the person who reads one word.
        let worst = states?.into_iter().chain(elsewhere).min_by_key(|state| match state {
            StepState::Failed => 0,
            StepState::Unknown => 1,
            StepState::Unreachable => 2,
            StepState::Expired => 3,
            StepState::Superseded => 4,
            StepState::Vetoed => 5,
            StepState::Skipped => 6,
            StepState::Pending | StepState::Waiting | StepState::Running | StepState::Done => 7,
        });
        // Not every site has every zone: a step without any is skipped.
        let since = self.targets.values().map(|target| target.since).max();
        let state = match self.needed() {
            Some(true) => StepState::Done,
            // Who was left out, or acknowledged for two, does not make up the
            // number.
            Some(false) => {
                worst.filter(|worst| *worst < StepState::Done).unwrap_or(StepState::Failed)
            }
            // Nobody on a list is somebody not told.
            None if self.is_for_people() => worst.unwrap_or(StepState::Failed),
            None => worst.unwrap_or(StepState::Skipped),
        };
        Some((state, since))
    }

    fn is_for_people(&self) -> bool {
        matches!(
            self.kind,
            Some(StepKind::CallRoster(_) | StepKind::Message(_) | StepKind::ConferenceOpen(_))
        )
    }

    /// Late evidence may settle what stood as unknown.
    pub(super) fn reconsider(&mut self) {
        if self.phase == StepPhase::Over(StepState::Unknown)
            && let Some((state, _)) = self.result()
        {
            self.phase = StepPhase::Over(state);
        }
    }

    pub(super) fn skip_if_pending(&mut self) {
        if self.phase == StepPhase::Pending {
            self.phase = StepPhase::Over(StepState::Skipped);
        }
    }

    /// The run ended; what was not over is over now.
    pub(super) fn close(&mut self, left: StepState, now: Mono) {
        for target in self.targets.values_mut() {
            target.pass(left, now);
        }
        if !self.is_over() {
            self.phase = StepPhase::Over(left);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetPhase {
    Due {
        why: Why,
        until: Mono,
    },
    InFlight {
        epoch: u64,
        until: Mono,
        overdue: Mono,
    },
    /// Unknown. The device is asked; when it cannot say, the page is repeated
    /// if that is still within `until`.
    Asked {
        until: Mono,
        asked: Mono,
    },
    Over(StepState),
}

#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) attempt: u16,
    pub(super) why: Why,
    pub(super) epoch: u64,
    /// Whom it called; `None` for anything but a person.
    pub(super) callee: Option<PersonId>,
    pub(super) result: Option<EffectResult>,
    pub(super) proof: Proof,
}

#[derive(Debug, Clone)]
pub(super) struct TargetRun {
    /// The number of the newest; 0 before the first.
    pub(super) attempts: u16,
    /// Whether the one repeat after *unknown* has been made.
    pub(super) repeated: bool,
    pub(super) log: Vec<Attempt>,
    /// Whom the next attempt calls, by its number.
    pub(super) called: Option<(u16, PersonId)>,
    /// Who acknowledged elsewhere in this step and stands in here.
    pub(super) stands_in: Option<PersonId>,
    pub(super) phase: TargetPhase,
    /// When it last came to an end.
    pub(super) since: Mono,
}

/// An outcome, as facts tell it.
pub(super) struct Ended<'a> {
    pub(super) attempt: u16,
    pub(super) person: bool,
    pub(super) result: &'a EffectResult,
    pub(super) proof: Proof,
    pub(super) wanted: Option<Evidence>,
    pub(super) may_repeat: bool,
    pub(super) since: Mono,
    pub(super) now: Mono,
}

impl TargetRun {
    fn due(until: Mono) -> Self {
        Self {
            attempts: 0,
            repeated: false,
            log: Vec::new(),
            called: None,
            stands_in: None,
            phase: TargetPhase::Due { why: Why::Plan, until },
            since: Mono(i64::MIN),
        }
    }

    pub(super) fn over(&self) -> Option<StepState> {
        match self.phase {
            TargetPhase::Over(state) => Some(state),
            TargetPhase::Due { .. } | TargetPhase::InFlight { .. } | TargetPhase::Asked { .. } => {
                None
            }
        }
    }

    pub(super) fn state(&self) -> StepState {
        match self.phase {
            // Tried before, and to be tried again.
            TargetPhase::Due { .. } if !self.log.is_empty() => StepState::Waiting,
            TargetPhase::Due { .. } => StepState::Pending,
            TargetPhase::InFlight { .. } => StepState::Running,
            TargetPhase::Asked { .. } => StepState::Unknown,
            TargetPhase::Over(state) => state,
        }
    }

    pub(super) fn begun(&mut self, attempt: u16, why: Why, epoch: u64, until: Mono, overdue: Mono) {
        self.attempts = self.attempts.max(attempt);
        self.repeated |= why == Why::AfterUnknown;
        let called = self.called.take().filter(|(of, _)| *of == attempt);
        if self.log.len() < usize::from(MESSAGE_ATTEMPTS_MAX) {
            let (proof, callee) = (Proof::default(), called.map(|(_, callee)| callee));
            self.log.push(Attempt { attempt, why, epoch, callee, result: None, proof });
        }
        self.phase = TargetPhase::InFlight { epoch, until, overdue };
    }

    pub(super) fn ended(&mut self, ended: &Ended<'_>) {
        if let Some(one) = self.log.iter_mut().find(|one| one.attempt == ended.attempt) {
            one.result = Some(ended.result.clone());
            one.proof = ended.proof;
        }
        if ended.person {
            return self.person_ended(ended);
        }
        if ended.attempt != self.attempts {
            return;
        }
        let state = weigh(ended.result, ended.proof, ended.wanted);
        let phase = mem::replace(&mut self.phase, TargetPhase::Over(state));
        self.phase = match (phase, state) {
            (TargetPhase::InFlight { until, .. }, StepState::Unknown) if ended.may_repeat => {
                TargetPhase::Asked { until, asked: ended.now.plus_ms(ASK_MS) }
            }
            // The device cannot say either, or was never reached by the order:
            // no reason to wait any longer.
            (TargetPhase::Asked { until, .. }, StepState::Unknown | StepState::Expired) => {
                TargetPhase::Asked { until, asked: ended.now }
            }
            (TargetPhase::InFlight { .. } | TargetPhase::Asked { .. }, state) => {
                self.since = ended.since;
                TargetPhase::Over(state)
            }
            (TargetPhase::Over(StepState::Unknown), state) => TargetPhase::Over(state),
            // Superseded or vetoed: how the effect ended changes nothing.
            (TargetPhase::Over(before), _) => TargetPhase::Over(before),
            // A person asked for another attempt before this outcome came.
            (due @ TargetPhase::Due { .. }, _) => due,
        };
    }

    /// The target is over without a further attempt.
    pub(super) fn pass(&mut self, state: StepState, since: Mono) {
        if self.over().is_none() {
            self.phase = TargetPhase::Over(state);
            self.since = since;
        }
    }
}

/// What an outcome is worth.
pub(super) fn weigh(result: &EffectResult, proof: Proof, wanted: Option<Evidence>) -> StepState {
    match (result, proof.grade) {
        (EffectResult::Done, None) => StepState::Unknown,
        (EffectResult::Done, Some(grade)) => match wanted {
            Some(wanted) if grade < wanted.grade || proof.reached < proof.of => StepState::Failed,
            Some(_) | None if proof.reached == 0 => StepState::Failed,
            Some(_) | None => StepState::Done,
        },
        (EffectResult::Failed { .. }, _) => StepState::Failed,
        (EffectResult::Unreachable { .. }, _) => StepState::Unreachable,
        (EffectResult::Unknown { .. }, _) => StepState::Unknown,
        (EffectResult::Ceased, _) => StepState::Vetoed,
        (EffectResult::NotBegun, _) => StepState::Expired,
    }
}
