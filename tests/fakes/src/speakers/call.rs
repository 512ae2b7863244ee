//! One call as the called device holds it: what was asked, what was answered,
//! until when the answer is repeated. It refuses to act: `device` does.

use std::net::SocketAddr;
use std::time::Duration;

use rsip::Request;
use tokio::time::Instant;

use crate::media::{Came, Media};
use crate::message;
use crate::profile::{Dialect, Fault};
use crate::sdp::Offer;

/// First and longest pause between two copies of an answer (RFC 3261 §13.3.1.4).
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Without an ACK for so long there is no call.
const GIVE_UP: Duration = Duration::from_secs(32);

#[derive(Debug)]
pub(crate) enum Stage {
    Ringing,
    /// Picks up at that time.
    Answering(Instant),
    Talking(Option<Repeat>),
}

/// A message that is sent again until its receipt is known.
#[derive(Debug)]
pub(crate) struct Repeat {
    resend: Instant,
    gap: Duration,
    give_up: Instant,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    NotYet,
    Again,
    GiveUp,
}

impl Repeat {
    pub(crate) fn new(now: Instant) -> Self {
        Self { resend: now + T1, gap: T1, give_up: now + GIVE_UP }
    }

    pub(crate) fn due(&self) -> Instant {
        self.resend.min(self.give_up)
    }

    pub(crate) fn turn(&mut self, now: Instant) -> Turn {
        if self.give_up <= now {
            return Turn::GiveUp;
        }
        if now < self.resend {
            return Turn::NotYet;
        }
        self.gap = (self.gap * 2).min(T2);
        self.resend = now + self.gap;
        Turn::Again
    }
}

pub(crate) struct Call {
    pub(crate) key: Key,
    pub(crate) invite: Request,
    /// Where the newest INVITE came from.
    pub(crate) from: SocketAddr,
    pub(crate) invited: Instant,
    pub(crate) tag: String,
    pub(crate) offer: Offer,
    pub(crate) stage: Stage,
    pub(crate) media: Option<Media>,
    /// The newest response to the newest INVITE.
    pub(crate) answer: Vec<u8>,
    pub(crate) session: u32,
    pub(crate) version: u32,
    pub(crate) fault: Option<Fault>,
    /// When the fault strikes.
    pub(crate) strikes: Option<Instant>,
}

impl Call {
    pub(crate) fn due(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Ringing => None,
            Stage::Answering(at) => Some(*at),
            Stage::Talking(repeat) => repeat.as_ref().map(Repeat::due),
        };
        let media = self.media.as_ref().and_then(Media::due);
        [stage, media, self.strikes].into_iter().flatten().min()
    }

    /// The next datagram of media; never, while there is none.
    pub(crate) async fn next(call: &mut Option<Self>) -> Came {
        match call.as_mut().and_then(|call| call.media.as_mut()) {
            Some(media) => media.next().await,
            None => std::future::pending().await,
        }
    }
}

/// What tells one INVITE from another. Copies share it, whichever way they
/// came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) call_id: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) sequence: u32,
}

impl Key {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            call_id: message::call_id(request),
            from_tag: message::from_tag(request),
            sequence: message::sequence(request),
        }
    }

    /// Whether both belong to one call.
    pub(crate) fn same_call(&self, other: &Self) -> bool {
        self.call_id == other.call_id && self.from_tag == other.from_tag
    }
}

/// A call that is over, remembered for what still travels about it.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) key: Key,
    /// Empty when the device said nothing.
    pub(crate) answer: Vec<u8>,
    /// Whether a BYE for it makes sense.
    pub(crate) talked: bool,
}

/// Whether the request asks, in the device's dialect, to be answered unasked.
pub(crate) fn asks_to_answer(dialect: Dialect, request: &Request) -> bool {
    let any = |name: &str, fits: fn(&str) -> bool| {
        message::values(request, name).iter().any(|value| fits(value))
    };
    match dialect {
        Dialect::CallInfo => any("Call-Info", |value| {
            value.split(';').any(|param| {
                let param = param.split(',').next().unwrap_or_default();
                let param = param.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
                param == Some(("answer-after", "0"))
            })
        }),
        Dialect::AlertInfo => any("Alert-Info", |value| {
            let plain: String = value.chars().filter(char::is_ascii_alphabetic).collect();
            plain.to_ascii_lowercase().contains("autoanswer")
        }),
        Dialect::AnswerMode => any("Answer-Mode", |value| {
            value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("Auto")
        }),
        Dialect::Always => true,
    }
}
