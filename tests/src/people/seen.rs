//! What people saw, line by line, and the calls that follow from it. It refuses to
//! guess what no line says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;

use super::{Tones, Way};
use crate::speakers::{Gap, Tally};

/// A line of the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Wall clock.
    pub t_ms: u64,
    /// Since the process began.
    pub mono_ms: u64,
    /// The account, which is the trunk's for everybody behind it.
    pub number: String,
    pub call_id: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

/// What somebody saw or did.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Registered {
        expires_s: u32,
    },
    RegisterRefused {
        code: u16,
    },
    RegistrarSilent {
        why: String,
    },
    Invite(Invite),
    Ringing {
        code: u16,
        audio: Option<String>,
    },
    Answered {
        codec: String,
        audio: String,
        after_ms: u64,
        keys: String,
    },
    Refused {
        code: u16,
        why: String,
    },
    Ack {
        code: u16,
    },
    Reinvite {
        sends: bool,
        receives: bool,
    },
    Key(Pressed),
    /// None of the ways asked for was there.
    KeyLost {
        key: String,
    },
    InfoAnswered {
        code: u16,
    },
    Info {
        code: u16,
        body: String,
    },
    /// The announcement was heard to its end for that time.
    Heard {
        times: u32,
        at_ms: u64,
    },
    RtpFirst {
        ssrc: String,
    },
    RtpRestarted {
        ssrc: String,
        at_ms: u64,
    },
    Rtp(Sound),
    Gap(Gap),
    Stranger {
        from: String,
    },
    Cancel,
    ByeIn,
    ByeOut {
        why: String,
    },
    ByeAnswered {
        code: u16,
    },
    Timeout {
        waited_for: String,
    },
    Message(Text),
    Unreadable {
        bytes: u64,
    },
    /// A call of their own.
    Dialled {
        to: String,
    },
    Progress {
        code: u16,
    },
    CallRefused(Turned),
    Held {
        code: u16,
    },
    Resumed {
        code: u16,
    },
    Tones(Tones),
    Stopped,
}

/// How a call of their own was refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Turned {
    pub code: u16,
    /// The name of the code.
    pub why: String,
    /// For a person (Warning).
    pub words: Option<String>,
}

/// A call that came in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Invite {
    pub from: String,
    /// The display name.
    pub from_name: String,
    /// The number in P-Asserted-Identity.
    pub asserted: Option<String>,
    pub to: String,
    pub source: SocketAddr,
    /// 1 for the first call to this number; 0 when there was no line for it.
    pub attempt: u32,
    /// What it met.
    pub does: String,
}

/// A key that was pressed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pressed {
    pub key: String,
    pub ways: Vec<Way>,
    /// Since the answer.
    pub at_ms: u64,
}

/// RTP of a call, and how much of it was not silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Sound {
    #[serde(flatten)]
    pub tally: Tally,
    pub sounding_ms: u64,
}

/// A SIP MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text {
    pub from: String,
    pub from_name: String,
    pub text: String,
    pub code: u16,
}

/// How a call was over, as the person called saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The caller hung up.
    ByeIn,
    /// The person hung up.
    ByeOut,
    Cancelled,
    Refused(u16),
    /// The process ended.
    PowerLost,
}

/// One call, put together from the ledger. Times are the wall clock's.
#[derive(Debug, Clone)]
pub struct Call {
    /// The account.
    pub number: String,
    pub call_id: String,
    pub invite: Invite,
    pub invited_ms: u64,
    pub rang_ms: Option<u64>,
    pub answered_ms: Option<u64>,
    pub acked_ms: Option<u64>,
    /// None when there were no media; with early media, from before the answer.
    pub audio: Option<PathBuf>,
    /// When sample 0 of the audio came.
    pub sounded_ms: Option<u64>,
    pub sound: Sound,
    pub keys: Vec<Pressed>,
    /// How often the announcement was heard, where somebody counts.
    pub heard_times: u32,
    pub over: Option<(Over, u64)>,
}

impl Call {
    pub(super) fn new(number: String, call_id: &str, invite: &Invite, invited_ms: u64) -> Self {
        Self {
            number,
            call_id: call_id.to_owned(),
            invite: invite.clone(),
            invited_ms,
            rang_ms: None,
            answered_ms: None,
            acked_ms: None,
            audio: None,
            sounded_ms: None,
            sound: Sound::default(),
            keys: Vec::new(),
            heard_times: 0,
            over: None,
        }
    }

    /// Between its INVITE and its end, with what is not over until now.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |call: &Self| call.over.map_or(u64::MAX, |(_, at)| at);
        self.invited_ms < end(other) && other.invited_ms < end(self)
    }

    /// What came out of the receiver; empty when there were no media.
    ///
    /// # Errors
    /// When the file cannot be read, or is not of samples.
    pub fn heard(&self) -> Result<Vec<i16>> {
        self.audio.as_deref().map_or(Ok(Vec::new()), crate::hearing::load)
    }

    pub(super) fn goes_on(&mut self, entry: &Entry, audio: &Path) {
        let at = entry.t_ms;
        match &entry.event {
            Event::Ringing { audio: early, .. } => {
                self.rang_ms.get_or_insert(at);
                self.audio = early.as_ref().map(|name| audio.join(name)).or(self.audio.take());
            }
            Event::Answered { audio: name, .. } => {
                self.answered_ms = Some(at);
                self.audio = Some(audio.join(name));
            }
            Event::Ack { code: 200 } => {
                self.acked_ms.get_or_insert(at);
            }
            Event::Key(pressed) => self.keys.push(pressed.clone()),
            Event::Heard { times, .. } => self.heard_times = *times,
            Event::RtpFirst { .. } => self.sounded_ms = Some(at),
            Event::Rtp(sound) => self.sound = sound.clone(),
            Event::Cancel => self.over = Some((Over::Cancelled, at)),
            Event::ByeIn => self.over = Some((Over::ByeIn, at)),
            Event::ByeOut { .. } => self.over = Some((Over::ByeOut, at)),
            Event::Refused { code, .. } => self.over = Some((Over::Refused(*code), at)),
            Event::Stopped => self.over = Some((Over::PowerLost, at)),
            Event::Registered { .. }
            | Event::RegisterRefused { .. }
            | Event::RegistrarSilent { .. }
            | Event::Invite(_)
            | Event::Ack { .. }
            | Event::Reinvite { .. }
            | Event::KeyLost { .. }
            | Event::InfoAnswered { .. }
            | Event::Info { .. }
            | Event::RtpRestarted { .. }
            | Event::Gap(_)
            | Event::Stranger { .. }
            | Event::ByeAnswered { .. }
            | Event::Timeout { .. }
            | Event::Message(_)
            | Event::Dialled { .. }
            | Event::Progress { .. }
            | Event::CallRefused(_)
            | Event::Held { .. }
            | Event::Resumed { .. }
            | Event::Tones(_)
            | Event::Unreadable { .. } => {}
        }
    }
}
