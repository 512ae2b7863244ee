//! One leg as the hub drives it, whoever began it, and what all its machines put
//! out. Refuses to know more of them than that.

use super::answer::Answer;
use super::answered::Key;
use super::answering::Answering;
use super::call::CallEvent;
use super::leg::Leg;
use super::message::{Request, Response};
use super::served::Came;
use super::wire::Hop;

/// What a machine wants done, in order.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// To the far side.
    Send(Vec<u8>),
    /// An answer, which is also what the same request gets again.
    Reply {
        came: Came,
        code: u16,
        bytes: Vec<u8>,
    },
    /// A final answer once more.
    Again {
        to: Hop,
        bytes: Vec<u8>,
    },
    /// An INVITE that nobody can answer any more.
    Forget(Key),
    Tell(CallEvent),
    /// For the counters: an answer that nobody wanted any more.
    Crossed,
    Forked,
}

/// What an owner wants of a leg.
#[derive(Debug)]
pub(super) enum Deed {
    Ring { code: u16, sdp: String },
    Answer { sdp: String },
    Refuse { code: u16, words: String },
    Change { sdp: String },
    Agree { sdp: String },
    Info { kind: String, body: Vec<u8> },
}

impl Deed {
    /// How much it carries, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ring { sdp, .. }
            | Self::Answer { sdp }
            | Self::Change { sdp }
            | Self::Agree { sdp } => sdp.len(),
            Self::Refuse { words, .. } => words.len(),
            Self::Info { kind, body } => kind.len() + body.len(),
        }
    }
}

/// A leg.
#[derive(Debug)]
pub(super) enum Line {
    /// We called.
    Out(Box<Leg>),
    /// We were called.
    In(Box<Answering>),
}

/// The same question to either machine.
macro_rules! either {
    ($line:expr, $leg:ident => $ask:expr) => {
        match $line {
            Line::Out($leg) => $ask,
            Line::In($leg) => $ask,
        }
    };
}

impl Line {
    pub(super) fn is_over(&self) -> bool {
        either!(self, leg => leg.is_over())
    }

    pub(super) fn is_done(&self, now_ms: u64) -> bool {
        either!(self, leg => leg.is_done(now_ms))
    }

    pub(super) fn next_ms(&self) -> u64 {
        either!(self, leg => leg.next_ms())
    }

    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Output> {
        either!(self, leg => leg.tick(now_ms))
    }

    pub(super) fn hang_up(&mut self, now_ms: u64) -> Vec<Output> {
        either!(self, leg => leg.hang_up(now_ms))
    }

    pub(super) fn flow_lost(&mut self, now_ms: u64) -> Vec<Output> {
        either!(self, leg => leg.flow_lost(now_ms))
    }

    pub(super) fn response(&mut self, now_ms: u64, response: &Response) -> Vec<Output> {
        either!(self, leg => leg.response(now_ms, response))
    }

    /// Whether a request with our Call-ID and our tag belongs to one of its
    /// dialogs.
    pub(super) fn has_dialog(&self, request: &Request) -> bool {
        either!(self, leg => leg.has_dialog(request))
    }

    pub(super) fn request(
        &mut self,
        now_ms: u64,
        request: &Request,
        came: &Came,
    ) -> (Option<Answer>, Vec<Output>) {
        either!(self, leg => leg.request(now_ms, request, came))
    }

    pub(super) fn acknowledged(&mut self, now_ms: u64, request: &Request) -> Vec<Output> {
        either!(self, leg => leg.acknowledged(now_ms, request))
    }

    /// A CANCEL of the INVITE of this key.
    pub(super) fn cancelled(&mut self, now_ms: u64, invite: &Key) -> Vec<Output> {
        either!(self, leg => leg.cancelled(now_ms, invite))
    }

    pub(super) fn deed(&mut self, now_ms: u64, deed: Deed) -> Vec<Output> {
        either!(self, leg => leg.deed(now_ms, deed))
    }

    /// Our tag.
    pub(super) fn tag(&self) -> &str {
        either!(self, leg => leg.tag())
    }

    /// Whether the INVITE that began it is of this From tag and has no final
    /// answer of ours; and if so, its CSeq.
    pub(super) fn unanswered(&self) -> Option<u32> {
        match self {
            Self::Out(_) => None,
            Self::In(leg) => leg.unanswered(),
        }
    }
}
