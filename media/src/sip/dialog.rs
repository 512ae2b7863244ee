//! An answered call, whoever began it: CSeq both ways, BYE, INFO, and what the
//! session timer wants (RFC 3261 §12, §15; RFC 6086; RFC 4028). INVITEs within
//! it are in `renewal`. A machine: it reads no clock and opens no socket. Refuses
//! to leave a far side that answered without a BYE.

use std::collections::VecDeque;

use super::answer::{ALLOW, Answer};
use super::call::{CallEvent, Changes, DialogNote};
use super::head::{Address, Head, Name};
use super::line::Output;
use super::message::{Method, Request, Response};
use super::renewal::{Change, Wanted};
use super::repeats::{PATIENCE_MS, Purpose, Repeats};
use super::script::{Asked, Script, fits};
use super::served::{Came, Lost, Served};
use super::session::Session;

/// Most Route headers.
const ROUTE_MAX: usize = 8;
/// INFOs of ours that are not answered yet; further ones are dropped.
const INFOS_MAX: usize = 16;
/// Longest body of an INFO, in bytes.
const INFO_MAX: usize = 1_024;
/// Longest Content-Type of one.
const KIND_MAX: usize = 64;

/// The far side of a dialog.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) tag: String,
    to: String,
    target: String,
    route: Vec<String>,
}

fn target(head: &Head) -> Option<String> {
    let contact = head.elements(Name::Contact).first().copied().and_then(Address::read);
    contact.map(|contact| contact.uri).filter(|uri| fits(uri))
}

fn route<'a>(recorded: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let uris = recorded.take(ROUTE_MAX).filter_map(Address::read).map(|a| a.uri);
    uris.filter(|uri| fits(uri)).collect()
}

impl Peer {
    /// §12.1.2: it answered our INVITE.
    pub(super) fn of_answer(script: &Script, response: &Response, tag: String) -> Self {
        let recorded = response.head.elements(Name::RecordRoute);
        let route = route(recorded.into_iter().rev());
        let to = match tag.as_str() {
            "" => script.to.clone(),
            tag => format!("{};tag={tag}", script.to),
        };
        Self {
            tag,
            to,
            target: target(&response.head).unwrap_or_else(|| script.uri.clone()),
            route: if route.is_empty() { script.route.clone() } else { route },
        }
    }

    /// §12.1.1: it sent the INVITE.
    pub(super) fn of_invite(script: &Script, request: &Request) -> Self {
        Self {
            tag: request.from_tag.clone(),
            to: script.to.clone(),
            target: target(&request.head).unwrap_or_else(|| script.uri.clone()),
            route: route(request.head.elements(Name::RecordRoute).into_iter()),
        }
    }

    pub(super) fn asked<'a>(&'a self, method: &'a str, cseq: u32, branch: &'a str) -> Asked<'a> {
        let Self { target, route, to, .. } = self;
        Asked { method, uri: target, route, to, cseq, branch, fields: &[], kind: "", body: &[] }
    }

    pub(super) fn note(&self, script: &Script, cseq: u32) -> DialogNote {
        DialogNote {
            number: script.number.clone(),
            transport: script.transport,
            address: script.address,
            call_id: script.call_id.clone(),
            from: script.from.clone(),
            to: self.to.clone(),
            target: self.target.clone(),
            route: self.route.clone(),
            cseq,
        }
    }

    /// A target refresh (§12.2).
    pub(super) fn refresh(&mut self, head: &Head) {
        if let Some(target) = target(head) {
            self.target = target;
        }
    }
}

/// How a dialog begins.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) changes: Changes,
    pub(super) session: Session,
    /// The session descriptions that were agreed on.
    pub(super) ours: String,
    pub(super) theirs: Vec<u8>,
    /// Whether the Call-ID is ours (§14.1).
    pub(super) caller: bool,
    /// The last CSeqs used.
    pub(super) cseq: u32,
    pub(super) far_cseq: Option<u32>,
    /// For waits that must not be the same on both sides.
    pub(super) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Up,
    /// To be hung up as soon as our 200 is acknowledged (§15).
    Leaving,
    /// Our BYE is out.
    Ending,
    Over {
        until_ms: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) script: Script,
    pub(super) peer: Peer,
    pub(super) terms: Terms,
    pub(super) life: Life,
    pub(super) repeats: Repeats,
    /// The INVITE of theirs that is not over.
    pub(super) served: Option<Served>,
    /// The owner is told of its ACK.
    pub(super) confirm: bool,
    /// The answer to our offer comes with its ACK.
    pub(super) late: bool,
    /// Until when the owner may answer it.
    pub(super) answer_by_ms: u64,
    /// The INVITE of ours that is out, and the one that waits.
    pub(super) change: Option<Change>,
    pub(super) wanted: Option<Wanted>,
    /// ACKs of the last INVITEs of ours, by branch.
    pub(super) acks: VecDeque<(String, Vec<u8>)>,
    pub(super) out: Vec<Output>,
}

impl Dialog {
    pub(super) fn new(script: &Script, peer: Peer, terms: Terms) -> Self {
        Self {
            script: script.apart(),
            peer,
            terms,
            life: Life::Up,
            repeats: Repeats::default(),
            served: None,
            confirm: false,
            late: false,
            answer_by_ms: u64::MAX,
            change: None,
            wanted: None,
            acks: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// The same, when it began with a 200 of ours.
    pub(super) fn until_acknowledged(mut self, served: Served) -> Self {
        (self.confirm, self.late) = (true, served.request().body.is_empty());
        self.served = Some(served);
        self
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.life, Life::Over { .. })
    }

    fn is_quiet(&self) -> bool {
        self.repeats.is_empty() && self.served.as_ref().is_none_or(Served::is_over)
    }

    pub(super) fn is_done(&self, now_ms: u64) -> bool {
        matches!(self.life, Life::Over { until_ms } if until_ms <= now_ms) && self.is_quiet()
    }

    pub(super) fn next_ms(&self) -> u64 {
        let mut next_ms = self.repeats.next_ms();
        if let Some(served) = &self.served {
            let open = served.is_open();
            next_ms = next_ms.min(if open { self.answer_by_ms } else { served.next_ms() });
        }
        match self.life {
            Life::Up => next_ms.min(self.terms.session.expires_ms()).min(self.renewal_ms()),
            Life::Over { until_ms } if self.is_quiet() => until_ms,
            Life::Leaving | Life::Ending | Life::Over { .. } => next_ms,
        }
    }

    pub(super) fn tell(&mut self, event: CallEvent) {
        self.out.push(Output::Tell(event));
    }

    /// Time went by.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        for purpose in self.repeats.tick(now_ms, &mut self.out) {
            match purpose {
                Purpose::Bye if self.life == Life::Ending => self.over(now_ms),
                Purpose::Invite => self.unanswered(now_ms),
                _ => {}
            }
        }
        let served = self.served.as_mut().map(|served| served.tick(now_ms, &mut self.out));
        if served == Some(Lost::Unacknowledged) {
            let why = "对方未确认应答 / the far side never acknowledged our answer";
            match self.life {
                Life::Up => self.lost(now_ms, why),
                Life::Leaving => self.bye(now_ms),
                Life::Ending | Life::Over { .. } => {}
            }
        }
        let open = self.served.as_ref().is_some_and(Served::is_open);
        if open && self.answer_by_ms <= now_ms {
            self.settle(now_ms, Answer::new(488, "Not Acceptable Here"));
        }
        if self.life == Life::Up && self.terms.session.expires_ms() <= now_ms {
            let why = "会话定时器到期，对方没有音讯 / the session timer ran out";
            self.lost(now_ms, why);
        }
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    /// Its owner wants it to end. Asked twice, it does not wait for an ACK.
    pub(super) fn hang_up(&mut self, now_ms: u64) -> Vec<Output> {
        self.settle(now_ms, Answer::new(487, "Request Terminated"));
        let early = self.served.as_ref().is_some_and(Served::waits_for_ack);
        match self.life {
            // §15: not before the ACK, or the BYE might overtake our 200.
            Life::Up if early => self.life = Life::Leaving,
            Life::Up | Life::Leaving => self.bye(now_ms),
            Life::Ending | Life::Over { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Its connection is gone.
    pub(super) fn flow_lost(&mut self, now_ms: u64) -> Vec<Output> {
        self.repeats.clear();
        if self.life == Life::Up {
            let why = "连接已断开 / the connection was lost".to_owned();
            self.tell(CallEvent::Ended { why });
        }
        let unanswered = self.served.as_mut().and_then(Served::abandon);
        self.out.extend(unanswered);
        if !self.is_over() {
            self.over(now_ms);
        }
        std::mem::take(&mut self.out)
    }

    /// The far side is lost to us, but perhaps not we to it.
    pub(super) fn lost(&mut self, now_ms: u64, why: &str) {
        self.tell(CallEvent::Ended { why: why.into() });
        self.settle(now_ms, Answer::new(487, "Request Terminated"));
        self.bye(now_ms);
    }

    pub(super) fn over(&mut self, now_ms: u64) {
        // A 2xx to an INVITE of ours is repeated over TCP too (§13.3.1.4).
        let lingers = self.terms.caller || !self.acks.is_empty();
        let wait_ms = if lingers { PATIENCE_MS } else { 0 };
        self.repeats.clear();
        self.wanted = None;
        self.settle(now_ms, Answer::new(487, "Request Terminated"));
        if let Some(served) = self.served.as_mut().filter(|served| served.waits_for_ack()) {
            served.taken();
        }
        self.life = Life::Over { until_ms: now_ms.saturating_add(wait_ms) };
    }

    pub(super) fn bye(&mut self, now_ms: u64) {
        self.repeats.clear();
        self.wanted = None;
        if let Some(served) = self.served.as_mut().filter(|served| served.waits_for_ack()) {
            served.taken();
        }
        self.life = Life::Ending;
        self.ask(now_ms, Purpose::Bye, "BYE", "", &[]);
    }

    /// A request within the dialog that is no INVITE.
    fn ask(&mut self, now_ms: u64, purpose: Purpose, method: &str, kind: &str, body: &[u8]) {
        self.terms.cseq += 1;
        let branch = self.script.branch();
        let asked = Asked { kind, body, ..self.peer.asked(method, self.terms.cseq, &branch) };
        let bytes = self.script.bytes(&asked);
        let sent = self.repeats.begin(now_ms, self.script.transport, purpose, branch, bytes);
        self.out.push(sent);
    }

    pub(super) fn info(&mut self, now_ms: u64, kind: &str, body: &[u8]) -> Vec<Output> {
        let room = self.repeats.count(Purpose::Info) < INFOS_MAX;
        if self.life == Life::Up && room && body.len() <= INFO_MAX && kind.len() <= KIND_MAX {
            self.ask(now_ms, Purpose::Info, "INFO", kind, body);
        }
        std::mem::take(&mut self.out)
    }

    /// A response to one of its requests.
    pub(super) fn response(&mut self, now_ms: u64, response: &Response) -> Vec<Output> {
        match response.method {
            Method::Invite => self.invited(now_ms, response),
            Method::Bye if response.code >= 200 => {
                let ours = self.repeats.answered(&response.branch, Purpose::Bye);
                if ours && self.life == Life::Ending {
                    self.over(now_ms);
                }
            }
            Method::Info if response.code >= 200 => {
                self.repeats.answered(&response.branch, Purpose::Info);
            }
            // Provisional answers to these change nothing; the rest is not ours.
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    /// A request with both tags, but no ACK and no CANCEL. `None`: answered by
    /// what it puts out, now or later.
    pub(super) fn request(
        &mut self,
        now_ms: u64,
        request: &Request,
        came: &Came,
    ) -> (Option<Answer>, Vec<Output>) {
        let answer = self.judge(now_ms, request, came);
        (answer, std::mem::take(&mut self.out))
    }

    fn judge(&mut self, now_ms: u64, request: &Request, came: &Came) -> Option<Answer> {
        let gone = || Some(Answer::new(481, "Call/Transaction Does Not Exist"));
        if self.is_over() {
            return gone();
        }
        // §12.2.2
        if self.terms.far_cseq.is_some_and(|last| request.cseq <= last) {
            return Some(Answer::new(500, "CSeq Out Of Order"));
        }
        self.terms.far_cseq = Some(request.cseq);
        match request.method {
            Method::Bye => {
                if self.life == Life::Up {
                    let why = "对方挂断 / the far side hung up".to_owned();
                    self.tell(CallEvent::Ended { why });
                }
                if self.life != Life::Ending {
                    self.over(now_ms);
                }
                Some(Answer::new(200, "OK"))
            }
            Method::Invite if self.life == Life::Up => self.reinvited(now_ms, request, came),
            Method::Info if self.life == Life::Up => Some(informed(request, &mut self.out)),
            Method::Invite | Method::Info => gone(),
            _ => Some(beside(request.method)),
        }
    }
}

/// An INFO, which is answered at once and told.
pub(super) fn informed(request: &Request, out: &mut Vec<Output>) -> Answer {
    if request.body.len() > INFO_MAX {
        return Answer::new(413, "Request Entity Too Large");
    }
    let kind = kind(request);
    if kind.len() > KIND_MAX {
        return Answer::new(415, "Unsupported Media Type");
    }
    out.push(Output::Tell(CallEvent::Info { kind, body: request.body.clone() }));
    Answer::new(200, "OK")
}

/// Content-Type in lower case, without parameters.
pub(super) fn kind(request: &Request) -> String {
    let value = request.head.first(Name::ContentType).unwrap_or_default();
    let value = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(value).to_ascii_lowercase()
}

/// What changes nothing within a dialog.
pub(super) fn beside(method: Method) -> Answer {
    match method {
        Method::Options => Answer::new(200, "OK").with("Allow", ALLOW),
        Method::Unknown => Answer::new(501, "Not Implemented").with("Allow", ALLOW),
        _ => Answer::new(405, "Method Not Allowed").with("Allow", ALLOW),
    }
}

/// Of a 500 that means *later*: from nought to ten seconds (§14.2).
pub(super) fn later(dice: u64) -> Answer {
    Answer::new(500, "Server Internal Error").with("Retry-After", dice % 11)
}
