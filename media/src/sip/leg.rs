//! One outgoing call: INVITE, CANCEL, ACK, BYE and what may cross on the way
//! (RFC 3261 §9, §13, §15, §17.1; RFC 6026). A machine: it reads no clock and
//! opens no socket; its caller sends what it puts out, in order. Refuses to
//! forget a device that answered: every answer is acknowledged, and each that
//! is not wanted is ended.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::call::{CallEvent, DialogNote};
use super::head::{Address, Name};
use super::kept::Transport;
use super::message::{Method, Request, Response};
use super::script::{Asked, Script};

/// RFC 3261 §17.1.1.1: the round trip we assume, and the slowest repetition.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;
/// After this long a transaction is over.
const PATIENCE_MS: u64 = 64 * T1_MS;
/// Most answers to one call that are told apart.
const FORKS_MAX: usize = 8;
/// Most changes of a provisional answer that are told.
const RINGS_MAX: usize = 8;
/// Most Route headers.
const ROUTE_MAX: usize = 8;

/// What the machine wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Send(Vec<u8>),
    Tell(CallEvent),
    /// For the counters: an answer that nobody wanted any more.
    Crossed,
    Forked,
}

/// A request that is sent again until it is answered.
#[derive(Debug, Clone)]
struct Repeat {
    bytes: Vec<u8>,
    branch: String,
    purpose: Purpose,
    /// Over TCP it is sent once.
    next_ms: Option<u64>,
    gap_ms: u64,
    until_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Invite,
    Cancel,
    Bye,
    /// BYE to a second answer.
    ForkBye,
    /// Our 200 to a re-INVITE.
    Answer,
}

/// A dialog with the far side.
#[derive(Debug, Clone)]
struct Dialog {
    tag: String,
    to: String,
    target: String,
    route: Vec<String>,
    cseq: u32,
    /// The highest CSeq of its requests.
    far_cseq: Option<u32>,
    sdp: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// No final answer yet; `code` is the last provisional one, 0 before any.
    Calling {
        code: u16,
    },
    /// Not wanted any more; perhaps not yet cancelled, for a CANCEL may only
    /// follow a provisional answer (§9.1).
    GivenUp {
        cancelled: bool,
        until_ms: u64,
    },
    Up(Dialog),
    /// Our BYE is out.
    Ending(Dialog),
    /// Nothing more happens, but late answers are still acknowledged.
    Over {
        until_ms: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    script: Script,
    offer: String,
    state: State,
    answer_by_ms: u64,
    lost_by_ms: u64,
    invite_branch: String,
    repeats: Vec<Repeat>,
    /// ACKs of 2xx by the tag they were for.
    acks: BTreeMap<String, Vec<u8>>,
    rings: usize,
    out: Vec<Output>,
}

impl Leg {
    /// Begins a call; `fields` are added to its INVITE.
    pub(super) fn new(
        now_ms: u64,
        mut script: Script,
        fields: &[String],
        offer: String,
        answer_within_ms: u64,
    ) -> (Self, Vec<Output>) {
        let invite_branch = script.branch();
        let asked = Asked {
            method: "INVITE",
            uri: &script.uri,
            route: &script.route,
            to: &script.to,
            cseq: 1,
            branch: &invite_branch,
            fields,
            sdp: &offer,
        };
        let bytes = script.bytes(&asked);
        let mut leg = Self {
            script,
            offer,
            state: State::Calling { code: 0 },
            answer_by_ms: now_ms.saturating_add(answer_within_ms),
            lost_by_ms: now_ms.saturating_add(PATIENCE_MS),
            invite_branch: invite_branch.clone(),
            repeats: Vec::new(),
            acks: BTreeMap::new(),
            rings: 0,
            out: Vec::new(),
        };
        leg.repeat(now_ms, Purpose::Invite, invite_branch, bytes);
        let out = std::mem::take(&mut leg.out);
        (leg, out)
    }

    /// Whether the far side has nothing more to do with us.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// Whether it can be forgotten.
    pub(super) fn is_done(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Over { until_ms } if until_ms <= now_ms)
            && self.repeats.is_empty()
    }

    /// When [`tick`](Self::tick) next has something to do.
    pub(super) fn next_ms(&self) -> u64 {
        let repeats = self.repeats.iter();
        let repeats = repeats.map(|r| r.next_ms.unwrap_or(u64::MAX).min(r.until_ms)).min();
        let own = match &self.state {
            State::Calling { code: 0 } => self.answer_by_ms.min(self.lost_by_ms),
            State::Calling { .. } => self.answer_by_ms,
            State::GivenUp { until_ms, .. } | State::Over { until_ms } => *until_ms,
            State::Up(_) | State::Ending(_) => u64::MAX,
        };
        own.min(repeats.unwrap_or(u64::MAX))
    }

    fn repeat(&mut self, now_ms: u64, purpose: Purpose, branch: String, bytes: Vec<u8>) {
        let again = self.script.transport == Transport::Udp || purpose == Purpose::Answer;
        let next_ms = again.then(|| now_ms.saturating_add(T1_MS));
        let until_ms = now_ms.saturating_add(PATIENCE_MS);
        self.out.push(Output::Send(bytes.clone()));
        self.repeats.push(Repeat { bytes, branch, purpose, next_ms, gap_ms: T1_MS, until_ms });
    }

    fn tell(&mut self, event: CallEvent) {
        self.out.push(Output::Tell(event));
    }

    fn over(&mut self, now_ms: u64) {
        // Over TCP only an answer to the INVITE is ever repeated (§13.3.1.4).
        let quiet = self.script.transport == Transport::Tcp && self.acks.is_empty();
        let wait_ms = if quiet { 0 } else { PATIENCE_MS };
        self.repeats.retain(|r| matches!(r.purpose, Purpose::ForkBye));
        self.state = State::Over { until_ms: now_ms.saturating_add(wait_ms) };
    }

    /// Time went by.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        for repeat in &mut self.repeats {
            let Some(next_ms) = repeat.next_ms.filter(|next_ms| *next_ms <= now_ms) else {
                continue;
            };
            let doubled = repeat.gap_ms * 2;
            // Timer A doubles without end, timer E up to T2.
            let invite = repeat.purpose == Purpose::Invite;
            repeat.gap_ms = if invite { doubled } else { doubled.min(T2_MS) };
            repeat.next_ms = Some(next_ms.max(now_ms).saturating_add(repeat.gap_ms));
            self.out.push(Output::Send(repeat.bytes.clone()));
        }
        let before = self.repeats.iter().any(|r| r.purpose == Purpose::Bye);
        self.repeats.retain(|repeat| repeat.until_ms > now_ms);
        let bye_gone = before && !self.repeats.iter().any(|r| r.purpose == Purpose::Bye);
        match &self.state {
            State::Calling { code } => {
                let lost = *code == 0 && self.lost_by_ms <= now_ms;
                if lost || self.answer_by_ms <= now_ms {
                    self.tell(CallEvent::Silent);
                    self.give_up(now_ms);
                }
            }
            State::GivenUp { until_ms, .. } if *until_ms <= now_ms => self.over(now_ms),
            State::Ending(_) if bye_gone => self.over(now_ms),
            State::GivenUp { .. } | State::Up(_) | State::Ending(_) | State::Over { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Its owner wants it to end.
    pub(super) fn hang_up(&mut self, now_ms: u64) -> Vec<Output> {
        match std::mem::replace(&mut self.state, State::Over { until_ms: now_ms }) {
            State::Calling { code } => {
                self.state = State::Calling { code };
                self.give_up(now_ms);
            }
            State::Up(dialog) => self.bye(now_ms, dialog),
            // Under way already.
            state @ (State::GivenUp { .. } | State::Ending(_) | State::Over { .. }) => {
                self.state = state;
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Its connection is gone.
    pub(super) fn flow_lost(&mut self, now_ms: u64) -> Vec<Output> {
        self.repeats.clear();
        if matches!(self.state, State::Calling { .. } | State::Up(_)) {
            let why = "连接已断开 / the connection was lost".to_owned();
            self.tell(CallEvent::Ended { why });
        }
        if !self.is_over() {
            self.over(now_ms);
        }
        std::mem::take(&mut self.out)
    }

    fn give_up(&mut self, now_ms: u64) {
        let heard = matches!(self.state, State::Calling { code } if code > 0);
        self.repeats.retain(|repeat| repeat.purpose != Purpose::Invite);
        // Without a provisional answer, one may come as long as the INVITE's
        // transaction lives.
        let until_ms = if heard { now_ms.saturating_add(PATIENCE_MS) } else { self.lost_by_ms };
        self.state = State::GivenUp { cancelled: heard, until_ms };
        if heard {
            self.cancel(now_ms);
        }
    }

    /// §9.1: the INVITE's own branch and CSeq.
    fn cancel(&mut self, now_ms: u64) {
        let script = &self.script;
        let asked = Asked {
            method: "CANCEL",
            uri: &script.uri,
            route: &script.route,
            to: &script.to,
            cseq: 1,
            branch: &self.invite_branch,
            fields: &[],
            sdp: "",
        };
        let bytes = script.bytes(&asked);
        self.repeat(now_ms, Purpose::Cancel, self.invite_branch.clone(), bytes);
    }

    fn bye(&mut self, now_ms: u64, mut dialog: Dialog) {
        dialog.cseq += 1;
        self.send_bye(now_ms, &dialog, Purpose::Bye);
        self.state = State::Ending(dialog);
    }

    fn send_bye(&mut self, now_ms: u64, dialog: &Dialog, purpose: Purpose) {
        let branch = self.script.branch();
        let bytes = self.script.bytes(&dialog.asked("BYE", dialog.cseq, &branch));
        self.repeat(now_ms, purpose, branch, bytes);
    }

    /// A response whose Call-ID is ours.
    pub(super) fn response(&mut self, now_ms: u64, response: &Response) -> Vec<Output> {
        match response.method {
            Method::Invite if response.branch == self.invite_branch && response.cseq == 1 => {
                self.invited(now_ms, response);
            }
            Method::Cancel if response.code >= 200 && response.branch == self.invite_branch => {
                self.repeats.retain(|repeat| repeat.purpose != Purpose::Cancel);
            }
            Method::Bye if response.code >= 200 => {
                let at = self.repeats.iter().position(|r| r.branch == response.branch);
                let answered = at.map(|at| self.repeats.remove(at).purpose);
                if answered == Some(Purpose::Bye) && matches!(self.state, State::Ending(_)) {
                    self.over(now_ms);
                }
            }
            // Provisional answers to these change nothing; the rest is not ours.
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    fn invited(&mut self, now_ms: u64, response: &Response) {
        self.repeats.retain(|repeat| repeat.purpose != Purpose::Invite);
        match response.code {
            100..=199 => self.rung(now_ms, response.code),
            200..=299 => self.answered(now_ms, response),
            _ => self.refused(now_ms, response),
        }
    }

    fn rung(&mut self, now_ms: u64, code: u16) {
        match &mut self.state {
            // A device that goes back from 180 to 100 has not stopped ringing.
            State::Calling { code: before } if *before != code && (code > 100 || *before == 0) => {
                *before = code;
                self.rings += 1;
                if self.rings <= RINGS_MAX {
                    self.tell(match code {
                        100 => CallEvent::Trying,
                        code => CallEvent::Ringing { code },
                    });
                }
            }
            State::GivenUp { cancelled: false, .. } => {
                let until_ms = now_ms.saturating_add(PATIENCE_MS);
                self.state = State::GivenUp { cancelled: true, until_ms };
                self.cancel(now_ms);
            }
            State::Calling { .. }
            | State::GivenUp { .. }
            | State::Up(_)
            | State::Ending(_)
            | State::Over { .. } => {}
        }
    }

    fn answered(&mut self, now_ms: u64, response: &Response) {
        let tag = response.to_tag.clone().unwrap_or_default();
        if let Some(ack) = self.acks.get(&tag) {
            return self.out.push(Output::Send(ack.clone()));
        }
        if self.acks.len() >= FORKS_MAX {
            return;
        }
        let mut dialog = Dialog::of(&self.script, response, tag.clone());
        let branch = self.script.branch();
        let ack = self.script.bytes(&dialog.asked("ACK", 1, &branch));
        self.acks.insert(tag, ack.clone());
        self.out.push(Output::Send(ack));
        match &self.state {
            State::Calling { .. } => {
                let sdp = String::from_utf8_lossy(&response.body).into_owned();
                let note = dialog.note(&self.script);
                self.state = State::Up(dialog);
                self.tell(CallEvent::Answered { sdp, note });
            }
            // Our CANCEL crossed its answer: it thinks it is in a call.
            State::GivenUp { .. } => {
                self.out.push(Output::Crossed);
                self.repeats.retain(|repeat| repeat.purpose != Purpose::Cancel);
                self.bye(now_ms, dialog);
            }
            State::Up(_) | State::Ending(_) | State::Over { .. } => {
                self.out.push(Output::Forked);
                dialog.cseq += 1;
                self.send_bye(now_ms, &dialog, Purpose::ForkBye);
            }
        }
    }

    fn refused(&mut self, now_ms: u64, response: &Response) {
        // §17.1.1.3: on the INVITE's own branch, to the To of the answer.
        let to = response.head.first(Name::To).map(String::from_utf8_lossy).unwrap_or_default();
        let script = &self.script;
        let asked = Asked {
            method: "ACK",
            uri: &script.uri,
            route: &script.route,
            to: &to,
            cseq: 1,
            branch: &self.invite_branch,
            fields: &[],
            sdp: "",
        };
        self.out.push(Output::Send(script.bytes(&asked)));
        match &self.state {
            State::Calling { .. } => {
                let reason = response.reason.clone();
                self.tell(CallEvent::Refused { code: response.code, reason });
                self.over(now_ms);
            }
            State::GivenUp { .. } => self.over(now_ms),
            State::Up(_) | State::Ending(_) | State::Over { .. } => {}
        }
    }

    /// Whether a request with our Call-ID belongs to one of its dialogs.
    pub(super) fn has_dialog(&self, request: &Request) -> bool {
        request.to_tag.as_deref() == Some(&self.script.from_tag)
            && self.acks.contains_key(&request.from_tag)
    }

    /// A request within a dialog, but no ACK and no CANCEL.
    pub(super) fn request(&mut self, now_ms: u64, request: &Request) -> (Answer, Vec<Output>) {
        let answer = self.judge(now_ms, request);
        (answer, std::mem::take(&mut self.out))
    }

    fn judge(&mut self, now_ms: u64, request: &Request) -> Answer {
        let gone = Answer::new(481, "Call/Transaction Does Not Exist");
        let (State::Up(dialog) | State::Ending(dialog)) = &mut self.state else { return gone };
        if dialog.tag != request.from_tag {
            // A second answer, which we end anyway.
            return if request.method == Method::Bye { Answer::new(200, "OK") } else { gone };
        }
        // §12.2.2
        if dialog.far_cseq.is_some_and(|last| request.cseq <= last) {
            return Answer::new(500, "CSeq Out Of Order");
        }
        dialog.far_cseq = Some(request.cseq);
        let up = matches!(self.state, State::Up(_));
        match request.method {
            Method::Bye => {
                if up {
                    let why = "对方挂断 / the far side hung up".to_owned();
                    self.tell(CallEvent::Ended { why });
                    self.over(now_ms);
                }
                Answer::new(200, "OK")
            }
            Method::Invite => self.reinvited(request),
            Method::Options => Answer::new(200, "OK").with("Allow", super::answer::ALLOW),
            Method::Unserved | Method::Register | Method::Ack | Method::Cancel => {
                Answer::new(405, "Method Not Allowed").with("Allow", super::answer::ALLOW)
            }
            Method::Unknown => Answer::new(501, "Not Implemented"),
        }
    }

    /// A refresh is agreed to, a change of the session is not: 488 leaves it as
    /// it was (§14.2).
    fn reinvited(&mut self, request: &Request) -> Answer {
        let State::Up(dialog) = &self.state else {
            return Answer::new(481, "Call/Transaction Does Not Exist");
        };
        let same = request.body.is_empty() || request.body == dialog.sdp;
        if !same {
            return Answer::new(488, "Not Acceptable Here");
        }
        let mut answer = Answer::new(200, "OK")
            .with("Contact", self.script.contact())
            .with("Allow", super::answer::ALLOW)
            .with("Content-Type", "application/sdp");
        answer.body = self.offer.clone().into_bytes();
        answer
    }

    /// Our 200 to a re-INVITE went out as `bytes`; it is sent again until its
    /// ACK comes (§13.3.1.4), over TCP as well.
    pub(super) fn await_ack(&mut self, now_ms: u64, bytes: Vec<u8>) {
        self.repeats.retain(|repeat| repeat.purpose != Purpose::Answer);
        self.repeat(now_ms, Purpose::Answer, String::new(), bytes);
        // It has been sent already.
        self.out.clear();
    }

    /// An ACK within a dialog.
    pub(super) fn acknowledged(&mut self) {
        self.repeats.retain(|repeat| repeat.purpose != Purpose::Answer);
    }
}

impl Dialog {
    /// §12.1.2
    fn of(script: &Script, response: &Response, tag: String) -> Self {
        let fits = |uri: &String| {
            uri.len() <= 512 && uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b))
        };
        let contact =
            response.head.elements(Name::Contact).first().copied().and_then(Address::read);
        let target = contact.map(|contact| contact.uri).filter(fits);
        let routes = response.head.elements(Name::RecordRoute);
        let route: Vec<_> = routes.into_iter().rev().take(ROUTE_MAX).collect();
        let route: Vec<_> =
            route.into_iter().filter_map(Address::read).map(|a| a.uri).filter(fits).collect();
        let to = match tag.as_str() {
            "" => script.to.clone(),
            tag => format!("{};tag={tag}", script.to),
        };
        Self {
            tag,
            to,
            target: target.unwrap_or_else(|| script.uri.clone()),
            route: if route.is_empty() { script.route.clone() } else { route },
            cseq: 1,
            far_cseq: None,
            sdp: response.body.clone(),
        }
    }

    fn asked<'a>(&'a self, method: &'a str, cseq: u32, branch: &'a str) -> Asked<'a> {
        let Self { target, route, to, .. } = self;
        Asked { method, uri: target, route, to, cseq, branch, fields: &[], sdp: "" }
    }

    fn note(&self, script: &Script) -> DialogNote {
        DialogNote {
            number: script.number.clone(),
            transport: script.transport,
            address: script.address,
            call_id: script.call_id.clone(),
            from: script.from.clone(),
            to: self.to.clone(),
            target: self.target.clone(),
            route: self.route.clone(),
            cseq: self.cseq,
        }
    }
}
