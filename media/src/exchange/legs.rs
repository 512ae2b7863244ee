//! The legs of one call, and the next thing that any of them says.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use weir_signaling::call::{Event, Leg, LegId};

use crate::sip::{Call, CallEvent};

/// See the module.
#[derive(Debug)]
pub(super) struct Legs {
    caller: Option<Call>,
    /// Where the caller's signalling comes from.
    caller_at: IpAddr,
    callees: BTreeMap<LegId, (Call, String)>,
    last: u32,
}

impl Legs {
    pub(super) fn new(caller: Call, caller_at: IpAddr) -> Self {
        Self { caller: Some(caller), caller_at, callees: BTreeMap::new(), last: 0 }
    }

    pub(super) fn caller(&self) -> Option<&Call> {
        self.caller.as_ref()
    }

    pub(super) fn add(&mut self, call: Call, number: &str) -> LegId {
        self.last += 1;
        let id = LegId(self.last);
        self.callees.insert(id, (call, number.to_owned()));
        id
    }

    pub(super) fn get(&self, leg: Leg) -> Option<&Call> {
        match leg {
            Leg::Caller => self.caller.as_ref(),
            Leg::Callee(id) => self.callees.get(&id).map(|(call, _)| call),
        }
    }

    /// Takes a leg out: it is over, or is to be hung up.
    pub(super) fn remove(&mut self, leg: Leg) -> Option<Call> {
        match leg {
            Leg::Caller => self.caller.take(),
            Leg::Callee(id) => self.callees.remove(&id).map(|(call, _)| call),
        }
    }

    /// Where a leg's signalling comes from, as far as that is known.
    pub(super) fn address(&self, leg: Leg) -> Option<IpAddr> {
        match leg {
            Leg::Caller => Some(self.caller_at),
            Leg::Callee(_) => self.get(leg).map(Call::peer),
        }
    }

    /// The numbers that are rung, each once.
    pub(super) fn numbers(&self) -> Vec<String> {
        let mut numbers: Vec<String> =
            self.callees.values().map(|(_, number)| number.clone()).collect();
        numbers.sort();
        numbers.dedup();
        numbers
    }

    /// What a leg says next. Never comes back when there is none. A leg that has
    /// nothing more to say has ended.
    pub(super) async fn next(&mut self) -> (Leg, Event) {
        loop {
            let (leg, event) = self.heard().await;
            if let Some(event) = event.map_or(Some(Event::Ended), told) {
                return (leg, event);
            }
        }
    }

    /// Dropping an unfinished wait loses nothing: a leg's queue keeps its order.
    async fn heard(&mut self) -> (Leg, Option<CallEvent>) {
        poll_fn(|context| {
            let callees = self.callees.iter_mut().map(|(id, (call, _))| (Leg::Callee(*id), call));
            let caller = self.caller.iter_mut().map(|call| (Leg::Caller, call));
            for (leg, call) in caller.chain(callees) {
                if let Poll::Ready(event) = pin!(call.next()).poll(context) {
                    return Poll::Ready((leg, event));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// In the words of the rules.
fn told(event: CallEvent) -> Option<Event> {
    Some(match event {
        CallEvent::Trying => Event::Trying,
        CallEvent::Ringing { code, sdp } => Event::Ringing { code, sdp },
        CallEvent::Answered { sdp, .. } => Event::Answered { sdp },
        CallEvent::Refused { code, .. } => Event::Refused { code },
        CallEvent::Silent => Event::Silent,
        CallEvent::Confirmed { sdp } => Event::Confirmed { sdp },
        CallEvent::Changed { sdp } => Event::Changed { sdp },
        CallEvent::Agreed { sdp } => Event::Agreed { sdp },
        CallEvent::Declined { code } => Event::Declined { code },
        CallEvent::Info { kind, body } => Event::Info { kind, body },
        CallEvent::Ended { .. } => Event::Ended,
    })
}
