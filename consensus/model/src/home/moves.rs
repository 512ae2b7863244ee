//! What should happen next, from the state alone. State is desired state: after
//! every input, and after a restart, the machine moves until nothing is left to
//! do. Each move writes its fact first, so that a crash between two moves loses
//! none and doubles none.

use std::cmp::Reverse;

use super::activation::{Activation, Phase};
use super::clock::{Clock, Mono};
use super::order::{EffectAction, EffectOrder, Event, Output};
use super::step::{StepPhase, StepRun, TARGETS_MAX, TargetPhase, TargetRun};
use super::{Home, PAGE_PREFIX, Turn};
use crate::directory::{Directory, StepKind};
use crate::fact::{EffectKey, EffectResult, Ending, FactBody, Proof, StepState, Target, Why};
use crate::id::{ActivationId, ZoneId};
use crate::intent::{Claim, Mode, Nature, Priority, Standing, Window, outranks};

pub(super) enum Move {
    Fact(FactBody),
    /// A person is asked.
    Ask(FactBody, Event),
    Begin(Vec<FactBody>, Box<EffectOrder>),
    Pass(FactBody, Option<EffectKey>),
    /// An attempt that nobody could make: begun and failed, and nothing ordered.
    Hopeless(Vec<FactBody>),
    Stop(ActivationId, FactBody),
    Overdue(EffectKey),
}

impl Home {
    pub(super) fn reconcile(&mut self, turn: &mut Turn<'_>) {
        while let Some(next) = self.next_move(turn.now, turn.directory) {
            self.carry(turn, next);
        }
        self.forget_ended(turn.now.wall);
    }

    fn carry(&mut self, turn: &mut Turn<'_>, next: Move) {
        match next {
            Move::Fact(fact) => self.fact(turn, fact),
            Move::Ask(fact, event) => {
                self.fact(turn, fact);
                turn.out.push(Output::Event(event));
            }
            Move::Begin(facts, order) => {
                facts.into_iter().for_each(|fact| self.begin(turn, fact));
                turn.out.push(Output::Effect(*order));
            }
            Move::Hopeless(facts) => facts.into_iter().for_each(|fact| self.fact(turn, fact)),
            Move::Pass(fact, cease) => {
                self.fact(turn, fact);
                turn.out.extend(cease.map(|key| Output::Cease { key }));
            }
            Move::Stop(activation, fact) => {
                self.fact(turn, fact);
                self.cease_all(turn, activation);
            }
            Move::Overdue(key) => {
                let why = "no outcome was reported".to_owned();
                let (result, proof) = (EffectResult::Unknown { why }, Proof::default());
                self.outcome(turn, key, result, proof, turn.now.wall);
            }
        }
    }

    fn begin(&mut self, turn: &mut Turn<'_>, fact: FactBody) {
        #[cfg(feature = "planted")]
        if self.planted.begun_not_journaled {
            return self.fold(turn.now, turn.directory, &fact);
        }
        self.fact(turn, fact);
    }

    /// Tells every effect of a run that is under way to stop.
    pub(super) fn cease_all(&self, turn: &mut Turn<'_>, activation: ActivationId) {
        let Some(run) = self.activations.get(&activation) else { return };
        for step in &run.steps {
            for (target, one) in &step.targets {
                if let TargetPhase::InFlight { .. } = one.phase {
                    let key = key_of(run, step, target, one.attempts);
                    turn.out.push(Output::Cease { key });
                }
            }
        }
    }

    fn next_move(&self, now: Clock, directory: &Directory) -> Option<Move> {
        if let Some(next) = self.contradicted(now) {
            return Some(next);
        }
        let mut runs: Vec<&Activation> = self.running().collect();
        runs.sort_by_key(|run| Reverse((run.nature(), Reverse(run.id))));
        runs.into_iter().find_map(|run| self.run_move(now, directory, run))
    }

    /// What a warning outranks gives way before anything else happens.
    fn contradicted(&self, now: Clock) -> Option<Move> {
        for run in self.running().filter(|run| run.is_alive()) {
            if let Some(by) = self.ends_drill(run) {
                let (activation, how) = (run.id, Ending::Superseded { by });
                let fact = FactBody::ActivationStopped { activation, how };
                return Some(Move::Stop(activation, fact));
            }
            for step in &run.steps {
                for (target, one) in &step.targets {
                    if one.over().is_none() && self.overruled(run, target) {
                        return Some(pass(now, run, step, target, one, StepState::Superseded));
                    }
                }
            }
        }
        None
    }

    /// A real run of the same plan, or any real warning, ends a drill here.
    fn ends_drill(&self, drill: &Activation) -> Option<ActivationId> {
        if drill.mode == Mode::Real {
            return None;
        }
        let mut real = self.running().filter(|run| run.mode == Mode::Real && run.is_alive());
        real.find(|run| run.plan == drill.plan || run.nature().warns()).map(|run| run.id)
    }

    /// Whether a warning that runs in the same zone, or for the same people,
    /// stands against this.
    fn overruled(&self, run: &Activation, target: &Target) -> bool {
        if run.mode != Mode::Real || run.nature().warns() {
            return false;
        }
        let claim = |run: &Activation| (run.nature(), Standing::Other);
        self.warners(target).any(|warning| {
            let Some((ours, theirs)) = run.launches.first().zip(warning.launches.first()) else {
                return true;
            };
            let ((nature, standing), (warns, their_standing)) = (claim(run), claim(warning));
            let ours = Claim { nature, standing, who: &ours.who };
            let theirs = Claim { nature: warns, standing: their_standing, who: &theirs.who };
            outranks(&theirs, &ours)
        })
    }

    /// The warnings that bear on a target: on a zone those that page it, on a
    /// person every plan that warns at this site, because a person moves about.
    fn warners<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Activation> {
        let alive = self.running().filter(|run| run.is_alive() && run.nature().warns());
        alive.filter(move |run| match target {
            Target::Zone(zone) => run.zones.contains(zone),
            Target::Person(_) => !run.plan.as_str().starts_with(PAGE_PREFIX),
            // People who talk to each other contradict no warning.
            Target::Conference(_) => false,
        })
    }

    fn run_move(&self, now: Clock, directory: &Directory, run: &Activation) -> Option<Move> {
        let activation = run.id;
        let end = |how: Ending| {
            let since = now.wall;
            Some(Move::Fact(FactBody::ActivationEnded { activation, how, since }))
        };
        let completed = match &run.phase {
            Phase::Over { .. } => return None,
            Phase::Stopping(how) => return end(how.clone()),
            Phase::Winding(how) => how.clone(),
            Phase::Running if run.plan_held => Ending::Completed,
            Phase::Running => Ending::PlanGone,
        };
        let mut open = run.steps.iter().filter(|step| !step.is_over());
        if let Some(next) = open.clone().find_map(|step| self.step_move(now, directory, run, step))
        {
            return Some(next);
        }
        let Some(first) = open.next() else { return end(completed) };
        let same_group = |step: &&StepRun| {
            step.id == first.id || (first.group.is_some() && step.group == first.group)
        };
        let mut stage = run.steps.iter().filter(same_group);
        let due = stage.find(|step| step.phase == StepPhase::Pending)?;
        Some(self.open(now, directory, run, due))
    }

    /// A step becomes runnable. Its time counts from when it could have run, so
    /// that hours spent lying dead are hours of its window too.
    fn open(&self, now: Clock, directory: &Directory, run: &Activation, step: &StepRun) -> Move {
        let (activation, id) = (run.id, step.id.clone());
        let until = |ms: u64| now.wall_of(run.runnable.plus_ms(ms));
        let seconds = |s: u32| until(u64::from(s) * 1_000);
        match &step.kind {
            Some(StepKind::PaPlay(page)) => {
                let zones = directory.resolve(&page.zones, &self.site);
                let (mut targets, elsewhere) = self.split(directory, zones);
                targets.truncate(TARGETS_MAX);
                let until = until(Window::Page.ms());
                Move::Fact(FactBody::StepOpened { activation, step: id, targets, elsewhere, until })
            }
            Some(StepKind::Delay { s }) => {
                Move::Fact(FactBody::StepWaits { activation, step: id, until: seconds(*s) })
            }
            Some(StepKind::Confirm(confirm)) => {
                let until = seconds(confirm.timeout_s);
                let fact = FactBody::StepWaits { activation, step: id.clone(), until };
                let confirm = confirm.clone();
                Move::Ask(fact, Event::Question { activation, step: id, confirm })
            }
            Some(StepKind::CallRoster(call)) => {
                let targets = self.people(directory, &call.roster);
                let (elsewhere, until) = (Vec::new(), until(Window::Call.ms()));
                Move::Fact(FactBody::StepOpened { activation, step: id, targets, elsewhere, until })
            }
            Some(StepKind::Message(message)) => {
                let targets = self.people(directory, &message.roster);
                let (elsewhere, until) = (Vec::new(), until(Window::Message.ms()));
                Move::Fact(FactBody::StepOpened { activation, step: id, targets, elsewhere, until })
            }
            Some(StepKind::ConferenceOpen(conference)) => {
                let targets = self.room(directory, conference);
                let (elsewhere, until) = (Vec::new(), until(Window::Conference.ms()));
                Move::Fact(FactBody::StepOpened { activation, step: id, targets, elsewhere, until })
            }
            None => changed(now, run, step, StepState::Superseded, now.mono),
        }
    }

    fn step_move(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
    ) -> Option<Move> {
        match &step.phase {
            StepPhase::Pending | StepPhase::Over(_) => None,
            StepPhase::Waits { until } => match &step.kind {
                Some(StepKind::Confirm(_)) if now.mono >= *until => {
                    Some(Move::Fact(FactBody::Confirmed {
                        activation: run.id,
                        step: step.id.clone(),
                        answer: None,
                        intent: None,
                        since: now.wall_of(*until),
                    }))
                }
                Some(StepKind::Confirm(_)) => None,
                Some(
                    StepKind::Delay { .. }
                    | StepKind::PaPlay(_)
                    | StepKind::CallRoster(_)
                    | StepKind::Message(_)
                    | StepKind::ConferenceOpen(_),
                ) => (now.mono >= *until).then(|| changed(now, run, step, StepState::Done, *until)),
                None => Some(changed(now, run, step, StepState::Superseded, now.mono)),
            },
            StepPhase::Open => {
                let mut targets = step.in_order();
                let next =
                    targets.find_map(|target| self.target_move(now, directory, run, step, target));
                let next = next.or_else(|| self.people_move(now, directory, run, step));
                next.or_else(|| {
                    let (state, since) = step.result()?;
                    Some(changed(now, run, step, state, since.unwrap_or(run.runnable)))
                })
            }
        }
    }

    fn target_move(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
        (target, one): (&Target, &TargetRun),
    ) -> Option<Move> {
        let confer = |number, when| self.confer(now, directory, run, step, (number, one), when);
        match one.phase {
            TargetPhase::Over(_) => None,
            TargetPhase::InFlight { overdue, .. } => (now.mono >= overdue)
                .then(|| Move::Overdue(key_of(run, step, target, one.attempts))),
            TargetPhase::Due { until, .. } if now.mono > until => {
                let state = match target {
                    Target::Zone(_) | Target::Conference(_) => StepState::Expired,
                    Target::Person(_) => one.lapsed(step.evidence()),
                };
                Some(pass_since(now, run, step, target, state, until))
            }
            TargetPhase::Due { why, until } => match target {
                Target::Zone(zone) => self.order(now, run, step, (zone, one), why, until),
                Target::Conference(number) => Some(confer(number, (why, until))),
                // All of a step's people are weighed against each other.
                Target::Person(_) => None,
            },
            TargetPhase::Asked { until, .. } if now.mono > until => {
                Some(pass_since(now, run, step, target, StepState::Unknown, until))
            }
            TargetPhase::Asked { asked, .. } if now.mono < asked => None,
            TargetPhase::Asked { until, .. } => match target {
                Target::Zone(zone) => {
                    self.order(now, run, step, (zone, one), Why::AfterUnknown, until)
                }
                Target::Conference(number) if self.reopens() => {
                    Some(confer(number, (Why::AfterUnknown, until)))
                }
                Target::Person(_) | Target::Conference(_) => {
                    Some(pass_since(now, run, step, target, StepState::Unknown, until))
                }
            },
        }
    }

    fn order(
        &self,
        now: Clock,
        run: &Activation,
        step: &StepRun,
        (zone, one): (&ZoneId, &TargetRun),
        why: Why,
        until: Mono,
    ) -> Option<Move> {
        let target = &Target::Zone(zone.clone());
        let Some(StepKind::PaPlay(page)) = &step.kind else {
            return Some(pass_since(now, run, step, target, StepState::Superseded, now.mono));
        };
        let key = key_of(run, step, target, one.attempts.saturating_add(1));
        let (epoch, mode) = (self.epoch, run.mode);
        let begun =
            FactBody::EffectBegun { key: key.clone(), epoch, why, mode, until: now.wall_of(until) };
        let action = EffectAction::Page {
            zone: zone.clone(),
            sound: page.sound.clone(),
            repeat: page.repeat,
            evidence: page.evidence,
        };
        let priority = Priority::of(run.level);
        let window_ends_mono_ms = until.ms();
        let order = EffectOrder { key, epoch, mode, priority, why, action, window_ends_mono_ms };
        Some(Move::Begin(vec![begun], Box::new(order)))
    }

    /// When the machine must be woken even if nothing comes in.
    pub(super) fn next_deadline(&self, now: Clock) -> Option<u64> {
        let steps = self.running().flat_map(|run| &run.steps);
        let times = steps.flat_map(|step| {
            let waits = match step.phase {
                StepPhase::Waits { until } => Some(until),
                StepPhase::Pending | StepPhase::Open | StepPhase::Over(_) => None,
            };
            let targets = step.targets.values().filter_map(|target| match target.phase {
                TargetPhase::InFlight { overdue, .. } => Some(overdue),
                TargetPhase::Asked { asked, .. } => Some(asked),
                // Between two attempts, or waiting until others are through.
                TargetPhase::Due { until, .. } => {
                    let rested = step.rested(target).filter(|rested| *rested > now.mono);
                    Some(rested.map_or(until, |rested| rested.min(until)).max(now.mono).plus_ms(1))
                }
                TargetPhase::Over(_) => None,
            });
            waits.into_iter().chain(targets)
        });
        times.min().map(Mono::ms)
    }

    /// The real warning that runs here, if one does.
    pub(super) fn real_warning(&self) -> Option<ActivationId> {
        let warns = |run: &&Activation| run.is_alive() && run.nature() >= Nature::Warning;
        self.running().find(warns).map(|run| run.id)
    }
}

pub(super) fn key_of(run: &Activation, step: &StepRun, target: &Target, attempt: u16) -> EffectKey {
    EffectKey { activation: run.id, step: step.id.clone(), target: target.clone(), attempt }
}

fn changed(now: Clock, run: &Activation, step: &StepRun, state: StepState, since: Mono) -> Move {
    let (activation, step, since) = (run.id, step.id.clone(), now.wall_of(since));
    Move::Fact(FactBody::StepChanged { activation, step, state, since })
}

pub(super) fn pass(
    now: Clock,
    run: &Activation,
    step: &StepRun,
    target: &Target,
    one: &TargetRun,
    state: StepState,
) -> Move {
    let in_flight = matches!(one.phase, TargetPhase::InFlight { .. });
    let cease = in_flight.then(|| key_of(run, step, target, one.attempts));
    match pass_since(now, run, step, target, state, now.mono) {
        Move::Pass(fact, _) => Move::Pass(fact, cease),
        other => other,
    }
}

pub(super) fn pass_since(
    now: Clock,
    run: &Activation,
    step: &StepRun,
    target: &Target,
    state: StepState,
    since: Mono,
) -> Move {
    let (activation, step, target) = (run.id, step.id.clone(), target.clone());
    let since = now.wall_of(since);
    Move::Pass(FactBody::TargetPassed { activation, step, target, state, since }, None)
}
