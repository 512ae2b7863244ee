//! INVITEs within a dialog, both ways: changes, refreshes, and which of two that
//! cross goes first (RFC 3261 §14; RFC 4028). Part of the dialog's machine;
//! refuses to have two under way at once, and to agree to a change that nobody
//! was asked about.

use super::answer::{ALLOW, Answer};
use super::call::{CallEvent, Changes};
use super::dialog::{Dialog, Life, kind, later};
use super::head::{BODY_MAX, Name};
use super::line::Output;
use super::message::{Request, Response};
use super::repeats::Purpose;
use super::script::{Asked, SDP};
use super::served::{Came, Served};
use super::session::{MIN_SE_S, too_brief};

/// How long an owner may think about a change.
const ANSWER_WITHIN_MS: u64 = 20_000;
/// How often a change is sent again that crossed one of theirs.
const TRIES_MAX: u32 = 8;
/// ACKs that are kept, for answers that come again.
const ACKS_MAX: usize = 4;

/// An INVITE that we want to send.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    sdp: String,
    /// Nothing changes by it, and nobody waits for its answer.
    refresh: bool,
    at_ms: u64,
    tries: u32,
    /// A 422 was heeded once.
    raised: bool,
}

/// One that is out.
#[derive(Debug)]
pub(super) struct Change {
    wanted: Wanted,
    branch: String,
    cseq: u32,
}

impl Dialog {
    /// Whether no INVITE is under way in either direction.
    fn is_free(&self) -> bool {
        self.life == Life::Up
            && self.change.is_none()
            && self.served.as_ref().is_none_or(|s| !s.is_open() && !s.waits_for_ack())
    }

    /// When [`go_on`](Self::go_on) next has something to do.
    pub(super) fn renewal_ms(&self) -> u64 {
        if !self.is_free() {
            return u64::MAX;
        }
        let wanted_ms = self.wanted.as_ref().map_or(u64::MAX, |wanted| wanted.at_ms);
        wanted_ms.min(self.terms.session.refresh_ms())
    }

    /// Sends what waited, or a refresh that is due.
    pub(super) fn go_on(&mut self, now_ms: u64) {
        if !self.is_free() {
            return;
        }
        if let Some(wanted) = self.wanted.take_if(|wanted| wanted.at_ms <= now_ms) {
            return self.invite(now_ms, wanted);
        }
        if self.terms.session.refresh_ms() <= now_ms {
            let (sdp, at_ms) = (self.terms.ours.clone(), now_ms);
            self.terms.session.later(now_ms);
            self.invite(now_ms, Wanted { sdp, refresh: true, at_ms, tries: 0, raised: false });
        }
    }

    /// The owner wants another session.
    pub(super) fn change(&mut self, now_ms: u64, sdp: String) -> Vec<Output> {
        if self.life == Life::Up {
            if sdp.is_empty() || sdp.len() > BODY_MAX {
                self.tell(CallEvent::Declined { code: 488 });
            } else {
                let (refresh, tries, raised) = (false, 0, false);
                // Every change is answered once, also one that another replaces.
                if self.wanted.take().is_some_and(|before| !before.refresh) {
                    self.tell(CallEvent::Declined { code: 491 });
                }
                self.wanted = Some(Wanted { sdp, refresh, at_ms: now_ms, tries, raised });
                self.go_on(now_ms);
            }
        }
        std::mem::take(&mut self.out)
    }

    fn invite(&mut self, now_ms: u64, wanted: Wanted) {
        self.terms.cseq += 1;
        let (cseq, branch) = (self.terms.cseq, self.script.branch());
        let fields = self.terms.session.ask_fields();
        let asked = Asked {
            fields: &fields,
            kind: SDP,
            body: wanted.sdp.as_bytes(),
            ..self.peer.asked("INVITE", cseq, &branch)
        };
        let bytes = self.script.bytes(&asked);
        let (over, purpose) = (self.script.transport, Purpose::Invite);
        let sent = self.repeats.begin(now_ms, over, purpose, branch.clone(), bytes);
        self.out.push(sent);
        self.change = Some(Change { wanted, branch, cseq });
    }

    /// A response to an INVITE of ours within the dialog.
    pub(super) fn invited(&mut self, now_ms: u64, response: &Response) {
        if let Some((_, ack)) = self.acks.iter().find(|(branch, _)| *branch == response.branch) {
            return self.out.push(Output::Send(ack.clone()));
        }
        if response.code < 200 {
            return self.repeats.heard_of(now_ms, &response.branch);
        }
        let is_it = |c: &mut Change| c.branch == response.branch && c.cseq == response.cseq;
        let Some(change) = self.change.take_if(is_it) else { return };
        self.repeats.answered(&change.branch, Purpose::Invite);
        if response.code < 300 {
            self.peer.refresh(&response.head);
        }
        self.acknowledge(&change, response);
        if self.life == Life::Up {
            self.concluded(now_ms, change.wanted, response);
            self.go_on(now_ms);
        }
    }

    /// ACK: of a 2xx a request of its own, else on the INVITE's branch.
    fn acknowledge(&mut self, change: &Change, response: &Response) {
        let accepted = response.code < 300;
        let branch = if accepted { self.script.branch() } else { change.branch.clone() };
        let bytes = self.script.bytes(&self.peer.asked("ACK", change.cseq, &branch));
        self.out.push(Output::Send(bytes.clone()));
        self.acks.truncate(ACKS_MAX - 1);
        self.acks.push_front((change.branch.clone(), bytes));
    }

    fn concluded(&mut self, now_ms: u64, wanted: Wanted, response: &Response) {
        match response.code {
            200..=299 => {
                self.terms.session.answered(now_ms, &response.head);
                self.terms.ours = wanted.sdp;
                let other = !response.body.is_empty() && response.body != self.terms.theirs;
                if other {
                    self.terms.theirs.clone_from(&response.body);
                }
                // A refresh that was answered otherwise than before is told too.
                if !wanted.refresh || (other && self.terms.changes == Changes::Ask) {
                    let sdp = String::from_utf8_lossy(&response.body).into_owned();
                    self.tell(CallEvent::Agreed { sdp });
                }
            }
            422 if !wanted.raised => {
                self.terms.session.raise(&response.head);
                self.again(wanted, now_ms, true);
            }
            491 if wanted.tries < TRIES_MAX => {
                // §14.1: whoever made the Call-ID waits longer, in steps of 10 ms.
                let wait_ms = match self.terms.caller {
                    true => 2_100 + self.dice() % 191 * 10,
                    false => self.dice() % 201 * 10,
                };
                self.again(wanted, now_ms.saturating_add(wait_ms.max(1)), false);
            }
            408 | 481 => {
                let why = "对方已不在通话中 / the far side is no longer in the call";
                self.lost(now_ms, why);
            }
            _ if wanted.refresh => self.terms.session.later(now_ms),
            code => self.tell(CallEvent::Declined { code }),
        }
    }

    /// Once more, unless the owner wants something else by now.
    fn again(&mut self, wanted: Wanted, at_ms: u64, raised: bool) {
        if self.wanted.is_none() {
            let (tries, raised) = (wanted.tries + 1, wanted.raised || raised);
            self.wanted = Some(Wanted { at_ms, tries, raised, ..wanted });
        } else if !wanted.refresh {
            self.tell(CallEvent::Declined { code: 491 });
        }
    }

    /// An INVITE of ours got no answer at all.
    pub(super) fn unanswered(&mut self, now_ms: u64) {
        self.change = None;
        if self.life == Life::Up {
            let why = "对方没有应答 / the far side did not answer";
            self.lost(now_ms, why);
        }
    }

    fn dice(&mut self) -> u64 {
        // Xorshift: enough to differ from the far side's.
        let mut x = self.terms.seed | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.terms.seed = x;
        x >> 8
    }

    /// An INVITE of theirs. `None`: it is answered by what is put out.
    pub(super) fn reinvited(
        &mut self,
        now_ms: u64,
        request: &Request,
        came: &Came,
    ) -> Option<Answer> {
        if self.change.is_some() {
            return Some(Answer::new(491, "Request Pending"));
        }
        if self.served.as_ref().is_some_and(Served::is_open) {
            return Some(later(self.dice()));
        }
        let waits = self.served.as_ref().is_some_and(Served::waits_for_ack);
        if waits && self.late {
            // Our offer is not answered yet.
            return Some(Answer::new(491, "Request Pending"));
        }
        if too_brief(&request.head) {
            let answer = Answer::new(422, "Session Interval Too Small");
            return Some(answer.with("Min-SE", MIN_SE_S));
        }
        let described = request.body.is_empty()
            || request.head.first(Name::ContentType).is_none()
            || kind(request) == SDP;
        if !described {
            let answer = Answer::new(415, "Unsupported Media Type");
            return Some(answer.with("Accept", SDP));
        }
        let same = !request.body.is_empty() && request.body == self.terms.theirs;
        let refuse = self.terms.changes == Changes::Refuse;
        if refuse && !same && !request.body.is_empty() {
            return Some(Answer::new(488, "Not Acceptable Here"));
        }
        if waits {
            // It would not go on without our 200, so only its ACK was lost.
            self.confirmed(now_ms, &[]);
        }
        self.served = Some(Served::new(request, came.clone(), &self.script.from_tag));
        self.late = request.body.is_empty();
        if same || refuse {
            self.confirm = false;
            self.accept(now_ms, self.terms.ours.clone());
        } else {
            self.answer_by_ms = now_ms.saturating_add(ANSWER_WITHIN_MS);
            self.settle(now_ms, Answer::new(100, "Trying"));
            let sdp = String::from_utf8_lossy(&request.body).into_owned();
            self.tell(CallEvent::Changed { sdp });
        }
        None
    }

    /// The owner agrees to what [`CallEvent::Changed`] told.
    pub(super) fn agree(&mut self, now_ms: u64, sdp: String) -> Vec<Output> {
        let open = self.served.as_ref().is_some_and(Served::is_open);
        if open && !sdp.is_empty() && sdp.len() <= BODY_MAX {
            self.confirm = true;
            self.accept(now_ms, sdp);
        }
        std::mem::take(&mut self.out)
    }

    fn accept(&mut self, now_ms: u64, sdp: String) {
        let Some(served) = &self.served else { return };
        let request = served.request();
        self.terms.session.asked(now_ms, &request.head);
        self.peer.refresh(&request.head);
        if !request.body.is_empty() {
            self.terms.theirs.clone_from(&request.body);
        }
        let answer = Answer::new(200, "OK")
            .with("Contact", self.script.contact())
            .with("Allow", ALLOW)
            .described(&self.terms.session, sdp.clone());
        self.terms.ours = sdp;
        self.settle(now_ms, answer);
    }

    /// The owner does not.
    pub(super) fn refuse(&mut self, now_ms: u64, answer: Answer) -> Vec<Output> {
        self.settle(now_ms, answer);
        std::mem::take(&mut self.out)
    }

    /// Answers the INVITE that is open, if one is.
    pub(super) fn settle(&mut self, now_ms: u64, answer: Answer) {
        let reply = self.served.as_mut().and_then(|served| served.answer(now_ms, answer));
        self.out.extend(reply);
    }

    /// Its CANCEL.
    pub(super) fn cancelled(&mut self, now_ms: u64) -> Vec<Output> {
        self.settle(now_ms, Answer::new(487, "Request Terminated"));
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    /// An ACK with both tags.
    pub(super) fn acknowledged(&mut self, now_ms: u64, request: &Request) -> Vec<Output> {
        if self.served.as_mut().is_some_and(|served| served.acknowledged(request.cseq)) {
            self.confirmed(now_ms, &request.body);
        }
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    fn confirmed(&mut self, now_ms: u64, body: &[u8]) {
        if let Some(served) = &mut self.served {
            served.taken();
        }
        if self.life == Life::Leaving {
            self.bye(now_ms);
        } else if self.life == Life::Up && self.confirm {
            let body = if self.late { body } else { &[] };
            if !body.is_empty() {
                self.terms.theirs = body.to_vec();
            }
            let sdp = String::from_utf8_lossy(body).into_owned();
            self.tell(CallEvent::Confirmed { sdp });
        }
        (self.confirm, self.late) = (false, false);
    }
}
