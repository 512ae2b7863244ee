//! What the hub does with a message: the same request again gets the same
//! answer, what is broken is told so, what belongs to a call goes there, the
//! rest to the desk. Refuses to answer answers.

use weir_signaling::registrar::Source;

use super::answer::Answer;
use super::answered::Key;
use super::counters::Tally;
use super::desk::Books;
use super::head::Name;
use super::hub::{Hub, Input};
use super::message::{Fault, Message, Method, Request, Response, Via};
use super::wire::Wire;

/// What a request may require of us (RFC 3261 §8.2.2.3).
const SUPPORTED: [&[u8]; 1] = [b"path"];

impl Hub {
    pub(super) fn input(&mut self, input: Input) {
        match input {
            Input::Message { message, source, last } => {
                match message {
                    Message::Request(request) => self.request(source, &request),
                    Message::Response(response) => self.response(&response),
                }
                if let Some(flow) = source.flow.filter(|_| last) {
                    self.closed(flow);
                }
            }
            Input::Opened { flow, way } => {
                self.parts.wire.flows.insert(flow, way);
            }
            Input::Closed { flow } => self.closed(flow),
        }
    }

    fn closed(&mut self, flow: u64) {
        self.parts.wire.flows.remove(&flow);
        self.changed = true;
        let hop = super::wire::Hop::Tcp(flow);
        let on_it = self.live.iter().filter(|(_, live)| live.hop == hop);
        let on_it: Vec<u64> = on_it.map(|(call, _)| *call).collect();
        let now_ms = self.parts.clock.now_ms();
        for call in on_it {
            self.with_leg(call, |leg| leg.flow_lost(now_ms));
        }
    }

    fn response(&mut self, response: &Response) {
        let tally = &self.tally;
        match response.code / 100 {
            1 => tally.responses_1xx.one(),
            2 => tally.responses_2xx.one(),
            3 => tally.responses_3xx.one(),
            4 => tally.responses_4xx.one(),
            5 => tally.responses_5xx.one(),
            _ => tally.responses_6xx.one(),
        }
        let now_ms = self.parts.clock.now_ms();
        if let Some(call) = self.by_call_id.get(&response.call_id).copied() {
            return self.with_leg(call, |leg| leg.response(now_ms, response));
        }
        let mut of_it = self.stale.iter_mut().filter(|stale| stale.call_id == response.call_id);
        match of_it.find_map(|stale| stale.response(response)) {
            Some(ended) if ended.surely() => tally.stale_ended.one(),
            Some(_) => tally.stale_failed.one(),
            None => tally.responses_stray.one(),
        }
        self.stale.retain(|stale| !stale.is_over());
    }

    fn request(&mut self, source: Source, request: &Request) {
        count(request.method, &self.tally);
        if request.method == Method::Ack {
            return self.acknowledged(request);
        }
        let key = Key::of(request, source.address);
        if let Some(bytes) = self.answered.again(&key) {
            self.tally.retransmissions.one();
            return self.parts.wire.send(Wire::back(source, request), bytes.to_vec());
        }
        let now_ms = self.parts.clock.now_ms();
        let call = self.dialog_of(request);
        let answer = match self.fault(request) {
            Some(answer) => answer,
            None if request.method == Method::Cancel => self.cancel(key.clone()),
            None => match call {
                Some(call) => self.in_dialog(now_ms, call, request),
                None => self.outside(now_ms, source, request),
            },
        };
        let bytes = answer.bytes(request, source.address, &self.parts.dice.text());
        match answer.code / 100 {
            2 => self.tally.answered_2xx.one(),
            4 => self.tally.answered_4xx.one(),
            _ => self.tally.answered_5xx.one(),
        }
        self.answered.keep(now_ms, key, request, answer.code, bytes.clone());
        self.parts.wire.send(Wire::back(source, request), bytes.clone());
        if let Some(live) = call.and_then(|call| self.live.get_mut(&call))
            && request.method == Method::Invite
            && answer.code == 200
        {
            live.leg.await_ack(now_ms, bytes);
        }
    }

    /// What is wrong with a request before anyone asks what it wants.
    fn fault(&mut self, request: &Request) -> Option<Answer> {
        if let Some(Fault { code, why }) = request.fault {
            self.tally.refused_malformed.one();
            return Some(Answer::new(code, why));
        }
        let vias = request.head.elements(Name::Via);
        let ours = |via: &&[u8]| Via::read(via).is_some_and(|v| v.branch.starts_with(&self.stem));
        if vias.iter().any(ours) {
            return Some(Answer::new(482, "Loop Detected"));
        }
        if request.method == Method::Cancel {
            return None;
        }
        if self.answered.came_otherwise(request) {
            return Some(Answer::new(482, "Request Merged"));
        }
        let required = request.head.elements(Name::Require);
        let unknown = required.into_iter().filter(|tag| !SUPPORTED.contains(tag));
        let unknown: Vec<_> = unknown.map(String::from_utf8_lossy).collect();
        (!unknown.is_empty())
            .then(|| Answer::new(420, "Bad Extension").with("Unsupported", unknown.join(", ")))
    }

    /// Every INVITE has its final answer at once, so a CANCEL has no effect on
    /// one that is known (RFC 3261 §9.2).
    fn cancel(&self, key: Key) -> Answer {
        match self.answered.knows_invite_of(key) {
            true => Answer::new(200, "OK"),
            false => Answer::new(481, "Call/Transaction Does Not Exist"),
        }
    }

    fn dialog_of(&self, request: &Request) -> Option<u64> {
        let call = *self.by_call_id.get(&request.call_id)?;
        self.live.get(&call)?.leg.has_dialog(request).then_some(call)
    }

    fn acknowledged(&mut self, request: &Request) {
        if let Some(live) = self.dialog_of(request).and_then(|call| self.live.get_mut(&call)) {
            live.leg.acknowledged();
        }
    }

    fn in_dialog(&mut self, now_ms: u64, call: u64, request: &Request) -> Answer {
        let Some(live) = self.live.get_mut(&call) else {
            return Answer::new(481, "Call/Transaction Does Not Exist");
        };
        let (answer, out) = live.leg.request(now_ms, request);
        self.carry_out(call, out);
        answer
    }

    fn outside(&mut self, now_ms: u64, source: Source, request: &Request) -> Answer {
        // In no dialog that we know; only REGISTER has no dialogs at all.
        if request.to_tag.is_some() && request.method != Method::Register {
            return Answer::new(481, "Call/Transaction Does Not Exist");
        }
        let books = Books { accounts: &self.admitted, tally: &self.tally };
        let desk = &mut self.parts.desk;
        let (answer, changed) = desk.answer(now_ms, source, request, books, &mut self.parts.dice);
        self.changed |= changed;
        if request.method == Method::Register && answer.code == 200 {
            self.parts.wire.prove(source);
        }
        answer
    }
}

fn count(method: Method, tally: &Tally) {
    match method {
        Method::Register => tally.requests_register.one(),
        Method::Options => tally.requests_options.one(),
        Method::Invite => tally.requests_invite.one(),
        Method::Ack => tally.requests_ack.one(),
        Method::Bye => tally.requests_bye.one(),
        Method::Cancel => tally.requests_cancel.one(),
        Method::Unserved | Method::Unknown => tally.requests_other.one(),
    }
}
