//! What goes into an end of a call between sites, and what comes out.

use core::net::SocketAddr;

use super::media::Telephone;
use super::message::{Closing, Message};
use crate::call;

/// What the owner of a leg wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Ring {
        code: u16,
        sdp: Option<String>,
    },
    Answer {
        sdp: String,
    },
    /// The call, before its answer; after it, what the other end wants changed.
    Refuse {
        code: u16,
        words: String,
    },
    Change {
        sdp: String,
    },
    Agree {
        sdp: String,
    },
    Info {
        kind: String,
        body: Vec<u8>,
    },
    HangUp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The first.
    Begin,
    Deed(Deed),
    /// The stream that [`Output::Open`] asked for is there, and its first frame on
    /// its way.
    Opened,
    NotOpened,
    /// Of the newest stream.
    Frame(Message),
    /// What cannot be read came on it.
    Garbage,
    /// The stream has ended.
    Lost,
    /// The other end brought a new stream, whose first frame said this.
    Resumed {
        expects: u32,
    },
    /// The node stops.
    Stop,
    Tick,
}

/// Carried out strictly in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Let go of any stream, and open one that begins with this.
    Open {
        first: Message,
    },
    /// On the newest stream.
    Send(Message),
    /// Let go of the stream.
    Cut,
    Tell(Event),
    /// From now on our telephone is this, and the other end takes its sound on
    /// that channel.
    Join {
        channel: u16,
        telephone: Telephone,
        towards: SocketAddr,
    },
    /// The last output of all.
    Over,
}

/// What the owner of a leg is told. `Refused`, `Silent` and `Ended` are last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The other site has the call.
    Trying,
    /// `sdp` is empty when there is no sound yet.
    Ringing {
        code: u16,
        sdp: String,
    },
    Answered {
        sdp: String,
    },
    Refused {
        code: u16,
        reason: String,
    },
    Silent,
    /// The end that dialled has taken our answer.
    Confirmed,
    /// The other side wants another session: agree or refuse within 20 seconds.
    Changed {
        sdp: String,
    },
    Agreed {
        sdp: String,
    },
    Declined {
        code: u16,
    },
    Info {
        kind: String,
        body: Vec<u8>,
    },
    Ended {
        why: Closing,
    },
}

impl Event {
    /// As the bridge hears it of `leg`.
    pub fn told_of(self, leg: call::Leg) -> call::Input {
        let event = match self {
            Self::Trying => call::Event::Trying,
            Self::Ringing { code, sdp } => call::Event::Ringing { code, sdp },
            Self::Answered { sdp } => call::Event::Answered { sdp },
            Self::Refused { code, .. } => call::Event::Refused { code },
            Self::Silent => call::Event::Silent,
            Self::Confirmed => call::Event::Confirmed { sdp: String::new() },
            Self::Changed { sdp } => call::Event::Changed { sdp },
            Self::Agreed { sdp } => call::Event::Agreed { sdp },
            Self::Declined { code } => call::Event::Declined { code },
            Self::Info { kind, body } => call::Event::Info { kind, body },
            // Nobody hung up. One that rings elsewhere is refused instead, so that
            // this is the caller's leg, or the one that answered.
            Self::Ended { why: Closing::Lost } => return call::Input::MediaLost,
            Self::Ended { .. } => call::Event::Ended,
        };
        call::Input::Heard { leg, event }
    }
}
