//! One incoming call: 100, 18x, 2xx or a refusal, CANCEL and its race with our
//! 200 (RFC 3261 §9.2, §13.3). Answered, it is a dialog like any other. A
//! machine: it reads no clock and opens no socket. Refuses to ring without end.

use super::answer::{ALLOW, Answer};
use super::answered::Key;
use super::call::{CallEvent, Changes, DialogNote};
use super::dialog::{Dialog, Peer, Terms, beside, informed, later};
use super::line::{Deed, Output};
use super::message::{Method, Request, Response};
use super::script::Script;
use super::served::{Came, Served};
use super::session::Session;

/// How long a call may wait for its answer.
const RING_MS: u64 = 180_000;
/// How often a provisional answer is given again, lest a hop on the way think
/// that nothing comes any more (§13.3.1.1).
const RING_AGAIN_MS: u64 = 60_000;

/// What one incoming call is made of.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) script: Script,
    pub(super) session_s: u32,
    pub(super) seed: u64,
}

#[derive(Debug)]
enum State {
    /// No final answer yet.
    Ringing {
        served: Served,
        until_ms: u64,
        again_ms: u64,
        /// The last provisional answer but 100.
        last: Option<Answer>,
    },
    Up(Box<Dialog>),
    /// Refused or cancelled; perhaps not yet acknowledged.
    Over(Served),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Answering {
    script: Script,
    peer: Peer,
    session_s: u32,
    seed: u64,
    /// The highest CSeq of its requests.
    far_cseq: u32,
    state: State,
    out: Vec<Output>,
}

impl Answering {
    /// A call came, and is told that it did.
    pub(super) fn new(
        now_ms: u64,
        arrival: Arrival,
        request: &Request,
        came: Came,
    ) -> (Self, Vec<Output>) {
        let Arrival { script, session_s, seed } = arrival;
        let peer = Peer::of_invite(&script, request);
        let mut served = Served::new(request, came, &script.from_tag);
        let out = served.answer(now_ms, Answer::new(100, "Trying")).into_iter().collect();
        let state = State::Ringing {
            served,
            until_ms: now_ms.saturating_add(RING_MS),
            again_ms: u64::MAX,
            last: None,
        };
        let (far_cseq, no) = (request.cseq, Vec::new());
        (Self { script, peer, session_s, seed, far_cseq, state, out: no }, out)
    }

    pub(super) fn note(&self) -> DialogNote {
        self.peer.note(&self.script, 0)
    }

    pub(super) fn tag(&self) -> &str {
        &self.script.from_tag
    }

    pub(super) fn unanswered(&self) -> Option<u32> {
        matches!(self.state, State::Ringing { .. }).then_some(self.far_cseq)
    }

    pub(super) fn is_over(&self) -> bool {
        match &self.state {
            State::Ringing { .. } => false,
            State::Up(dialog) => dialog.is_over(),
            State::Over(_) => true,
        }
    }

    pub(super) fn is_done(&self, now_ms: u64) -> bool {
        match &self.state {
            State::Ringing { .. } => false,
            State::Up(dialog) => dialog.is_done(now_ms),
            State::Over(served) => served.is_over(),
        }
    }

    pub(super) fn next_ms(&self) -> u64 {
        match &self.state {
            State::Ringing { until_ms, again_ms, .. } => *until_ms.min(again_ms),
            State::Up(dialog) => dialog.next_ms(),
            // Nothing is left to do but to forget it.
            State::Over(served) if served.is_over() => 0,
            State::Over(served) => served.next_ms(),
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        match &mut self.state {
            State::Ringing { until_ms, .. } if *until_ms <= now_ms => {
                let why = "180 秒内无人应答 / nobody answered for 180 seconds";
                self.end(now_ms, Answer::new(480, "Temporarily Unavailable"), Some(why));
            }
            State::Ringing { served, again_ms, last, .. } if *again_ms <= now_ms => {
                *again_ms = now_ms.saturating_add(RING_AGAIN_MS);
                self.out.extend(last.clone().and_then(|last| served.answer(now_ms, last)));
            }
            State::Ringing { .. } => {}
            State::Up(dialog) => return dialog.tick(now_ms),
            State::Over(served) => {
                served.tick(now_ms, &mut self.out);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Its owner is gone, or wants it to end.
    pub(super) fn hang_up(&mut self, now_ms: u64) -> Vec<Output> {
        match &mut self.state {
            State::Ringing { .. } => {
                self.end(now_ms, Answer::new(503, "Service Unavailable"), None);
            }
            State::Up(dialog) => return dialog.hang_up(now_ms),
            State::Over(_) => {}
        }
        std::mem::take(&mut self.out)
    }

    pub(super) fn flow_lost(&mut self, now_ms: u64) -> Vec<Output> {
        match &mut self.state {
            State::Ringing { served, .. } => {
                let unanswered = served.abandon();
                self.out.extend(unanswered);
                let why = "连接已断开 / the connection was lost";
                self.end(now_ms, Answer::new(487, "Request Terminated"), Some(why));
            }
            State::Up(dialog) => return dialog.flow_lost(now_ms),
            State::Over(served) => {
                served.abandon();
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Refuses the INVITE; `why` is told when the owner does not know yet.
    fn end(&mut self, now_ms: u64, answer: Answer, why: Option<&str>) {
        let State::Ringing { served, .. } = &mut self.state else { return };
        self.out.extend(served.answer(now_ms, answer));
        let served = served.moved();
        self.state = State::Over(served);
        if let Some(why) = why {
            self.out.push(Output::Tell(CallEvent::Ended { why: why.into() }));
        }
    }

    pub(super) fn response(&mut self, now_ms: u64, response: &Response) -> Vec<Output> {
        match &mut self.state {
            State::Up(dialog) => dialog.response(now_ms, response),
            State::Ringing { .. } | State::Over(_) => Vec::new(),
        }
    }

    pub(super) fn has_dialog(&self, request: &Request) -> bool {
        request.to_tag.as_deref() == Some(&self.script.from_tag)
            && request.from_tag == self.peer.tag
    }

    pub(super) fn request(
        &mut self,
        now_ms: u64,
        request: &Request,
        came: &Came,
    ) -> (Option<Answer>, Vec<Output>) {
        if let State::Up(dialog) = &mut self.state {
            return dialog.request(now_ms, request, came);
        }
        let answer = self.early(now_ms, request);
        (Some(answer), std::mem::take(&mut self.out))
    }

    /// A request within a dialog that has no 200 yet.
    fn early(&mut self, now_ms: u64, request: &Request) -> Answer {
        if matches!(self.state, State::Over(_)) {
            return Answer::new(481, "Call/Transaction Does Not Exist");
        }
        if request.cseq <= self.far_cseq {
            return Answer::new(500, "CSeq Out Of Order");
        }
        self.far_cseq = request.cseq;
        match request.method {
            Method::Bye => {
                let why = "对方在应答前挂断 / the caller hung up before the answer";
                self.end(now_ms, Answer::new(487, "Request Terminated"), Some(why));
                Answer::new(200, "OK")
            }
            Method::Invite => later(self.seed),
            Method::Info => informed(request, &mut self.out),
            other => beside(other),
        }
    }

    pub(super) fn acknowledged(&mut self, now_ms: u64, request: &Request) -> Vec<Output> {
        match &mut self.state {
            State::Up(dialog) => return dialog.acknowledged(now_ms, request),
            State::Over(served) => {
                served.acknowledged(request.cseq);
            }
            State::Ringing { .. } => {}
        }
        Vec::new()
    }

    /// A CANCEL; one that crosses our final answer has no effect.
    pub(super) fn cancelled(&mut self, now_ms: u64, invite: &Key) -> Vec<Output> {
        match &mut self.state {
            State::Ringing { served, .. } if served.is_it(invite) => {
                let why = "对方在应答前取消 / the caller gave up before the answer";
                self.end(now_ms, Answer::new(487, "Request Terminated"), Some(why));
            }
            State::Up(dialog) if dialog.served.as_ref().is_some_and(|s| s.is_it(invite)) => {
                return dialog.cancelled(now_ms);
            }
            State::Ringing { .. } | State::Up(_) | State::Over(_) => {}
        }
        std::mem::take(&mut self.out)
    }

    pub(super) fn deed(&mut self, now_ms: u64, deed: Deed) -> Vec<Output> {
        if let State::Up(dialog) = &mut self.state {
            return dialog.deed(now_ms, deed);
        }
        match deed {
            Deed::Ring { code, sdp } => self.ring(now_ms, code, sdp),
            Deed::Answer { sdp } => self.answer(now_ms, sdp),
            Deed::Refuse { code, words } => self.end(now_ms, refusal(code, &words), None),
            // None of these means anything before the answer.
            Deed::Change { .. } | Deed::Agree { .. } | Deed::Info { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    fn ring(&mut self, now_ms: u64, code: u16, sdp: String) {
        let State::Ringing { served, again_ms, last, .. } = &mut self.state else { return };
        let code = code.clamp(180, 183);
        let reason = match code {
            180 => "Ringing",
            181 => "Call Is Being Forwarded",
            182 => "Queued",
            _ => "Session Progress",
        };
        let answer = Answer::new(code, reason)
            .with("Contact", self.script.contact())
            .with("Allow", ALLOW)
            .carrying(sdp);
        *again_ms = now_ms.saturating_add(RING_AGAIN_MS);
        *last = Some(answer.clone());
        self.out.extend(served.answer(now_ms, answer));
    }

    fn answer(&mut self, now_ms: u64, sdp: String) {
        let State::Ringing { served, .. } = &mut self.state else { return };
        let invite = served.request();
        let session = Session::taken(now_ms, &invite.head, self.session_s);
        let answer = Answer::new(200, "OK")
            .with("Contact", self.script.contact())
            .with("Allow", ALLOW)
            .described(&session, sdp.clone());
        let terms = Terms {
            changes: Changes::Ask,
            session,
            ours: sdp,
            theirs: invite.body.clone(),
            caller: false,
            cseq: 0,
            far_cseq: Some(self.far_cseq),
            seed: self.seed,
        };
        self.out.extend(served.answer(now_ms, answer));
        let dialog = Dialog::new(&self.script, self.peer.clone(), terms);
        self.state = State::Up(Box::new(dialog.until_acknowledged(served.moved())));
    }
}

impl Dialog {
    pub(super) fn deed(&mut self, now_ms: u64, deed: Deed) -> Vec<Output> {
        match deed {
            Deed::Refuse { code, words } => self.refuse(now_ms, refusal(code, &words)),
            Deed::Change { sdp } => self.change(now_ms, sdp),
            Deed::Agree { sdp } => self.agree(now_ms, sdp),
            Deed::Info { kind, body } => self.info(now_ms, &kind, &body),
            // It is answered already.
            Deed::Ring { .. } | Deed::Answer { .. } => Vec::new(),
        }
    }
}

/// A final refusal, its reason phrase by its code.
fn refusal(code: u16, words: &str) -> Answer {
    let code = if (400..700).contains(&code) { code } else { 480 };
    let reason = match code {
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        480 => "Temporarily Unavailable",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        ..500 => "Refused",
        _ => "Server Error",
    };
    let answer = Answer::new(code, reason);
    if words.is_empty() { answer } else { answer.warn(words) }
}
