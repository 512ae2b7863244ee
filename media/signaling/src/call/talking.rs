//! Two legs that talk: hold, resume and every other change goes through to the
//! other side before it is agreed to. Refuses two changes at once, and to aim
//! sound by anything that was not agreed.

use crate::sdp::{Audio, Session, agree, read, read_answer};

use super::State;
use super::failure::declined;
use super::order::{Event, Input, Leg, LegId, Output, Side};
use super::party::Party;
use super::record::{Record, Why};
use super::turn::Shared;

/// Longest INFO that is passed on, in bytes.
const INFO_MAX_BYTES: usize = 2 << 10;
/// Most times that a side is told again how things stand.
const RESTORES_MAX: u8 = 8;

#[derive(Debug, Clone)]
pub(super) struct Talking {
    leg: LegId,
    by: String,
    callee: Party,
    since_ms: u64,
    /// The journal knows of a hold.
    hold_told: bool,
    exchange: Option<Exchange>,
    restores: u8,
}

/// A change under way. There is never a second one.
#[derive(Debug, Clone)]
enum Exchange {
    /// `from` wants it; the other side was asked.
    Passed { from: Side, session: Box<Session>, until_ms: u64 },
    /// `to` had us offer, and has not answered yet. `first`: nothing was ever
    /// agreed with it.
    Offered { to: Side, offered: Box<Audio>, first: bool, until_ms: u64 },
    /// `to` was asked because of what the other side confirmed.
    Ours { to: Side, offered: Box<Audio>, until_ms: u64 },
}

impl Exchange {
    fn until_ms(&self) -> u64 {
        match self {
            Self::Passed { until_ms, .. }
            | Self::Offered { until_ms, .. }
            | Self::Ours { until_ms, .. } => *until_ms,
        }
    }
}

/// Why the call cannot go on.
struct Over {
    why: Why,
    /// The side that knows already.
    left: Option<Side>,
}

impl Over {
    fn both(why: Why) -> Self {
        Self { why, left: None }
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::A => Side::B,
        Side::B => Side::A,
    }
}

impl Talking {
    /// The callee picked up; the caller is answered.
    pub(super) fn begin(
        shared: &mut Shared,
        leg: LegId,
        by: String,
        callee: Party,
        offers_late: bool,
    ) -> Self {
        let since_ms = shared.now_ms;
        let mut talking =
            Self { leg, by, callee, since_ms, hold_told: false, exchange: None, restores: 0 };
        let Some(said) = talking.callee.said().cloned() else { return talking };
        let sdp = shared.caller.writer.write(&said);
        if offers_late {
            let until_ms = shared.after(shared.limits.confirm_ms);
            let offered = Box::new(said);
            let first = Exchange::Offered { to: Side::A, offered, first: true, until_ms };
            talking.exchange = Some(first);
        } else {
            shared.caller.told = Some(said);
        }
        talking.aim(shared);
        shared.push(Output::Answer { sdp });
        talking
    }

    pub(super) fn by(&self) -> &str {
        &self.by
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.since_ms
    }

    pub(super) fn is_held(&self, shared: &Shared) -> bool {
        self.callee.holds() || shared.caller.holds()
    }

    pub(super) fn next_ms(&self, shared: &Shared) -> u64 {
        let end_ms = self.since_ms.saturating_add(shared.limits.talk_ms);
        self.exchange.as_ref().map_or(end_ms, |exchange| exchange.until_ms().min(end_ms))
    }

    pub(super) fn step(mut self, shared: &mut Shared, input: Input) -> State {
        let over = match input {
            Input::Heard { leg, event } => match self.side(leg) {
                Some(side) => self.heard(shared, side, event),
                // Another device of the group: it was told to hang up.
                None => None,
            },
            Input::Placed { place, mut legs } => {
                legs.retain(|leg| *leg != self.leg);
                super::stray(shared, place, legs);
                None
            }
            Input::NotPlaced { place, .. } => {
                shared.placing.remove(&place);
                None
            }
            Input::HangUp => Some(Over::both(Why::Operator)),
            Input::MediaLost => Some(Over::both(Why::MediaLost)),
            Input::Stop => Some(Over::both(Why::NodeStopped)),
            Input::Begin | Input::Tick => None,
        };
        match over.or_else(|| self.due(shared)) {
            Some(over) => self.end(shared, &over),
            None => State::Talking(Box::new(self)),
        }
    }

    fn side(&self, leg: Leg) -> Option<Side> {
        match leg {
            Leg::Caller => Some(Side::A),
            Leg::Callee(id) => (id == self.leg).then_some(Side::B),
        }
    }

    fn leg(&self, side: Side) -> Leg {
        match side {
            Side::A => Leg::Caller,
            Side::B => Leg::Callee(self.leg),
        }
    }

    fn party<'a>(&'a mut self, shared: &'a mut Shared, side: Side) -> &'a mut Party {
        match side {
            Side::A => &mut shared.caller,
            Side::B => &mut self.callee,
        }
    }

    fn aim(&self, shared: &mut Shared) {
        shared.aim(Side::A, shared.caller.aim(Leg::Caller));
        shared.aim(Side::B, self.callee.aim(Leg::Callee(self.leg)));
    }

    fn heard(&mut self, shared: &mut Shared, side: Side, event: Event) -> Option<Over> {
        match event {
            Event::Changed { sdp } => self.changed(shared, side, &sdp),
            Event::Agreed { sdp } => self.agreed(shared, side, &sdp),
            Event::Declined { code } => self.declined(shared, side, code),
            Event::Confirmed { sdp } => return self.confirmed(shared, side, &sdp),
            Event::Info { kind, body } => {
                if kind.len() + body.len() <= INFO_MAX_BYTES {
                    shared.push(Output::Info { leg: self.leg(opposite(side)), kind, body });
                }
            }
            Event::Ended | Event::Refused { .. } | Event::Silent => {
                let why = match side {
                    Side::A => Why::CallerHungUp,
                    Side::B => Why::CalleeHungUp,
                };
                return Some(Over { why, left: Some(side) });
            }
            // Of the time before the answer.
            Event::Trying | Event::Ringing { .. } | Event::Answered { .. } => {}
        }
        None
    }

    fn decline(&self, shared: &mut Shared, side: Side, code: u16) {
        shared.push(Output::Decline { leg: self.leg(side), code });
    }

    fn changed(&mut self, shared: &mut Shared, from: Side, sdp: &str) {
        if self.exchange.is_some() {
            return self.decline(shared, from, 491);
        }
        if sdp.trim().is_empty() {
            return self.offer_to(shared, from);
        }
        let session = match read(sdp) {
            Ok(session) => session,
            Err(error) => return self.decline(shared, from, error.code()),
        };
        let other = opposite(from);
        if let Some(answer) = self.known_answer(shared, other, &session.audio) {
            return self.settle(shared, from, &session, answer);
        }
        let sdp = self.party(shared, other).writer.write(&session.audio);
        shared.push(Output::Change { leg: self.leg(other), sdp });
        let until_ms = shared.after(shared.limits.change_ms);
        let session = Box::new(session);
        self.exchange = Some(Exchange::Passed { from, session, until_ms });
    }

    /// What `other` would say to an offer in which nothing is new to it: only our
    /// address is shown there, so one who merely moved concerns nobody else.
    fn known_answer(&mut self, shared: &mut Shared, other: Side, offer: &Audio) -> Option<Audio> {
        let party = self.party(shared, other);
        let said = party.said().filter(|_| party.knows(offer))?;
        agree(offer, said).ok()
    }

    /// `from` offered, and the other side is content with `answer`.
    fn settle(&mut self, shared: &mut Shared, from: Side, session: &Session, answer: Audio) {
        let other = opposite(from);
        self.party(shared, other).answers(answer.clone(), session.audio.clone());
        let party = self.party(shared, from);
        party.writer.follow(session);
        party.offers(session.audio.clone());
        let sdp = party.writer.write(&answer);
        party.told = Some(answer);
        self.aim(shared);
        shared.push(Output::Agree { leg: self.leg(from), sdp });
        self.tell_hold(shared);
    }

    fn tell_hold(&mut self, shared: &mut Shared) {
        if !self.hold_told && self.is_held(shared) {
            self.hold_told = true;
            let changed = Record::Changed { held: true, at_ms: shared.now_ms };
            shared.push(Output::Record(changed));
        }
    }

    /// re-INVITE without SDP: `to` wants to hear all that there is.
    fn offer_to(&mut self, shared: &mut Shared, to: Side) {
        let Some(offered) = self.party(shared, opposite(to)).wish() else {
            return self.decline(shared, to, 500);
        };
        let sdp = self.party(shared, to).writer.write(&offered);
        shared.push(Output::Agree { leg: self.leg(to), sdp });
        let until_ms = shared.after(shared.limits.confirm_ms);
        let offered = Box::new(offered);
        self.exchange = Some(Exchange::Offered { to, offered, first: false, until_ms });
    }

    fn confirmed(&mut self, shared: &mut Shared, side: Side, sdp: &str) -> Option<Over> {
        let (offered, first) = match self.exchange.take() {
            Some(Exchange::Offered { to, offered, first, .. }) if to == side => (offered, first),
            // An ACK as any other.
            exchange => {
                self.exchange = exchange;
                return None;
            }
        };
        let Ok(session) = read_answer(sdp, &offered) else {
            // Else all stays as it was agreed before.
            return first.then_some(Over::both(Why::Refused { code: 488 }));
        };
        let party = self.party(shared, side);
        let willed = party.will();
        party.answers(session.audio, *offered);
        let turned = party.will() != willed;
        let wish = party.wish();
        self.aim(shared);
        self.tell_hold(shared);
        let other = opposite(side);
        let party = self.party(shared, other);
        if let Some(wish) = wish.filter(|wish| turned || party.missends_to(wish)) {
            self.ask(shared, other, wish);
        }
        None
    }

    /// Whether this is the answer to a change that was given up.
    fn is_late(&mut self, shared: &mut Shared, side: Side) -> bool {
        let party = self.party(shared, side);
        let late = party.late > 0;
        party.late = party.late.saturating_sub(1);
        late
    }

    fn agreed(&mut self, shared: &mut Shared, side: Side, sdp: &str) {
        if self.is_late(shared, side) {
            return self.restore(shared, side);
        }
        match self.exchange.take() {
            Some(Exchange::Passed { from, session, .. }) if from != side => {
                match read_answer(sdp, &session.audio) {
                    Ok(answer) => self.settle(shared, from, &session, answer.audio),
                    Err(_) => {
                        self.decline(shared, from, 488);
                        self.restore(shared, side);
                    }
                }
            }
            Some(Exchange::Ours { to, offered, .. }) if to == side => {
                if let Ok(answer) = read_answer(sdp, &offered) {
                    self.party(shared, side).answers(answer.audio, *offered);
                    self.aim(shared);
                    self.tell_hold(shared);
                }
            }
            exchange => self.exchange = exchange,
        }
    }

    /// `side` agreed to what its opposite was refused by then: it is on hold, say,
    /// and nobody would ever bring it back. It is told how things stand.
    fn restore(&mut self, shared: &mut Shared, side: Side) {
        let wish = self.party(shared, opposite(side)).wish();
        let Some(wish) = wish.filter(|_| self.exchange.is_none()) else { return };
        if self.restores < RESTORES_MAX {
            self.restores += 1;
            self.ask(shared, side, wish);
        }
    }

    /// A change of our own.
    fn ask(&mut self, shared: &mut Shared, to: Side, wish: Audio) {
        let sdp = self.party(shared, to).writer.write(&wish);
        shared.push(Output::Change { leg: self.leg(to), sdp });
        let until_ms = shared.after(shared.limits.change_ms);
        self.exchange = Some(Exchange::Ours { to, offered: Box::new(wish), until_ms });
    }

    fn declined(&mut self, shared: &mut Shared, side: Side, code: u16) {
        if self.is_late(shared, side) {
            return;
        }
        match self.exchange.take() {
            Some(Exchange::Passed { from, .. }) if from != side => {
                self.decline(shared, from, declined(code));
            }
            // It goes on as it was.
            Some(Exchange::Ours { to, .. }) if to == side => {}
            exchange => self.exchange = exchange,
        }
    }

    fn due(&mut self, shared: &mut Shared) -> Option<Over> {
        if shared.now_ms >= self.since_ms.saturating_add(shared.limits.talk_ms) {
            return Some(Over::both(Why::TimedOut));
        }
        let due = |exchange: &mut Exchange| shared.now_ms >= exchange.until_ms();
        match self.exchange.take_if(due)? {
            Exchange::Passed { from, .. } => {
                self.party(shared, opposite(from)).late += 1;
                self.decline(shared, from, 500);
            }
            Exchange::Ours { to, .. } => self.party(shared, to).late += 1,
            Exchange::Offered { first: true, .. } => {
                return Some(Over::both(Why::Refused { code: 488 }));
            }
            Exchange::Offered { first: false, .. } => {}
        }
        None
    }

    fn end(self, shared: &mut Shared, over: &Over) -> State {
        shared.no_aims();
        for side in [Side::A, Side::B] {
            if over.left != Some(side) {
                shared.hang_up(self.leg(side));
            }
        }
        let talked_ms = Some(shared.now_ms.saturating_sub(self.since_ms));
        let (why, by) = (over.why, Some(self.by));
        shared.push(Output::Record(Record::Ended { why, by, talked_ms, missed: false }));
        super::end(shared)
    }
}
