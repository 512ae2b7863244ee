//! The telephones of one conference at this site, and the next thing that any of
//! them says. Contacts of one number are offered the same seat; the first that
//! answers has it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use weir_signaling::digits::{Collector, Way};
use weir_signaling::focus::LegId;
use weir_signaling::sdp::{Audio, Session, Writer};

use super::sound;
use crate::sip::{Call, CallEvent};
use crate::voice::mixer::Seat;

/// A place in the room that telephones are told of.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) seat: Arc<Seat>,
    /// What the mixer calls it.
    pub(super) tag: u64,
    pub(super) writer: Writer,
    /// What was offered for it.
    pub(super) offered: Audio,
}

/// A number that is being called.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) place: Place,
    pub(super) who: String,
    pub(super) number: String,
}

/// One dialog.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) call: Call,
    /// Where its signalling comes from.
    pub(super) at: IpAddr,
    pub(super) number: String,
    pub(super) place: Place,
    /// What it offered when it called in, until it is answered.
    pub(super) offer: Option<Session>,
    /// We have offered, and not heard the answer.
    pub(super) waits: bool,
    /// It has its seat, and no other leg has.
    pub(super) sits: bool,
    /// It listens to nobody, and nobody to it, as it asked.
    pub(super) held: bool,
    keys: Collector,
    /// It has sent a key as an event (RFC 4733).
    tells_events: bool,
}

impl Leg {
    pub(super) fn new(call: Call, at: IpAddr, number: &str, place: Place) -> Self {
        Self {
            call,
            at,
            number: number.to_owned(),
            place,
            offer: None,
            waits: false,
            sits: false,
            held: false,
            keys: Collector::default(),
            tells_events: false,
        }
    }

    /// `false`: nothing that it wants is mixed.
    pub(super) fn aim(&mut self, theirs: &Audio) -> bool {
        let Some(aim) = sound::aim(theirs, self.at) else { return false };
        self.held = !aim.hears;
        self.sits = true;
        self.place.seat.aim(Some(aim));
        true
    }

    /// A key, if it is a new one.
    pub(super) fn pressed(
        &mut self,
        now_ms: u64,
        digit: char,
        way: Way,
        held_ms: u64,
    ) -> Option<char> {
        // Who has told a key as an event needs no tones, which speech may feign.
        if way == Way::Tone && self.tells_events {
            return None;
        }
        self.tells_events |= way == Way::Event;
        self.keys.hear(now_ms, digit, way, held_ms)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Legs {
    by_id: BTreeMap<LegId, Leg>,
    last: u32,
}

impl Legs {
    pub(super) fn add(&mut self, leg: Leg) -> LegId {
        self.last = self.last.wrapping_add(1);
        let id = LegId(self.last);
        self.by_id.insert(id, leg);
        id
    }

    pub(super) fn get(&self, leg: LegId) -> Option<&Leg> {
        self.by_id.get(&leg)
    }

    pub(super) fn get_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        self.by_id.get_mut(&leg)
    }

    /// Takes a leg out: it is over, or is to be hung up. It falls silent.
    pub(super) fn remove(&mut self, leg: LegId) -> Option<Leg> {
        let leg = self.by_id.remove(&leg)?;
        if leg.sits {
            leg.place.seat.prompt(None);
            leg.place.seat.deaf(true);
            leg.place.seat.mute(true);
            leg.place.seat.aim(None);
        }
        Some(leg)
    }

    /// Who sits at the place that the mixer calls so.
    pub(super) fn at(&self, tag: u64) -> Option<LegId> {
        let found = self.by_id.iter().find(|(_, leg)| leg.sits && leg.place.tag == tag);
        found.map(|(id, _)| *id)
    }

    /// What a leg says next. Never comes back when there is none. `None`: it has
    /// nothing more to say. Dropping an unfinished wait loses nothing: a leg's
    /// queue keeps its order.
    pub(super) async fn next(&mut self) -> (LegId, Option<CallEvent>) {
        poll_fn(|context| {
            for (id, leg) in &mut self.by_id {
                if let Poll::Ready(event) = pin!(leg.call.next()).poll(context) {
                    return Poll::Ready((*id, event));
                }
            }
            Poll::Pending
        })
        .await
    }
}
