//! The legs of this site's members: from the order to call to the last word.

use super::member::outcome;
use super::order::{Event, LegId, MEMBERS_MAX, NotPlaced, Output, PlaceId, Record, State, Why};
use super::{Focus, Member};

/// One dialog with a member.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) who: String,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Ringing {
        until_ms: u64,
    },
    /// Spoken to; a key is waited for.
    Asked {
        until_ms: u64,
    },
    /// In the room; `None`: it has no seat yet.
    In {
        mute: Option<bool>,
    },
}

impl Focus {
    /// All numbers of a member ring.
    pub(super) fn ring(&mut self, who: &str) {
        let Some(member) = self.members.get_mut(who) else { return };
        member.begin_try();
        if member.dials.is_empty() {
            member.end_try(self.now_ms, &self.limits);
            member.due_ms = None;
            return;
        }
        let ring_ms = self.limits.ring_ms;
        // Somewhat longer than the INVITE itself is patient.
        let until_ms = self.now_ms.saturating_add(ring_ms).saturating_add(self.limits.stray_ms);
        for dial in member.dials.clone() {
            let place = PlaceId(self.next_place);
            self.next_place = self.next_place.wrapping_add(1);
            self.placing.insert(place, (who.to_owned(), until_ms));
            self.out.push(Output::Place { place, who: who.to_owned(), dial, ring_ms });
        }
    }

    pub(super) fn placed(&mut self, place: PlaceId, legs: Vec<LegId>) {
        let known = self.placing.remove(&place).map(|(who, _)| who);
        let rings = |who: &String| {
            self.members.get(who).is_some_and(|member| member.state == State::Ringing)
        };
        let Some(who) = known.filter(rings) else {
            // Joined by another way meanwhile, or nobody wants it any more.
            self.out.extend(legs.into_iter().map(|leg| Output::HangUp { leg }));
            return;
        };
        let until_ms = self.now_ms.saturating_add(self.limits.ring_ms);
        for leg in legs {
            let stage = Stage::Ringing { until_ms };
            self.legs.entry(leg).or_insert_with(|| Leg { who: who.clone(), stage });
        }
        self.is_try_over(&who);
    }

    pub(super) fn not_placed(&mut self, place: PlaceId, why: NotPlaced) {
        let Some((who, _)) = self.placing.remove(&place) else { return };
        match why {
            NotPlaced::UnknownNumber
            | NotPlaced::NotRegistered
            | NotPlaced::Unreachable
            | NotPlaced::Full => {}
        }
        self.is_try_over(&who);
    }

    /// Nothing rings any more, and nobody has joined.
    pub(super) fn is_try_over(&mut self, who: &str) {
        let legs = self.legs.values().any(|leg| leg.who == who);
        let placing = self.placing.values().any(|(of, _)| of == who);
        if let Some(member) = self.members.get_mut(who)
            && member.state == State::Ringing
            && !legs
            && !placing
        {
            member.end_try(self.now_ms, &self.limits);
        }
    }

    pub(super) fn heard(&mut self, leg: LegId, event: Event) {
        let Some(Leg { who, stage }) = self.legs.get(&leg).cloned() else { return };
        match (event, stage) {
            (Event::Answered, Stage::Ringing { .. }) => self.answered(leg, &who),
            (Event::Key(key), Stage::Asked { .. }) if Some(key) == self.confirm => {
                self.join(leg, &who);
            }
            (Event::Refused { code }, _) => self.gone(leg, &who, outcome(code), Why::HungUp),
            (Event::Silent, _) => self.gone(leg, &who, State::NoAnswer, Why::HungUp),
            (Event::Ended, _) => self.gone(leg, &who, State::NoAnswer, Why::HungUp),
            (Event::Lost, _) => self.gone(leg, &who, State::NoAnswer, Why::Lost),
            (Event::Ringing | Event::Answered | Event::Key(_), _) => {}
        }
    }

    fn answered(&mut self, leg: LegId, who: &str) {
        let Some(key) = self.confirm else { return self.join(leg, who) };
        let until_ms = self.now_ms.saturating_add(self.limits.confirm_ms);
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.stage = Stage::Asked { until_ms };
        }
        self.out.push(Output::Ask { leg, key });
    }

    /// By whichever way, once: other ways of the same person end.
    fn join(&mut self, leg: LegId, who: &str) {
        self.drop_legs(who, Some(leg));
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.stage = Stage::In { mute: None };
        }
        let Some(member) = self.members.get_mut(who) else { return };
        member.due_ms = None;
        let before = std::mem::replace(&mut member.state, State::Joined);
        if before != State::Joined {
            if member.may_record() {
                let record = Record::Joined { who: who.to_owned(), at_ms: self.now_ms };
                self.out.push(Output::Record(record));
            }
            self.has_joined(who.to_owned());
        }
    }

    pub(super) fn drop_legs(&mut self, who: &str, but: Option<LegId>) {
        let legs = self.legs.iter().filter(|(leg, of)| of.who == who && Some(**leg) != but);
        let legs: Vec<LegId> = legs.map(|(leg, _)| *leg).collect();
        for leg in legs {
            self.legs.remove(&leg);
            self.out.push(Output::HangUp { leg });
        }
    }

    /// A leg has ended by itself.
    fn gone(&mut self, leg: LegId, who: &str, outcome: State, why: Why) {
        let Some(Leg { stage, .. }) = self.legs.remove(&leg) else { return };
        let Some(member) = self.members.get_mut(who) else { return };
        match stage {
            Stage::Ringing { .. } | Stage::Asked { .. } => {
                member.failed(outcome);
                self.is_try_over(who);
            }
            Stage::In { .. } => {
                member.state = State::Left;
                if why == Why::Lost && !member.dials.is_empty() {
                    member.again_at(self.now_ms);
                }
                self.left(who, why);
            }
        }
    }

    fn left(&mut self, who: &str, why: Why) {
        if self.members.get_mut(who).is_some_and(Member::may_record) {
            let record = Record::Left { who: who.to_owned(), at_ms: self.now_ms, why };
            self.out.push(Output::Record(record));
        }
    }

    /// Out with a member, whatever it is doing.
    pub(super) fn take_out(&mut self, who: &str, state: State, why: Why) {
        self.drop_legs(who, None);
        let Some(member) = self.members.get_mut(who) else { return };
        member.due_ms = None;
        let before = std::mem::replace(&mut member.state, state);
        if before == State::Joined {
            self.left(who, why);
        }
    }

    pub(super) fn call_in(&mut self, leg: LegId, number: String) {
        if self.legs.contains_key(&leg) {
            return;
        }
        let mut members = self.members.iter();
        let known = members.find(|(who, member)| **who == number || member.has(&number));
        let known = known.map(|(who, member)| (who.clone(), member.state));
        let locked = self.rules.locked;
        let (who, refused) = match known {
            Some((who, _)) if self.rules.removed.contains(&who) => (who, Some(403)),
            // Another telephone of somebody who is in it.
            Some((who, State::Joined)) => (who, None),
            Some((who, _)) => (who, locked.then_some(403)),
            None if locked || !self.open || self.rules.removed.contains(&number) => {
                (number, Some(403))
            }
            None if self.members.len() >= MEMBERS_MAX => (number, Some(486)),
            None => (number, None),
        };
        if let Some(code) = refused {
            self.out.push(Output::Refuse { leg, code });
            return;
        }
        self.members.entry(who.clone()).or_insert_with(|| Member::new(Vec::new(), None));
        let stage = Stage::In { mute: None };
        self.legs.insert(leg, Leg { who: who.clone(), stage });
        self.out.push(Output::Answer { leg, who: who.clone() });
        self.join(leg, &who);
    }

    /// Legs that were waited for long enough.
    pub(super) fn give_up(&mut self) {
        let now_ms = self.now_ms;
        let over = |stage: Stage| match stage {
            Stage::Ringing { until_ms } | Stage::Asked { until_ms } => now_ms >= until_ms,
            Stage::In { .. } => false,
        };
        let late = self.legs.iter().filter(|(_, leg)| over(leg.stage));
        let late: Vec<(LegId, String)> = late.map(|(leg, of)| (*leg, of.who.clone())).collect();
        for (leg, who) in late {
            self.out.push(Output::HangUp { leg });
            self.gone(leg, &who, State::NoAnswer, Why::HungUp);
        }
        let lost = self.placing.iter().filter(|(_, (_, until_ms))| now_ms >= *until_ms);
        let lost: Vec<PlaceId> = lost.map(|(place, _)| *place).collect();
        for place in lost {
            self.not_placed(place, NotPlaced::Unreachable);
        }
    }
}
