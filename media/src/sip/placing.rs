//! What the node wants of SIP: calls and messages that go out, calls that end.
//! Part of the hub; refuses what there is no way for, before anything is sent.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, oneshot};
use weir_model::directory::AutoAnswer;
use weir_signaling::registrar::{Binding, Transport as Over};

use super::call::{Call, CallError, Changes, DialogNote, Ended, MessageError, Outgoing};
use super::head::BODY_MAX;
use super::hub::{EVENTS, Hub, Order, TEXT_MAX};
use super::kept::Transport;
use super::leg::{Leg, Plan};
use super::line::{Deed, Line};
use super::script::{Script, Way, answer_by_yourself, asserted};
use super::stale::Stale;
use super::texting::Texting;
use super::wire::{Hop, kept};

/// Contacts of one number that are called at once.
pub(super) const FORK_MAX: usize = 4;
/// Most dialogs of an earlier life being ended at once.
const STALE_MAX: usize = 1_024;
/// Most messages under way.
const TEXTS_MAX: usize = 256;
/// Longest message, in bytes (RFC 3428 §8: what fits a datagram).
const TEXT_BODY_MAX: usize = 1_200;

impl Hub {
    pub(super) fn order(&mut self, order: Order) {
        match order {
            // Dropped with its owner: the call hangs up by itself.
            Order::Call { call, told } => {
                let made = self.call(&call, 1).and_then(|mut calls| {
                    calls.pop().ok_or_else(|| CallError::Unreachable(call.to.clone()))
                });
                let _unwanted = told.send(made);
            }
            Order::CallAll { call, told } => {
                let _unwanted = told.send(self.call(&call, FORK_MAX));
            }
            Order::Message { message, told } => self.message(*message, told),
            Order::HangUp { call, told } => self.hang_up(call, told),
            Order::Deed { call, deed } => self.deed(call, deed),
            Order::EndStale { note, told } => self.end_stale(&note, told),
        }
    }

    fn deed(&mut self, call: u64, deed: Deed) {
        if deed.len() > BODY_MAX {
            tracing::warn!(call, bytes = deed.len(), "a session description is too large");
            return;
        }
        let now_ms = self.parts.clock.now_ms();
        self.with_leg(call, |line| line.deed(now_ms, deed));
    }

    /// One call a contact, the best first, `most` of them.
    fn call(&mut self, call: &Outgoing, most: usize) -> Result<Vec<Call>, CallError> {
        let limits = self.parts.config.limits.clone();
        if self.legs.under_way() >= limits.calls {
            return Err(CallError::TooMany(limits.calls));
        }
        let dial = call.dial.clone().unwrap_or_default();
        let texts = [&call.to, &call.from, &call.from_name, &dial];
        if call.offer.len() > BODY_MAX || texts.iter().any(|text| text.len() > TEXT_MAX) {
            return Err(CallError::TooLarge);
        }
        let mut calls = Vec::new();
        for (hop, way) in self.ways(&call.to)?.into_iter().take(most) {
            if self.legs.under_way() < limits.calls {
                calls.push(self.place(call, hop, &way)?);
            }
        }
        Ok(calls)
    }

    fn place(&mut self, call: &Outgoing, hop: Hop, way: &Way) -> Result<Call, CallError> {
        let orders = self.parts.orders.upgrade().ok_or(CallError::Stopped)?;
        let now_ms = self.parts.clock.now_ms();
        let id = self.next_id();
        let realm = self.parts.config.realm.clone();
        let mut fields = answer_by_yourself(call.auto_answer, &realm);
        fields.push(asserted(&call.from, &realm));
        let secrets = [self.parts.dice.text(), self.parts.dice.text()];
        let script = Script::new(call, way, &realm, self.stem_of(id), secrets);
        let facts = (script.call_id.clone(), script.from_tag.clone());
        let [seed, ..] = self.parts.dice.bytes();
        let plan = Plan {
            fields,
            offer: call.offer.clone(),
            answer_within_ms: u64::try_from(call.answer_within.as_millis()).unwrap_or(u64::MAX),
            changes: call.changes,
            session_s: self.parts.config.limits.session_s,
            seed: now_ms.rotate_left(17) ^ u64::from(seed),
        };
        let (leg, out) = Leg::new(now_ms, script, plan);
        let (told, events) = mpsc::channel(EVENTS);
        let line = Line::Out(Box::new(leg));
        self.legs.enter(id, facts, line, (hop, way.address.ip()), told, None);
        self.tally.calls_started.one();
        self.carry_out(id, out);
        let answered = AtomicBool::new(false);
        Ok(Call { id, events, orders, note: None, answered, peer: way.address.ip() })
    }

    /// Where a number is called: those of its contacts that can be reached, the
    /// best first.
    fn ways(&self, number: &str) -> Result<Vec<(Hop, Way)>, CallError> {
        let now_ms = self.parts.clock.now_ms();
        let bindings = self.parts.desk.reach(now_ms, number);
        if bindings.is_empty() {
            return Err(CallError::NotRegistered(number.into()));
        }
        let open = |binding: &&Binding| {
            let (hop, local) = self.parts.wire.way(binding)?;
            let way = Way {
                transport: kept(binding.source.transport)?,
                address: binding.source.address,
                uri: binding.contact.uri().into(),
                route: binding.path.clone(),
                local,
            };
            Some((hop, way))
        };
        let ways: Vec<_> = bindings.iter().filter_map(open).collect();
        if ways.is_empty() {
            return Err(CallError::Unreachable(number.into()));
        }
        Ok(ways)
    }

    fn message(&mut self, text: Text, told: oneshot::Sender<Result<u16, MessageError>>) {
        if let Err((told, error)) = self.text(text, told) {
            let _nobody_waits = told.send(Err(error));
        }
    }

    fn text(&mut self, text: Text, told: Told) -> Result<(), (Told, MessageError)> {
        let Text { to, from, from_name, body } = text;
        let long = [&to, &from, &from_name].iter().any(|text| text.len() > TEXT_MAX);
        if long || body.len() > TEXT_BODY_MAX {
            return Err((told, MessageError::TooLarge));
        }
        if self.texts.len() >= TEXTS_MAX {
            return Err((told, MessageError::TooMany));
        }
        let (hop, way) = match self.ways(&to) {
            Ok(ways) => match ways.into_iter().next() {
                Some(way) => way,
                None => return Err((told, MessageError::Unreachable)),
            },
            Err(CallError::NotRegistered(_)) => return Err((told, MessageError::NotRegistered)),
            Err(_) => return Err((told, MessageError::Unreachable)),
        };
        let id = self.next_id();
        let secrets = [self.parts.dice.text(), self.parts.dice.text()];
        let envelope = Outgoing {
            to,
            from,
            from_name,
            auto_answer: AutoAnswer::Device,
            offer: String::new(),
            answer_within: std::time::Duration::ZERO,
            dial: None,
            max_forwards: 70,
            changes: Changes::Refuse,
        };
        let realm = &self.parts.config.realm;
        let script = Script::new(&envelope, &way, realm, self.stem_of(id), secrets);
        let texting = Texting::new(self.parts.clock.now_ms(), script, hop, &body, told);
        self.parts.wire.send(hop, texting.bytes());
        self.tally.messages_sent.one();
        self.texts.insert(id, texting);
        Ok(())
    }

    pub(super) fn hang_up(&mut self, call: u64, told: Option<oneshot::Sender<()>>) {
        let now_ms = self.parts.clock.now_ms();
        if let Some(live) = self.legs.get_mut(call) {
            if !live.line.is_over() {
                live.told.extend(told);
            }
            // Whoever hangs up wants to hear no more.
            live.events = None;
            self.with_leg(call, |line| line.hang_up(now_ms));
        }
    }

    fn end_stale(&mut self, note: &DialogNote, told: oneshot::Sender<Ended>) {
        let now_ms = self.parts.clock.now_ms();
        let hop = match note.transport {
            Transport::Udp => {
                Some((Hop::Udp(note.address), self.parts.wire.seen_from(note.address)))
            }
            // Over the connection it has now, if it came back.
            Transport::Tcp => {
                let bindings = self.parts.desk.reach(now_ms, &note.number);
                let tcp = bindings.iter().filter(|b| {
                    b.source.transport == Over::Tcp && b.source.address.ip() == note.address.ip()
                });
                tcp.filter_map(|binding| self.parts.wire.way(binding)).next()
            }
        };
        let Some((hop, local)) = hop.filter(|_| self.stale.len() < STALE_MAX) else {
            self.tally.stale_failed.one();
            let _nobody_waits = told.send(Ended::Unreachable);
            return;
        };
        let id = self.next_id();
        let script = Script::stale(note, local, self.stem_of(id));
        let stale = Stale::new(now_ms, note, script, hop, told);
        self.parts.wire.send(hop, stale.bytes());
        self.stale.push(stale);
    }
}

type Told = oneshot::Sender<Result<u16, MessageError>>;

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) from_name: String,
    pub(super) body: String,
}

/// Messages under way, by what their branches are known by.
pub(super) type Texts = BTreeMap<u64, Texting>;
