//! One call as the called device holds it: what was asked, what was answered,
//! until when the answer is repeated. It refuses to act: `device` does.

use std::net::SocketAddr;

use rsip::Request;
use tokio::time::Instant;

use crate::profile::{Dialect, Fault};
use weir_fakes::sip::media::{Came, Media};
use weir_fakes::sip::message;
use weir_fakes::sip::sdp::Offer;
use weir_fakes::sip::transaction::{Key, Repeat};

#[derive(Debug)]
pub(crate) enum Stage {
    Ringing,
    /// Picks up at that time.
    Answering(Instant),
    Talking(Option<Repeat>),
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
