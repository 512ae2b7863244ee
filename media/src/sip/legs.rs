//! All legs of a node, found by what a message says of itself: branch, dialog,
//! caller, transaction, and by when they are next due. Refuses to look at every
//! leg because one message came.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot};
use weir_signaling::registrar::Source;

use super::answered::Key;
use super::call::CallEvent;
use super::line::Line;
use super::message::{Request, Response};
use super::wire::Hop;

/// A leg as the hub holds it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) line: Line,
    pub(super) hop: Hop,
    /// Where its far side is.
    pub(super) peer: std::net::IpAddr,
    /// Until the last event.
    pub(super) events: Option<mpsc::Sender<CallEvent>>,
    /// Who waits for its end.
    pub(super) told: Vec<oneshot::Sender<()>>,
    /// Who calls, on incoming ones.
    pub(super) caller: Option<Caller>,
    call_id: String,
    tag: String,
    /// When it is due, as the list has it.
    due_ms: u64,
    /// Whether it is counted as under way.
    counted: bool,
}

/// The far side of an incoming call.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) number: String,
    pub(super) tag: String,
}

/// An INVITE that has no final answer.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) leg: u64,
    /// The last provisional answer.
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Legs {
    live: BTreeMap<u64, Live>,
    due: BTreeSet<(u64, u64)>,
    /// By Call-ID and our tag.
    dialogs: BTreeMap<(String, String), u64>,
    /// Incoming ones, by Call-ID and the caller's tag.
    callers: BTreeMap<(String, String), u64>,
    /// Incoming ones under way, by number.
    by_number: BTreeMap<String, usize>,
    pub(super) open: BTreeMap<Key, Open>,
    under_way: usize,
}

impl Legs {
    /// Takes a leg in. `facts`: its Call-ID and our tag.
    pub(super) fn enter(
        &mut self,
        id: u64,
        facts: (String, String),
        line: Line,
        way: (Hop, std::net::IpAddr),
        events: mpsc::Sender<CallEvent>,
        caller: Option<Caller>,
    ) {
        let (call_id, tag) = facts;
        self.dialogs.insert((call_id.clone(), tag.clone()), id);
        if let Some(Caller { number, tag }) = &caller {
            self.callers.insert((call_id.clone(), tag.clone()), id);
            *self.by_number.entry(number.clone()).or_default() += 1;
        }
        self.under_way += 1;
        let (hop, peer) = way;
        let (events, told) = (Some(events), Vec::new());
        let (due_ms, counted, peer) = (u64::MAX, true, peer.to_canonical());
        let live = Live { line, hop, peer, events, told, caller, call_id, tag, due_ms, counted };
        self.live.insert(id, live);
    }

    /// Whether a response can be the far side's.
    pub(super) fn answers(&self, id: u64, response: &Response, source: Source) -> bool {
        self.live.get(&id).is_some_and(|live| {
            let flow = source.flow.is_some_and(|flow| live.hop == Hop::Tcp(flow));
            let there = source.address.ip().to_canonical() == live.peer;
            live.call_id == response.call_id && (there || flow)
        })
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Live> {
        self.live.get_mut(&id)
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.live.keys().copied().collect()
    }

    /// Legs that are not over.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Calls that this number makes now.
    pub(super) fn of_number(&self, number: &str) -> usize {
        self.by_number.get(number).copied().unwrap_or_default()
    }

    /// Those that this connection carries.
    pub(super) fn on(&self, hop: Hop) -> Vec<u64> {
        let on_it = self.live.iter().filter(|(_, live)| live.hop == hop);
        on_it.map(|(id, _)| *id).collect()
    }

    /// Those whose owner is gone.
    pub(super) fn dropped(&self) -> Vec<u64> {
        let gone = self.live.iter().filter(|(_, live)| {
            live.events.as_ref().is_some_and(mpsc::Sender::is_closed) && !live.line.is_over()
        });
        gone.map(|(id, _)| *id).collect()
    }

    /// The leg whose dialog a request is in, and whether it comes from where that
    /// leg's far side is.
    pub(super) fn dialog_of(&self, request: &Request, source: Source) -> Option<(u64, bool)> {
        let tag = request.to_tag.clone()?;
        let id = *self.dialogs.get(&(request.call_id.clone(), tag))?;
        let live = self.live.get(&id)?;
        let there = source.address.ip().to_canonical() == live.peer
            || source.flow.is_some_and(|flow| live.hop == Hop::Tcp(flow));
        live.line.has_dialog(request).then_some((id, there))
    }

    /// The CSeq of the INVITE without an answer that this one overlaps with.
    pub(super) fn overlapping(&self, request: &Request) -> Option<u32> {
        let of = (request.call_id.clone(), request.from_tag.clone());
        self.live.get(self.callers.get(&of)?)?.line.unanswered()
    }

    /// Notes when it is next due, and whether it is over.
    pub(super) fn settle(&mut self, id: u64, now_ms: u64) {
        let Some(live) = self.live.get_mut(&id) else { return };
        self.due.remove(&(live.due_ms, id));
        // Nothing is ever due at once again, whatever a machine says.
        live.due_ms = live.line.next_ms().max(now_ms.saturating_add(1));
        if live.due_ms < u64::MAX {
            self.due.insert((live.due_ms, id));
        }
        if live.line.is_over() && live.counted {
            live.counted = false;
            self.under_way = self.under_way.saturating_sub(1);
            // Dropping tells who waits, and the owner that nothing more comes.
            live.told.clear();
            live.events = None;
            let number = live.caller.as_ref().map(|caller| caller.number.clone());
            if let Some(number) = number
                && let Some(count) = self.by_number.get_mut(&number)
            {
                *count -= 1;
                if *count == 0 {
                    self.by_number.remove(&number);
                }
            }
        }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// The next one that is due.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<u64> {
        let first = self.due.first().copied().filter(|(at_ms, _)| *at_ms <= now_ms)?;
        self.due.remove(&first);
        if let Some(live) = self.live.get_mut(&first.1) {
            live.due_ms = u64::MAX;
        }
        Some(first.1)
    }

    /// Forgets it if it is done.
    pub(super) fn forget_done(&mut self, id: u64, now_ms: u64) {
        if self.live.get(&id).is_some_and(|live| live.line.is_done(now_ms)) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        let Some(live) = self.live.remove(&id) else { return };
        self.due.remove(&(live.due_ms, id));
        let ours = (live.call_id.clone(), live.tag);
        if self.dialogs.get(&ours) == Some(&id) {
            self.dialogs.remove(&ours);
        }
        if let Some(caller) = live.caller {
            let theirs = (live.call_id, caller.tag);
            if self.callers.get(&theirs) == Some(&id) {
                self.callers.remove(&theirs);
            }
        }
    }

    /// Forgets the oldest that are over, when more than `most` wait for late
    /// answers.
    pub(super) fn trim(&mut self, most: usize) {
        let late = self.live.len().saturating_sub(self.under_way);
        let too_many = late.saturating_sub(most);
        if too_many == 0 {
            return;
        }
        let over = self.live.iter().filter(|(_, live)| live.line.is_over());
        let over: Vec<u64> = over.map(|(id, _)| *id).take(too_many).collect();
        over.into_iter().for_each(|id| self.forget(id));
    }
}
