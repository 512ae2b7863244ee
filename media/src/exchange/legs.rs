//! The legs of one call, and the next thing that any of them says.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use weir_signaling::call::{Input, Leg, LegId};

use super::line::Line;

/// See the module.
#[derive(Debug)]
pub(super) struct Legs {
    caller: Option<Line>,
    /// Where the caller's signalling comes from.
    caller_at: IpAddr,
    callees: BTreeMap<LegId, (Line, String)>,
    last: u32,
}

impl Legs {
    pub(super) fn new(caller: Line, caller_at: IpAddr) -> Self {
        Self { caller: Some(caller), caller_at, callees: BTreeMap::new(), last: 0 }
    }

    pub(super) fn caller(&self) -> Option<&Line> {
        self.caller.as_ref()
    }

    pub(super) fn add(&mut self, line: Line, number: &str) -> LegId {
        self.last += 1;
        let id = LegId(self.last);
        self.callees.insert(id, (line, number.to_owned()));
        id
    }

    pub(super) fn get(&self, leg: Leg) -> Option<&Line> {
        match leg {
            Leg::Caller => self.caller.as_ref(),
            Leg::Callee(id) => self.callees.get(&id).map(|(line, _)| line),
        }
    }

    /// Takes a leg out: it is over, or is to be hung up.
    pub(super) fn remove(&mut self, leg: Leg) -> Option<Line> {
        match leg {
            Leg::Caller => self.caller.take(),
            Leg::Callee(id) => self.callees.remove(&id).map(|(line, _)| line),
        }
    }

    /// Where a leg's signalling comes from, as far as that is known.
    pub(super) fn address(&self, leg: Leg) -> Option<IpAddr> {
        match leg {
            Leg::Caller => Some(self.caller_at),
            Leg::Callee(_) => self.get(leg).map(Line::peer),
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

    /// What a leg says next. Never comes back when there is none. Dropping an
    /// unfinished wait loses nothing: a leg's queue keeps its order.
    pub(super) async fn next(&mut self) -> (Leg, Input) {
        poll_fn(|context| {
            let callees = self.callees.iter_mut().map(|(id, (line, _))| (Leg::Callee(*id), line));
            let caller = self.caller.iter_mut().map(|line| (Leg::Caller, line));
            for (leg, line) in caller.chain(callees) {
                if let Poll::Ready(input) = pin!(line.next(leg)).poll(context) {
                    return Poll::Ready((leg, input));
                }
            }
            Poll::Pending
        })
        .await
    }
}
