//! What the hub does with a message: the same request again gets the same
//! answer, what is broken is told so, what belongs to a call goes there, the
//! rest to the desk. Refuses to answer answers.

use weir_signaling::registrar::Source;

use super::answer::Answer;
use super::answered::Key;
use super::call::MessageError;
use super::counters::Tally;
use super::desk::Books;
use super::head::Name;
use super::hub::{Hub, Input};
use super::message::{Fault, Message, Method, Request, Response, Via};
use super::served::Came;
use super::wire::Wire;

/// What a request may require of us (RFC 3261 §8.2.2.3).
const SUPPORTED: [&[u8]; 2] = [b"path", b"timer"];

impl Hub {
    pub(super) fn input(&mut self, input: Input) {
        match input {
            Input::Message { message, source, last } => {
                match message {
                    Message::Request(request) => self.request(source, &request),
                    Message::Response(response) => self.response(source, &response),
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
        let now_ms = self.parts.clock.now_ms();
        for call in self.legs.on(hop) {
            self.with_leg(call, |line| line.flow_lost(now_ms));
            self.legs.forget_done(call, now_ms);
        }
        for text in self.texts.values_mut().filter(|text| text.hop == hop) {
            text.end(Err(MessageError::Unreachable));
        }
    }

    /// Branches can be guessed from one another; a Call-ID of ours cannot, and it
    /// is believed from where its request went only.
    fn response(&mut self, source: Source, response: &Response) {
        let tally = self.tally.clone();
        match response.code / 100 {
            1 => tally.responses_1xx.one(),
            2 => tally.responses_2xx.one(),
            3 => tally.responses_3xx.one(),
            4 => tally.responses_4xx.one(),
            5 => tally.responses_5xx.one(),
            _ => tally.responses_6xx.one(),
        }
        let now_ms = self.parts.clock.now_ms();
        let id = self.id_of(&response.branch);
        if let Some(call) = id.filter(|id| self.legs.get_mut(*id).is_some()) {
            if !self.legs.answers(call, response, source) {
                self.tally.calls_strangers.one();
                return tally.responses_stray.one();
            }
            return self.with_leg(call, |line| line.response(now_ms, response));
        }
        if let Some(text) = id.and_then(|id| self.texts.get_mut(&id)) {
            if response.code / 100 == 2 {
                tally.messages_taken.one();
            }
            return text.response(now_ms, response);
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
            return self.acknowledged(source, request);
        }
        let (key, back) = (Key::of(request, source.address), Wire::back(source, request));
        let open = self.legs.open.get(&key).map(|open| open.bytes.as_slice());
        if let Some(bytes) = self.answered.again(&key).or(open) {
            self.tally.retransmissions.one();
            return self.parts.wire.send(back, bytes.to_vec());
        }
        let now_ms = self.parts.clock.now_ms();
        let came = Came::new(request, key.clone(), source.address, back);
        let mut tag = None;
        let answer = match self.fault(request) {
            Some(answer) => Some(answer),
            None if request.method == Method::Cancel => {
                Some(self.cancel(now_ms, key.clone(), &mut tag))
            }
            None => match self.legs.dialog_of(request, source) {
                Some((call, true)) => self.in_dialog(now_ms, call, request, &came),
                Some((_, false)) => {
                    self.tally.calls_strangers.one();
                    Some(Answer::new(481, "Call/Transaction Does Not Exist"))
                }
                None if request.method == Method::Invite && request.to_tag.is_none() => {
                    self.incoming(now_ms, source, request, came.clone())
                }
                None => Some(self.outside(now_ms, source, request)),
            },
        };
        // None: the leg answers, now or later.
        let Some(answer) = answer else { return };
        let tag = tag.unwrap_or_else(|| self.parts.dice.text());
        let bytes = answer.bytes(request, source.address, &tag);
        self.tally.answered(answer.code);
        let merged = came.merged.filter(|_| answer.code != 401);
        self.answered.keep(now_ms, key, merged, bytes.clone());
        self.parts.wire.send(back, bytes);
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

    /// Ends what its INVITE began, unless that has its final answer already
    /// (RFC 3261 §9.2).
    fn cancel(&mut self, now_ms: u64, key: Key, tag: &mut Option<String>) -> Answer {
        let invite = key.clone().invite();
        if let Some(call) = self.legs.open.get(&invite).map(|open| open.leg) {
            *tag = self.legs.get_mut(call).map(|live| live.line.tag().to_owned());
            self.with_leg(call, |line| line.cancelled(now_ms, &invite));
            return Answer::new(200, "OK");
        }
        match self.answered.knows_invite_of(key) {
            true => Answer::new(200, "OK"),
            false => Answer::new(481, "Call/Transaction Does Not Exist"),
        }
    }

    fn acknowledged(&mut self, source: Source, request: &Request) {
        if let Some((call, true)) = self.legs.dialog_of(request, source) {
            let now_ms = self.parts.clock.now_ms();
            self.with_leg(call, |line| line.acknowledged(now_ms, request));
        }
    }

    fn in_dialog(
        &mut self,
        now_ms: u64,
        call: u64,
        request: &Request,
        came: &Came,
    ) -> Option<Answer> {
        let Some(live) = self.legs.get_mut(call) else {
            return Some(Answer::new(481, "Call/Transaction Does Not Exist"));
        };
        let (answer, out) = live.line.request(now_ms, request, came);
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
        if request.method == Method::Register {
            self.note_expiry();
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
        Method::Info => tally.requests_info.one(),
        Method::Unserved | Method::Unknown => tally.requests_other.one(),
    }
}
