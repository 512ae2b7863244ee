//! A call that is looking for somebody: groups of numbers rung one after the
//! other, all devices of a group at once. Refuses to let two devices answer, and
//! to leave any ringing that was not chosen.

use std::collections::BTreeMap;

use crate::sdp::{Audio, Session, read, read_answer};

use super::State;
use super::failure::{Failure, better};
use super::order::{Dial, Event, Group, Input, Leg, LegId, NotPlaced, Output, PlaceId, Side};
use super::party::Party;
use super::record::{Record, Why};
use super::talking::Talking;
use super::turn::Shared;

/// Most devices rung at once, and most numbers of a group.
pub const LEGS_MAX: usize = 32;
/// A group rings at least this long, so that none is passed over in a blink.
const RING_MIN_MS: u64 = 1_000;

#[derive(Debug, Clone)]
pub(super) struct Ringing {
    /// What every callee is offered, in our words and as it was said.
    offer: String,
    offered: Audio,
    /// The caller came without an offer.
    offers_late: bool,
    /// A callee as it stands before it said anything.
    blank: Party,
    next_group: usize,
    group_ends_ms: u64,
    /// When the first group was rung, the last time.
    round_began_ms: u64,
    /// An emergency call is about to begin again.
    pause_ends_ms: Option<u64>,
    last_place: u32,
    placing: BTreeMap<PlaceId, String>,
    forks: BTreeMap<LegId, Fork>,
    /// The one whose early media the caller hears.
    early: Option<(LegId, Party)>,
    caller_knows: bool,
    best: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Fork {
    number: String,
    rang: bool,
}

/// The INVITE is here.
pub(super) fn begin(shared: &mut Shared, offer: &str, mut callee: Party) -> State {
    if shared.route.groups.is_empty() && !shared.route.emergency {
        return give_up(shared, Failure::NotPlaced(NotPlaced::UnknownNumber));
    }
    let offers_late = offer.trim().is_empty();
    let offered = match read(offer) {
        _ if offers_late => callee.writer.own(),
        Ok(session) => {
            shared.caller.writer.follow(&session);
            shared.caller.offers(session.audio.clone());
            session.audio
        }
        Err(error) => {
            shared.refuse(error.code());
            shared.unanswered(Why::Refused { code: error.code() });
            return super::end(shared);
        }
    };
    let emergency = shared.route.emergency;
    if emergency {
        shared.push(Output::Ring { code: 180, sdp: None });
    }
    let ringing = Ringing {
        offer: callee.writer.write(&offered),
        offered,
        offers_late,
        blank: callee,
        next_group: 0,
        group_ends_ms: shared.now_ms,
        round_began_ms: shared.now_ms,
        pause_ends_ms: None,
        last_place: 0,
        placing: BTreeMap::new(),
        forks: BTreeMap::new(),
        early: None,
        caller_knows: emergency,
        best: None,
    };
    ringing.go_on(shared)
}

fn give_up(shared: &mut Shared, failure: Failure) -> State {
    // Whoever calls for help is never told that help is busy.
    let failure = if shared.route.emergency { Failure::Silent } else { failure };
    shared.refuse(failure.code());
    shared.unanswered(failure.why());
    super::end(shared)
}

impl Ringing {
    pub(super) fn step(mut self, shared: &mut Shared, input: Input) -> State {
        match input {
            Input::Placed { place, legs } => return self.placed(shared, place, legs),
            Input::NotPlaced { place, why } => return self.not_placed(shared, place, why),
            Input::Heard { leg: Leg::Caller, event } => return self.caller(shared, &event),
            Input::Heard { leg: Leg::Callee(leg), event } => {
                return self.callee(shared, leg, event);
            }
            Input::HangUp => return self.stop(shared, Some(480), Why::Operator),
            Input::MediaLost => return self.stop(shared, Some(503), Why::MediaLost),
            Input::Stop => return self.stop(shared, Some(503), Why::NodeStopped),
            Input::Begin | Input::Tick => {}
        }
        let over = !self.is_idle() && shared.now_ms >= self.group_ends_ms;
        let next = shared.route.groups.get(self.next_group).cloned();
        if let (true, true, Some(next)) = (over, shared.route.emergency, next) {
            // Who is rung already may be on the way to the telephone.
            self.next_group += 1;
            self.ring(shared, next);
        } else if over {
            self.best = Some(better(self.best, Failure::Silent));
            self.placing.clear();
            self.dismiss(shared);
        }
        self.go_on(shared)
    }

    fn gives_up_ms(&self, shared: &Shared) -> u64 {
        shared.began_ms.saturating_add(shared.limits.ring_ms)
    }

    pub(super) fn next_ms(&self, shared: &Shared) -> u64 {
        let group = self.pause_ends_ms.unwrap_or(self.group_ends_ms);
        group.min(self.gives_up_ms(shared))
    }

    fn is_idle(&self) -> bool {
        self.placing.is_empty() && self.forks.is_empty()
    }

    /// Rings the next group, if nobody is left of this one and there is time.
    fn go_on(mut self, shared: &mut Shared) -> State {
        if shared.now_ms >= self.gives_up_ms(shared) {
            self.dismiss(shared);
            let failure = better(self.best, Failure::Silent);
            return give_up(shared, failure);
        }
        if self.pause_ends_ms.is_some_and(|until| shared.now_ms < until) {
            return State::Ringing(Box::new(self));
        }
        if self.pause_ends_ms.take().is_some() {
            self.next_group = 0;
            self.round_began_ms = shared.now_ms;
        }
        while self.is_idle() {
            let Some(group) = shared.route.groups.get(self.next_group).cloned() else {
                return self.all_through(shared);
            };
            self.next_group += 1;
            self.ring(shared, group);
        }
        State::Ringing(Box::new(self))
    }

    fn all_through(mut self, shared: &mut Shared) -> State {
        if !shared.route.emergency {
            let nobody = Failure::NotPlaced(NotPlaced::UnknownNumber);
            return give_up(shared, self.best.unwrap_or(nobody));
        }
        let again_ms = self.round_began_ms.saturating_add(shared.limits.again_ms.max(1));
        self.pause_ends_ms = Some(again_ms.max(shared.after(1)));
        State::Ringing(Box::new(self))
    }

    fn ring(&mut self, shared: &mut Shared, group: Group) {
        let left_ms = self.gives_up_ms(shared).saturating_sub(shared.now_ms);
        let ring_ms = group.ring_ms.max(RING_MIN_MS).min(left_ms);
        self.group_ends_ms = shared.after(ring_ms);
        let mut rung: Vec<Dial> = Vec::new();
        for dial in group.numbers.into_iter().take(LEGS_MAX) {
            if rung.contains(&dial) {
                continue;
            }
            self.last_place = self.last_place.wrapping_add(1);
            let place = PlaceId(self.last_place);
            self.placing.insert(place, dial.number.clone());
            shared.placing.insert(place);
            let offer = self.offer.clone();
            let ring_ms = if shared.route.emergency { left_ms } else { ring_ms };
            shared.push(Output::Place { place, dial: dial.clone(), offer, ring_ms });
            rung.push(dial);
        }
    }

    fn placed(mut self, shared: &mut Shared, place: PlaceId, legs: Vec<LegId>) -> State {
        if legs.is_empty() {
            return self.not_placed(shared, place, NotPlaced::NotRegistered);
        }
        let Some(number) = self.placing.remove(&place) else {
            // Its group's time was up before it was on its way.
            super::stray(shared, place, legs);
            return State::Ringing(Box::new(self));
        };
        shared.placing.remove(&place);
        for leg in legs {
            if self.forks.len() < LEGS_MAX {
                let fork = Fork { number: number.clone(), rang: false };
                self.forks.entry(leg).or_insert(fork);
            } else if !self.forks.contains_key(&leg) {
                shared.hang_up(Leg::Callee(leg));
            }
        }
        self.failed(shared, None)
    }

    fn not_placed(mut self, shared: &mut Shared, place: PlaceId, why: NotPlaced) -> State {
        shared.placing.remove(&place);
        let waited = self.placing.remove(&place).is_some();
        self.failed(shared, waited.then_some(Failure::NotPlaced(why)))
    }

    fn failed(mut self, shared: &mut Shared, failure: Option<Failure>) -> State {
        if let Some(failure) = failure {
            self.best = Some(better(self.best, failure));
        }
        self.go_on(shared)
    }

    fn caller(self, shared: &mut Shared, event: &Event) -> State {
        match event {
            Event::Ended | Event::Refused { .. } | Event::Silent => {
                self.stop(shared, None, Why::Cancelled)
            }
            // Nothing of this can come before the answer.
            Event::Trying
            | Event::Ringing { .. }
            | Event::Answered { .. }
            | Event::Confirmed { .. }
            | Event::Changed { .. }
            | Event::Agreed { .. }
            | Event::Declined { .. }
            | Event::Info { .. } => State::Ringing(Box::new(self)),
        }
    }

    fn callee(mut self, shared: &mut Shared, leg: LegId, event: Event) -> State {
        if !self.forks.contains_key(&leg) {
            // It was told to hang up, and that ends a 200 that crossed it, too.
            return State::Ringing(Box::new(self));
        }
        match event {
            Event::Ringing { code, sdp } => {
                self.rings(shared, leg, code, &sdp);
                State::Ringing(Box::new(self))
            }
            Event::Answered { sdp } => self.answered(shared, leg, &sdp),
            Event::Refused { code } => self.lost(shared, leg, Failure::Refused { code }),
            Event::Silent => self.lost(shared, leg, Failure::Silent),
            Event::Ended => self.lost(shared, leg, Failure::Refused { code: 480 }),
            Event::Trying
            | Event::Confirmed { .. }
            | Event::Changed { .. }
            | Event::Agreed { .. }
            | Event::Declined { .. }
            | Event::Info { .. } => State::Ringing(Box::new(self)),
        }
    }

    /// One device is out; the others ring on, even after its 603.
    fn lost(mut self, shared: &mut Shared, leg: LegId, failure: Failure) -> State {
        self.forks.remove(&leg);
        if self.early.as_ref().is_some_and(|(heard, _)| *heard == leg) {
            self.unhear(shared);
            if self.forks.values().any(|fork| fork.rang) {
                self.tell_ringing(shared);
            }
        }
        self.failed(shared, Some(failure))
    }

    fn unhear(&mut self, shared: &mut Shared) {
        self.early = None;
        // What it hears next is silence, unless it is told of ringing anew.
        self.caller_knows = shared.route.emergency;
        shared.no_aims();
    }

    fn tell_ringing(&mut self, shared: &mut Shared) {
        if !self.caller_knows {
            self.caller_knows = true;
            shared.push(Output::Ring { code: 180, sdp: None });
        }
    }

    fn rings(&mut self, shared: &mut Shared, leg: LegId, code: u16, sdp: &str) {
        let rang = code == 180;
        if let Some(fork) = self.forks.get_mut(&leg) {
            fork.rang |= rang;
        }
        let heard = self.early.as_ref().map(|(heard, _)| *heard);
        if heard.is_some_and(|heard| heard != leg) {
            // A 180 now would drown what the caller hears.
            return;
        }
        // Without an offer there is nothing that an early answer could answer.
        let early = if self.offers_late { None } else { read_answer(sdp, &self.offered).ok() };
        match early {
            Some(session) => self.hear_early(shared, leg, session),
            None if rang => self.tell_ringing(shared),
            None => {}
        }
    }

    fn hear_early(&mut self, shared: &mut Shared, leg: LegId, session: Session) {
        let mut callee = match self.early.take() {
            Some((_, callee)) => callee,
            None => self.blank.clone(),
        };
        callee.answers(session.audio.clone(), self.offered.clone());
        let new = !shared.caller.writer.is_refresh(&session.audio);
        let sdp = shared.caller.writer.write(&session.audio);
        shared.caller.told = Some(session.audio);
        shared.aim(Side::A, shared.caller.aim(Leg::Caller));
        shared.aim(Side::B, callee.aim(Leg::Callee(leg)));
        if new {
            shared.push(Output::Ring { code: 183, sdp: Some(sdp) });
        }
        self.early = Some((leg, callee));
    }

    fn answered(mut self, shared: &mut Shared, leg: LegId, sdp: &str) -> State {
        let Some(callee) = self.answerer(leg, sdp) else {
            // Picked up, and cannot talk. The others may.
            shared.hang_up(Leg::Callee(leg));
            return self.lost(shared, leg, Failure::Refused { code: 488 });
        };
        let Some(Fork { number, .. }) = self.forks.remove(&leg) else {
            return State::Ringing(Box::new(self));
        };
        let talking = Talking::begin(shared, leg, number.clone(), callee, self.offers_late);
        self.hang_up_forks(shared);
        shared.push(Output::Record(Record::Answered { by: number, at_ms: shared.now_ms }));
        State::Talking(Box::new(talking))
    }

    /// The callee with what it answered; some answer early, and then say nothing
    /// more.
    fn answerer(&self, leg: LegId, sdp: &str) -> Option<Party> {
        let early = self.early.as_ref().filter(|(heard, _)| *heard == leg);
        let early = early.map(|(_, callee)| callee);
        if let (Some(callee), true) = (early, sdp.trim().is_empty()) {
            return Some(callee.clone());
        }
        let session = read_answer(sdp, &self.offered).ok()?;
        let mut callee = early.unwrap_or(&self.blank).clone();
        callee.answers(session.audio, self.offered.clone());
        Some(callee)
    }

    fn hang_up_forks(&mut self, shared: &mut Shared) {
        for leg in std::mem::take(&mut self.forks).into_keys() {
            shared.hang_up(Leg::Callee(leg));
        }
    }

    /// Nobody of this group rings any more.
    fn dismiss(&mut self, shared: &mut Shared) {
        self.unhear(shared);
        self.hang_up_forks(shared);
    }

    fn stop(mut self, shared: &mut Shared, code: Option<u16>, why: Why) -> State {
        self.dismiss(shared);
        if let Some(code) = code {
            shared.refuse(code);
        }
        shared.unanswered(why);
        super::end(shared)
    }
}
