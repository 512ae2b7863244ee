//! People at the other end of a step: who is called next, who stands in, when a
//! message is tried again. A person of whom nobody knows whether they were
//! reached is never tried again unasked; one who acknowledged is left in peace.
//! Everything is decided from what was written down, so that a restart in the
//! middle of a roster goes on where it stood.

use super::activation::Activation;
use super::clock::{Clock, Mono};
use super::moves::{Move, key_of, pass, pass_since};
use super::order::{EffectAction, EffectOrder, Output};
use super::step::{
    ASK_MS, Attempt, Ended, StepPhase, StepRun, TARGETS_MAX, TargetPhase, TargetRun, weigh,
};
use super::{Home, Turn};
use crate::directory::{
    CALLS_PER_MEMBER_MAX, CallMode, CallRoster, Directory, Evidence, Message, Need, Person,
    RosterName, StepKind, is_trackable,
};
use crate::fact::{EffectKey, EffectResult, FactBody, Proof, StepState, Target, Why};
use crate::id::PersonId;
use crate::intent::Priority;

/// Most calls, or messages, of one step that are under way at once.
pub const IN_FLIGHT_MAX: usize = 32;
/// How long a person is left alone before the same one is called again: a line
/// that was busy a moment ago is busy still.
pub const CALL_AGAIN_MS: u64 = 5_000;
/// Why an attempt at somebody without a number failed.
pub const NO_NUMBER: &str = "no_number";
/// Attempts by the plan at one message; the rest is for people who ask.
const MESSAGES_BY_PLAN_MAX: usize = 40;

/// How long a message that could not be handed over rests: 2 s, 4 s, and so on
/// up to a minute, by how often it was tried.
pub fn message_pause_ms(tried: u32) -> u64 {
    1_000 * 2_u64.saturating_pow(tried.clamp(1, 6)).min(60)
}

/// Who a member's next call goes to.
enum Next {
    Call(PersonId),
    /// Somebody on the member's list has acknowledged this step.
    Covered(PersonId),
    Wait,
    Nobody,
}

/// A member whose turn may have come.
#[derive(Clone, Copy)]
struct Due<'a> {
    target: &'a Target,
    member: &'a PersonId,
    one: &'a TargetRun,
    why: Why,
    until: Mono,
}

impl Attempt {
    fn state(&self, wanted: Option<Evidence>) -> Option<StepState> {
        Some(weigh(self.result.as_ref()?, self.proof, wanted))
    }

    fn has_no_number(&self) -> bool {
        matches!(&self.result, Some(EffectResult::Failed { why }) if why == NO_NUMBER)
    }
}

impl TargetRun {
    /// What all attempts at a person come to: one acknowledgement is enough, and
    /// one attempt of which nobody knows leaves the whole unknown.
    fn verdict(&self, wanted: Option<Evidence>) -> StepState {
        let states: Vec<StepState> = self.log.iter().filter_map(|one| one.state(wanted)).collect();
        match states.last() {
            _ if states.contains(&StepState::Done) => StepState::Done,
            _ if states.contains(&StepState::Unknown) => StepState::Unknown,
            Some(last) => *last,
            None => StepState::Expired,
        }
    }

    /// As [`TargetRun::verdict`], when the window has passed: what was never
    /// taken by anybody came too late.
    pub(super) fn lapsed(&self, wanted: Option<Evidence>) -> StepState {
        match self.verdict(wanted) {
            StepState::Unreachable => StepState::Expired,
            state => state,
        }
    }

    /// An attempt at a person has ended. Whether another follows is for the next
    /// move to say, from the directory; so nothing here counts substitutes.
    pub(super) fn person_ended(&mut self, ended: &Ended<'_>) {
        let state = weigh(ended.result, ended.proof, ended.wanted);
        let newest = ended.attempt == self.attempts;
        let why = self.log.iter().find(|one| one.attempt == ended.attempt).map(|one| one.why);
        let before = self.over();
        self.phase = match (self.phase.clone(), state) {
            // Superseded or vetoed: how the call ended changes nothing.
            (TargetPhase::Over(StepState::Superseded | StepState::Vetoed), _) => return,
            // Whoever takes messages can be asked whether this one came.
            (TargetPhase::InFlight { until, .. }, StepState::Unknown)
                if newest && ended.may_repeat =>
            {
                TargetPhase::Asked { until, asked: ended.now.plus_ms(ASK_MS) }
            }
            // Whoever pressed the key has heard it, however late that is told.
            (_, StepState::Done) => TargetPhase::Over(StepState::Done),
            (TargetPhase::Over(StepState::Unknown), _) => {
                TargetPhase::Over(self.verdict(ended.wanted))
            }
            (phase @ (TargetPhase::Over(_) | TargetPhase::Due { .. }), _) => phase,
            (phase, _) if !newest => phase,
            (_, StepState::Vetoed) => TargetPhase::Over(StepState::Vetoed),
            // Fenced: nothing of this target begins any more.
            (_, StepState::Expired) => TargetPhase::Over(self.lapsed(ended.wanted)),
            (TargetPhase::InFlight { until, .. } | TargetPhase::Asked { until, .. }, _) => {
                match why {
                    Some(Why::Person(_)) => TargetPhase::Over(self.verdict(ended.wanted)),
                    Some(Why::Plan | Why::AfterUnknown) | None => {
                        TargetPhase::Due { why: Why::Plan, until }
                    }
                }
            }
        };
        if newest || self.over() != before {
            self.since = ended.since;
        }
    }

    pub(super) fn covered(&mut self, by: PersonId, since: Mono) {
        if self.over().is_none() {
            self.pass(StepState::Done, since);
            self.stands_in = Some(by);
        }
    }

    /// Who acknowledged.
    pub(super) fn acknowledged_by(&self, wanted: Option<Evidence>) -> Option<&PersonId> {
        let done = |one: &&Attempt| one.state(wanted) == Some(StepState::Done);
        let called = self.log.iter().find(done).and_then(|one| one.callee.as_ref());
        called.or(self.stands_in.as_ref())
    }

    fn asked_by_person(&self) -> bool {
        match self.phase {
            TargetPhase::Due { why, .. } => matches!(why, Why::Person(_)),
            TargetPhase::InFlight { .. } => {
                self.log.last().is_some_and(|one| matches!(one.why, Why::Person(_)))
            }
            TargetPhase::Asked { .. } | TargetPhase::Over(_) => false,
        }
    }

    fn by_plan(&self) -> usize {
        self.log.iter().filter(|one| !matches!(one.why, Why::Person(_))).count()
    }

    /// How often in a row nobody took the message.
    fn unreached(&self) -> u32 {
        let unreached = |one: &&Attempt| {
            matches!(one.result, Some(EffectResult::Unreachable { .. }))
                && !matches!(one.why, Why::Person(_))
        };
        let count = self.log.iter().rev().take_while(unreached).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl StepRun {
    /// Until when a target between two attempts rests.
    pub(super) fn rested(&self, target: &TargetRun) -> Option<Mono> {
        let pause_ms = match &self.kind {
            Some(StepKind::CallRoster(_)) if !target.log.is_empty() => CALL_AGAIN_MS,
            Some(StepKind::Message(_)) if target.unreached() > 0 => {
                message_pause_ms(target.unreached())
            }
            _ => return None,
        };
        Some(target.since.plus_ms(pause_ms))
    }

    /// Whether as many people as the plan wants have acknowledged; `None` when it
    /// wants every member.
    pub(super) fn needed(&self) -> Option<bool> {
        let Some(StepKind::CallRoster(CallRoster { need: Need::Count(need), .. })) = &self.kind
        else {
            return None;
        };
        let wanted = self.evidence();
        // Somebody who stands in for two is one person.
        let mut people: Vec<&PersonId> =
            self.targets.values().filter_map(|one| one.acknowledged_by(wanted)).collect();
        people.sort_unstable();
        people.dedup();
        Some(people.len() >= *need as usize)
    }

    fn calls_of<'a>(&'a self, person: &'a PersonId) -> impl Iterator<Item = &'a Attempt> {
        let all = self.targets.values().flat_map(|one| &one.log);
        all.filter(move |one| one.callee.as_ref() == Some(person))
    }

    fn in_flight(&self) -> usize {
        let flies = |one: &&TargetRun| matches!(one.phase, TargetPhase::InFlight { .. });
        self.targets.values().filter(flies).count()
    }

    /// Whose turn it is. Down a list one after the other, or all at once; and
    /// then who was tried least goes first, so that the last of a long roster is
    /// not kept waiting by the retries of the first.
    fn due(&self) -> Vec<Due<'_>> {
        let all = self.in_order().filter_map(|(target, one)| match (target, &one.phase) {
            (Target::Person(member), TargetPhase::Due { why, until }) => {
                Some(Due { target, member, one, why: *why, until: *until })
            }
            _ => None,
        });
        let (mut asked, mut due): (Vec<_>, Vec<_>) = all.partition(|due| due.one.asked_by_person());
        let in_turn = match &self.kind {
            Some(StepKind::CallRoster(call)) => call.mode == CallMode::Sequential,
            _ => false,
        };
        if in_turn {
            let first = self.in_order().find(|(_, one)| one.over().is_none());
            due.retain(|due| first.is_some_and(|(target, _)| target == due.target));
        } else {
            due.sort_by_key(|due| due.one.attempts);
        }
        asked.append(&mut due);
        asked
    }
}

impl Home {
    /// The members of a roster as targets, in the order of calling.
    pub(super) fn people(&self, directory: &Directory, roster: &RosterName) -> Vec<Target> {
        let members = directory.members(roster, &self.site);
        let mut people: Vec<PersonId> = members.into_iter().map(|member| member.person).collect();
        people.truncate(TARGETS_MAX);
        // The roster may have grown since the launch was judged.
        while !is_trackable(people.iter()) {
            people.pop();
        }
        people.into_iter().map(Target::Person).collect()
    }

    /// What an open step does next about its people.
    pub(super) fn people_move(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
    ) -> Option<Move> {
        if step.phase != StepPhase::Open {
            return None;
        }
        if step.needed() == Some(true) {
            let mut rest = step.in_order().filter(|(_, one)| one.over().is_none());
            let left = rest.find(|(_, one)| !one.asked_by_person());
            if let Some((target, one)) = left {
                return Some(pass(now, run, step, target, one, StepState::Skipped));
            }
        }
        let crowded = step.in_flight() >= IN_FLIGHT_MAX;
        let moves = step.due().into_iter().filter_map(|due| match &step.kind {
            Some(StepKind::CallRoster(call)) => {
                self.call_move(now, directory, run, step, call, due)
            }
            Some(StepKind::Message(text)) => {
                self.message_move(now, directory, run, step, text, due)
            }
            Some(
                StepKind::PaPlay(_)
                | StepKind::Delay { .. }
                | StepKind::Confirm(_)
                | StepKind::ConferenceOpen(_),
            )
            | None => {
                let superseded = StepState::Superseded;
                Some(pass_since(now, run, step, due.target, superseded, now.mono))
            }
        });
        let mut moves = moves.filter(|next| !(crowded && matches!(next, Move::Begin(..))));
        moves.next()
    }

    fn call_move(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
        call: &CallRoster,
        due: Due<'_>,
    ) -> Option<Move> {
        let next = match due.why {
            // Whoever asks for one more call asks for the member.
            Why::Person(_) => Next::Call(due.member.clone()),
            Why::Plan | Why::AfterUnknown => self.next_call(now, directory, step, call, due),
        };
        match next {
            Next::Wait => None,
            Next::Nobody => {
                let state = due.one.verdict(step.evidence());
                let since = due.one.since.max(run.runnable);
                Some(pass_since(now, run, step, due.target, state, since))
            }
            Next::Covered(by) => Some(Move::Fact(FactBody::MemberCovered {
                activation: run.id,
                step: step.id.clone(),
                member: due.member.clone(),
                by,
                since: now.wall,
            })),
            Next::Call(person) => {
                let known = directory.people.get(&person);
                let numbers = known.map(Person::callable).unwrap_or_default();
                let action = (!numbers.is_empty()).then(|| EffectAction::Call {
                    person: person.clone(),
                    member: due.member.clone(),
                    numbers,
                    sound: call.sound.clone(),
                    ack: call.ack,
                    ring_s: call.timeout_s,
                });
                Some(self.try_person(now, run, step, due, person, action))
            }
        }
    }

    /// The member, the member again, then each who stands in, as often.
    fn next_call(
        &self,
        now: Clock,
        directory: &Directory,
        step: &StepRun,
        call: &CallRoster,
        due: Due<'_>,
    ) -> Next {
        let (tries, wanted) = (1 + call.retry as usize, step.evidence());
        let members = directory.members(&call.roster, &self.site);
        let member = members.into_iter().find(|one| one.person == *due.member);
        let substitutes = member.map(|one| one.substitutes).unwrap_or_default();
        for person in std::iter::once(due.member.clone()).chain(substitutes) {
            let state = |one: &Attempt| one.state(wanted);
            if self.knows(step.calls_of(&person).any(|one| state(one) == Some(StepState::Done))) {
                return Next::Covered(person);
            }
            if step.calls_of(&person).any(|one| one.result.is_none()) {
                return Next::Wait;
            }
            // Perhaps this one was reached, perhaps not: nobody rings them again
            // unasked. Whoever stands in is another person, and is tried.
            let unknown = |one: &Attempt| state(one) == Some(StepState::Unknown);
            if self.minds_unknown() && step.calls_of(&person).any(unknown) {
                continue;
            }
            let mut here = due.one.log.iter().filter(|one| one.callee.as_ref() == Some(&person));
            let tried = here.clone().count();
            if tried >= tries || here.any(Attempt::has_no_number) {
                continue;
            }
            if due.one.by_plan() >= CALLS_PER_MEMBER_MAX {
                return Next::Nobody;
            }
            let rests = tried > 0 && step.rested(due.one).is_some_and(|until| until > now.mono);
            return if rests { Next::Wait } else { Next::Call(person) };
        }
        Next::Nobody
    }

    fn message_move(
        &self,
        now: Clock,
        directory: &Directory,
        run: &Activation,
        step: &StepRun,
        message: &Message,
        due: Due<'_>,
    ) -> Option<Move> {
        let asked = matches!(due.why, Why::Person(_));
        if !asked && !due.one.log.is_empty() {
            let planned = due.one.by_plan() < MESSAGES_BY_PLAN_MAX;
            let state = due.one.verdict(step.evidence());
            // Only what was surely not accepted is sent again.
            let again = match state {
                StepState::Unreachable => planned,
                StepState::Unknown => planned && !self.minds_unknown(),
                _ => false,
            };
            if !again {
                return Some(pass_since(now, run, step, due.target, state, due.one.since));
            }
            if step.rested(due.one).is_some_and(|until| until > now.mono) {
                return None;
            }
        }
        let known = directory.people.get(due.member);
        let action = known.and_then(Person::messaged).map(|to| EffectAction::Message {
            person: due.member.clone(),
            to,
            text: message.text(directory, &self.site),
            dedupe: dedupe(&key_of(run, step, due.target, due.one.attempts + 1), asked),
            not_after: now.wall_of(due.until),
        });
        Some(self.try_person(now, run, step, due, due.member.clone(), action))
    }

    /// One attempt, written down; without a number it has failed already.
    fn try_person(
        &self,
        now: Clock,
        run: &Activation,
        step: &StepRun,
        due: Due<'_>,
        callee: PersonId,
        action: Option<EffectAction>,
    ) -> Move {
        let key = key_of(run, step, due.target, due.one.attempts.saturating_add(1));
        let (epoch, mode, why) = (self.epoch, run.mode, due.why);
        let until = now.wall_of(due.until);
        let called = FactBody::PersonCalled { key: key.clone(), callee };
        let begun = FactBody::EffectBegun { key: key.clone(), epoch, why, mode, until };
        let Some(action) = action else {
            let result = EffectResult::Failed { why: NO_NUMBER.to_owned() };
            let (proof, since) = (Proof::default(), now.wall);
            let failed = FactBody::EffectOutcome { key, epoch, result, proof, since };
            return Move::Hopeless(vec![called, begun, failed]);
        };
        let priority = Priority::of(run.level);
        let window_ends_mono_ms = due.until.ms();
        let order = EffectOrder { key, epoch, mode, priority, why, action, window_ends_mono_ms };
        Move::Begin(vec![called, begun], Box::new(order))
    }

    /// A person acknowledged late, while somebody was being called for them.
    pub(super) fn needless_call(&self, turn: &mut Turn<'_>, told: &EffectKey) {
        let Target::Person(_) = told.target else { return };
        let Some(run) = self.activations.get(&told.activation) else { return };
        let Some(step) = run.steps.iter().find(|step| step.id == told.step) else { return };
        let Some(one) = step.targets.get(&told.target) else { return };
        if one.over() == Some(StepState::Done) {
            for open in one.log.iter().filter(|one| one.result.is_none()) {
                let key = key_of(run, step, &told.target, open.attempt);
                turn.out.push(Output::Cease { key });
            }
        }
    }

    #[cfg_attr(not(feature = "planted"), expect(clippy::unused_self, reason = "for planted bugs"))]
    pub(super) fn minds_unknown(&self) -> bool {
        #[cfg(feature = "planted")]
        if self.planted.unknown_retried {
            return false;
        }
        true
    }

    #[cfg_attr(not(feature = "planted"), expect(clippy::unused_self, reason = "for planted bugs"))]
    fn knows(&self, acknowledged: bool) -> bool {
        #[cfg(feature = "planted")]
        if self.planted.acknowledged_forgotten {
            return false;
        }
        acknowledged
    }
}

/// What the gateway knows a message by. Every attempt that the plan makes is the
/// same message; one that a person asks for is meant to arrive beside it.
pub fn dedupe(key: &EffectKey, asked: bool) -> String {
    let EffectKey { activation, step, target, attempt } = key;
    match asked {
        false => format!("{activation}/{step}/{target}"),
        true => format!("{activation}/{step}/{target}/{attempt}"),
    }
}
