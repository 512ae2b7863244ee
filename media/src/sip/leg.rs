//! One outgoing call: INVITE, CANCEL, ACK and what may cross on the way (RFC 3261
//! §9, §13, §17.1; RFC 6026; RFC 4028 §7.4). Answered, it is a dialog like any
//! other. A machine: it reads no clock and opens no socket; its caller sends what
//! it puts out, in order. Refuses to forget a device that answered: every answer
//! is acknowledged, and each that is not wanted is ended.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::answered::Key;
use super::call::{CallEvent, Changes};
use super::dialog::{Dialog, Peer, Terms};
use super::head::Name;
use super::kept::Transport;
use super::line::{Deed, Output};
use super::message::{Method, Request, Response};
use super::repeats::{PATIENCE_MS, Purpose, Repeats};
use super::script::{Asked, SDP, Script};
use super::served::{Came, Served};
use super::session::{MIN_SE_S, Session, min_se, offered};

/// Most answers to one call that are told apart.
const FORKS_MAX: usize = 8;
/// Most changes of a provisional answer that are told.
const RINGS_MAX: usize = 8;

/// What one call is made of.
#[derive(Debug)]
pub(super) struct Plan {
    /// Added to its INVITE.
    pub(super) fields: Vec<String>,
    pub(super) offer: String,
    pub(super) answer_within_ms: u64,
    pub(super) changes: Changes,
    pub(super) session_s: u32,
    pub(super) seed: u64,
}

#[derive(Debug)]
enum State {
    /// No final answer yet; the last provisional one, code 0 before any.
    Calling {
        code: u16,
        sdp: Vec<u8>,
    },
    /// Not wanted any more; perhaps not yet cancelled, for a CANCEL may only
    /// follow a provisional answer (§9.1).
    GivenUp {
        cancelled: bool,
        until_ms: u64,
    },
    Up(Box<Dialog>),
    /// Nothing more happens, but late answers are still acknowledged.
    Over {
        until_ms: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    script: Script,
    plan: Plan,
    state: State,
    answer_by_ms: u64,
    lost_by_ms: u64,
    /// The INVITE that is out; another one follows a 422.
    invite_branch: String,
    cseq: u32,
    min_se_s: u32,
    /// The INVITE before it, and its ACK.
    before: Option<(String, Vec<u8>)>,
    repeats: Repeats,
    /// ACKs of 2xx by the tag they were for.
    acks: BTreeMap<String, Vec<u8>>,
    rings: usize,
    out: Vec<Output>,
}

impl Leg {
    /// Begins a call.
    pub(super) fn new(now_ms: u64, script: Script, plan: Plan) -> (Self, Vec<Output>) {
        let mut leg = Self {
            script,
            state: State::Calling { code: 0, sdp: Vec::new() },
            answer_by_ms: now_ms.saturating_add(plan.answer_within_ms),
            lost_by_ms: 0,
            invite_branch: String::new(),
            cseq: 0,
            min_se_s: 0,
            before: None,
            repeats: Repeats::default(),
            acks: BTreeMap::new(),
            rings: 0,
            out: Vec::new(),
            plan,
        };
        leg.invite(now_ms);
        let out = std::mem::take(&mut leg.out);
        (leg, out)
    }

    fn invite(&mut self, now_ms: u64) {
        self.cseq += 1;
        self.invite_branch = self.script.branch();
        self.lost_by_ms = now_ms.saturating_add(PATIENCE_MS);
        let mut fields = self.plan.fields.clone();
        fields.extend(offered(self.plan.session_s, self.min_se_s));
        let asked = Asked {
            fields: &fields,
            kind: SDP,
            body: self.plan.offer.as_bytes(),
            ..self.asked("INVITE", &self.script.to)
        };
        let bytes = self.script.bytes(&asked);
        self.repeat(now_ms, Purpose::Invite, self.invite_branch.clone(), bytes);
    }

    /// A request of the INVITE's own transaction.
    fn asked<'a>(&'a self, method: &'a str, to: &'a str) -> Asked<'a> {
        Asked {
            method,
            uri: &self.script.uri,
            route: &self.script.route,
            to,
            cseq: self.cseq,
            branch: &self.invite_branch,
            fields: &[],
            kind: "",
            body: &[],
        }
    }

    pub(super) fn tag(&self) -> &str {
        &self.script.from_tag
    }

    /// Whether the far side has nothing more to do with us.
    pub(super) fn is_over(&self) -> bool {
        match &self.state {
            State::Up(dialog) => dialog.is_over(),
            State::Over { .. } => true,
            State::Calling { .. } | State::GivenUp { .. } => false,
        }
    }

    /// Whether it can be forgotten.
    pub(super) fn is_done(&self, now_ms: u64) -> bool {
        let done = match &self.state {
            State::Up(dialog) => dialog.is_done(now_ms),
            State::Over { until_ms } => *until_ms <= now_ms,
            State::Calling { .. } | State::GivenUp { .. } => false,
        };
        done && self.repeats.is_empty()
    }

    /// When [`tick`](Self::tick) next has something to do.
    pub(super) fn next_ms(&self) -> u64 {
        let own = match &self.state {
            State::Calling { code: 0, .. } => self.answer_by_ms.min(self.lost_by_ms),
            State::Calling { .. } => self.answer_by_ms,
            State::Over { .. } if !self.repeats.is_empty() => u64::MAX,
            State::GivenUp { until_ms, .. } | State::Over { until_ms } => *until_ms,
            State::Up(dialog) => dialog.next_ms(),
        };
        own.min(self.repeats.next_ms())
    }

    fn repeat(&mut self, now_ms: u64, purpose: Purpose, branch: String, bytes: Vec<u8>) {
        let over = self.script.transport;
        let sent = self.repeats.begin(now_ms, over, purpose, branch, bytes);
        self.out.push(sent);
    }

    fn tell(&mut self, event: CallEvent) {
        self.out.push(Output::Tell(event));
    }

    fn over(&mut self, now_ms: u64) {
        // Over TCP only an answer to the INVITE is ever repeated (§13.3.1.4).
        let quiet = self.script.transport == Transport::Tcp && self.acks.is_empty();
        let wait_ms = if quiet { 0 } else { PATIENCE_MS };
        self.repeats.keep_only(Purpose::ForkBye);
        self.state = State::Over { until_ms: now_ms.saturating_add(wait_ms) };
    }

    /// Time went by.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        self.repeats.tick(now_ms, &mut self.out);
        match &mut self.state {
            State::Calling { code, .. } => {
                let lost = *code == 0 && self.lost_by_ms <= now_ms;
                if lost || self.answer_by_ms <= now_ms {
                    self.tell(CallEvent::Silent);
                    self.give_up(now_ms);
                }
            }
            State::GivenUp { until_ms, .. } if *until_ms <= now_ms => self.over(now_ms),
            State::Up(dialog) => self.out.extend(dialog.tick(now_ms)),
            State::GivenUp { .. } | State::Over { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Its owner wants it to end.
    pub(super) fn hang_up(&mut self, now_ms: u64) -> Vec<Output> {
        match &mut self.state {
            State::Calling { .. } => self.give_up(now_ms),
            State::Up(dialog) => self.out.extend(dialog.hang_up(now_ms)),
            // Under way already.
            State::GivenUp { .. } | State::Over { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Its connection is gone.
    pub(super) fn flow_lost(&mut self, now_ms: u64) -> Vec<Output> {
        self.repeats.clear();
        match &mut self.state {
            State::Up(dialog) => return dialog.flow_lost(now_ms),
            State::Calling { .. } => {
                let why = "连接已断开 / the connection was lost".to_owned();
                self.tell(CallEvent::Ended { why });
                self.over(now_ms);
            }
            State::GivenUp { .. } => self.over(now_ms),
            State::Over { .. } => {}
        }
        std::mem::take(&mut self.out)
    }

    fn give_up(&mut self, now_ms: u64) {
        let heard = matches!(self.state, State::Calling { code, .. } if code > 0);
        self.repeats.stop(Purpose::Invite);
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
        let bytes = self.script.bytes(&self.asked("CANCEL", &self.script.to));
        self.repeat(now_ms, Purpose::Cancel, self.invite_branch.clone(), bytes);
    }

    /// A response to one of its requests.
    pub(super) fn response(&mut self, now_ms: u64, response: &Response) -> Vec<Output> {
        let branch = &response.branch;
        let of_invite = *branch == self.invite_branch && response.cseq == self.cseq;
        match response.method {
            Method::Invite if of_invite => self.invited(now_ms, response),
            Method::Cancel if response.code >= 200 && *branch == self.invite_branch => {
                self.repeats.stop(Purpose::Cancel);
            }
            Method::Invite if self.before.as_ref().is_some_and(|(b, _)| b == branch) => {
                if let Some((_, ack)) = self.before.as_ref().filter(|_| response.code >= 300) {
                    self.out.push(Output::Send(ack.clone()));
                }
            }
            Method::Bye
                if response.code >= 200 && self.repeats.answered(branch, Purpose::ForkBye) => {}
            // Provisional answers to these change nothing; the rest is not ours.
            _ => {
                if let State::Up(dialog) = &mut self.state {
                    self.out.extend(dialog.response(now_ms, response));
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    fn invited(&mut self, now_ms: u64, response: &Response) {
        self.repeats.stop(Purpose::Invite);
        match response.code {
            100..=199 => self.rung(now_ms, response),
            200..=299 => self.answered(now_ms, response),
            _ => self.refused(now_ms, response),
        }
    }

    fn rung(&mut self, now_ms: u64, response: &Response) {
        let new = response.code;
        match &mut self.state {
            State::Calling { code, sdp } => {
                // A device that goes back from 180 to 100 has not stopped ringing.
                let other = *code != new && (new > 100 || *code == 0);
                let said = new > 100 && !response.body.is_empty() && *sdp != response.body;
                if !other && !said {
                    return;
                }
                *code = new;
                if said {
                    sdp.clone_from(&response.body);
                }
                self.rings += 1;
                if self.rings <= RINGS_MAX {
                    let sdp = String::from_utf8_lossy(&response.body).into_owned();
                    self.tell(match new {
                        100 => CallEvent::Trying,
                        code => CallEvent::Ringing { code, sdp },
                    });
                }
            }
            State::GivenUp { cancelled: false, .. } => {
                let until_ms = now_ms.saturating_add(PATIENCE_MS);
                self.state = State::GivenUp { cancelled: true, until_ms };
                self.cancel(now_ms);
            }
            State::GivenUp { .. } | State::Up(_) | State::Over { .. } => {}
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
        let peer = Peer::of_answer(&self.script, response, tag.clone());
        let branch = self.script.branch();
        let ack = self.script.bytes(&peer.asked("ACK", self.cseq, &branch));
        self.acks.insert(tag, ack.clone());
        self.out.push(Output::Send(ack));
        match &self.state {
            State::Calling { .. } => {
                let sdp = String::from_utf8_lossy(&response.body).into_owned();
                let note = peer.note(&self.script, self.cseq);
                self.state = State::Up(Box::new(self.dialog(now_ms, peer, response)));
                self.tell(CallEvent::Answered { sdp, note });
            }
            // Our CANCEL crossed its answer: it thinks it is in a call.
            State::GivenUp { .. } => {
                self.out.push(Output::Crossed);
                self.repeats.stop(Purpose::Cancel);
                let mut dialog = self.dialog(now_ms, peer, response);
                self.out.extend(dialog.hang_up(now_ms));
                self.state = State::Up(Box::new(dialog));
            }
            State::Up(_) | State::Over { .. } => {
                self.out.push(Output::Forked);
                let branch = self.script.branch();
                let bytes = self.script.bytes(&peer.asked("BYE", self.cseq + 1, &branch));
                self.repeat(now_ms, Purpose::ForkBye, branch, bytes);
            }
        }
    }

    fn dialog(&self, now_ms: u64, peer: Peer, response: &Response) -> Dialog {
        let Plan { session_s, changes, seed, ref offer, .. } = self.plan;
        let terms = Terms {
            changes,
            session: Session::called(now_ms, &response.head, session_s, self.min_se_s),
            ours: offer.clone(),
            theirs: response.body.clone(),
            caller: true,
            cseq: self.cseq,
            far_cseq: None,
            seed,
        };
        Dialog::new(&self.script, peer, terms)
    }

    fn refused(&mut self, now_ms: u64, response: &Response) {
        // §17.1.1.3: on the INVITE's own branch, to the To of the answer.
        let to = response.head.first(Name::To).map(String::from_utf8_lossy).unwrap_or_default();
        let ack = self.script.bytes(&self.asked("ACK", &to));
        self.out.push(Output::Send(ack.clone()));
        match &self.state {
            State::Calling { .. } if response.code == 422 && self.before.is_none() => {
                self.before = Some((self.invite_branch.clone(), ack));
                self.min_se_s = min_se(&response.head).unwrap_or_default().max(MIN_SE_S);
                self.state = State::Calling { code: 0, sdp: Vec::new() };
                self.invite(now_ms);
            }
            State::Calling { .. } => {
                let reason = response.reason.clone();
                self.tell(CallEvent::Refused { code: response.code, reason });
                self.over(now_ms);
            }
            State::GivenUp { .. } => self.over(now_ms),
            State::Up(_) | State::Over { .. } => {}
        }
    }

    /// Whether a request with our Call-ID belongs to one of its dialogs.
    pub(super) fn has_dialog(&self, request: &Request) -> bool {
        request.to_tag.as_deref() == Some(&self.script.from_tag)
            && self.acks.contains_key(&request.from_tag)
    }

    /// A request within a dialog, but no ACK and no CANCEL.
    pub(super) fn request(
        &mut self,
        now_ms: u64,
        request: &Request,
        came: &Came,
    ) -> (Option<Answer>, Vec<Output>) {
        match &mut self.state {
            State::Up(dialog) if dialog.peer.tag == request.from_tag => {
                dialog.request(now_ms, request, came)
            }
            // A second answer, which we end anyway.
            State::Up(_) if request.method == Method::Bye => {
                (Some(Answer::new(200, "OK")), Vec::new())
            }
            _ => (Some(Answer::new(481, "Call/Transaction Does Not Exist")), Vec::new()),
        }
    }

    /// An ACK within a dialog.
    pub(super) fn acknowledged(&mut self, now_ms: u64, request: &Request) -> Vec<Output> {
        match &mut self.state {
            State::Up(dialog) if dialog.peer.tag == request.from_tag => {
                dialog.acknowledged(now_ms, request)
            }
            _ => Vec::new(),
        }
    }

    /// A CANCEL of an INVITE within the dialog.
    pub(super) fn cancelled(&mut self, now_ms: u64, invite: &Key) -> Vec<Output> {
        let is_it = |served: &Served| served.is_it(invite);
        match &mut self.state {
            State::Up(dialog) if dialog.served.as_ref().is_some_and(is_it) => {
                dialog.cancelled(now_ms)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn deed(&mut self, now_ms: u64, deed: Deed) -> Vec<Output> {
        match &mut self.state {
            State::Up(dialog) => dialog.deed(now_ms, deed),
            // Nothing can be said to who has not answered.
            State::Calling { .. } | State::GivenUp { .. } | State::Over { .. } => Vec::new(),
        }
    }
}
