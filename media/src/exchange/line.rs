//! One leg of a call, whatever carries it: SIP, or a stream to another site. It
//! refuses to tell them apart to anybody but those who place calls.

use std::net::IpAddr;

use weir_signaling::call::{Event, Input, Leg};

use crate::sip::CallEvent;
use crate::{between, sip};

/// See the module.
#[derive(Debug)]
pub(super) enum Line {
    Sip(sip::Call),
    Far(between::Call),
}

/// The same order to either.
macro_rules! either {
    ($line:expr, $call:ident => $order:expr) => {
        match $line {
            Line::Sip($call) => $order,
            Line::Far($call) => $order,
        }
    };
}

impl Line {
    /// What it says next, as the bridge hears it of `leg`. One that has nothing
    /// more to say has ended. Dropping an unfinished wait loses nothing.
    pub(super) async fn next(&mut self, leg: Leg) -> Input {
        match self {
            Self::Sip(call) => {
                let event = call.next().await.map_or(Event::Ended, told);
                Input::Heard { leg, event }
            }
            Self::Far(call) => match call.next().await {
                Some(event) => {
                    if let between::CallEvent::Refused { code, reason } = &event {
                        tracing::info!(code, why = reason, "not connected with another site");
                    }
                    event.told_of(leg)
                }
                None => Input::Heard { leg, event: Event::Ended },
            },
        }
    }

    pub(super) async fn ring(&self, code: u16, sdp: Option<String>) {
        either!(self, call => call.ring(code, sdp).await);
    }

    pub(super) async fn answer(&self, sdp: String) {
        either!(self, call => call.answer(sdp).await);
    }

    pub(super) async fn refuse(&self, code: u16, words: &str) {
        either!(self, call => call.refuse(code, words).await);
    }

    pub(super) async fn change(&self, sdp: String) {
        either!(self, call => call.change(sdp).await);
    }

    pub(super) async fn agree(&self, sdp: String) {
        either!(self, call => call.agree(sdp).await);
    }

    pub(super) async fn info(&self, kind: String, body: Vec<u8>) {
        either!(self, call => call.info(kind, body).await);
    }

    pub(super) async fn hang_up(self) {
        either!(self, call => call.hang_up().await);
    }

    /// Where its signalling goes to; of another site's, where its sound comes
    /// from: our own trunk.
    pub(super) fn peer(&self) -> IpAddr {
        either!(self, call => call.peer())
    }
}

/// In the words of the rules.
fn told(event: CallEvent) -> Event {
    match event {
        CallEvent::Trying => Event::Trying,
        CallEvent::Ringing { code, sdp } => Event::Ringing { code, sdp },
        CallEvent::Answered { sdp, .. } => Event::Answered { sdp },
        CallEvent::Refused { code, .. } => Event::Refused { code },
        CallEvent::Silent => Event::Silent,
        CallEvent::Confirmed { sdp } => Event::Confirmed { sdp },
        CallEvent::Changed { sdp } => Event::Changed { sdp },
        CallEvent::Agreed { sdp } => Event::Agreed { sdp },
        CallEvent::Declined { code } => Event::Declined { code },
        CallEvent::Info { kind, body } => Event::Info { kind, body },
        CallEvent::Ended { .. } => Event::Ended,
    }
}
