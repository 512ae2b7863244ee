//! What goes into the machine and what comes out.

use std::fmt;

use weir_model::directory::Evidence;
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::id::{Extension, SpeakerId, ZoneId};
use weir_model::intent::Priority;

/// One call to one loudspeaker; never given out twice in a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A loudspeaker and the number it is called at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loudspeaker {
    pub id: SpeakerId,
    pub number: Extension,
}

/// Something to be played in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub key: EffectKey,
    pub zone: ZoneId,
    /// Of two with one number, the first counts.
    pub speakers: Vec<Loudspeaker>,
    pub priority: Priority,
    /// How many times it is played; 0 counts as once.
    pub repeat: u32,
    pub clip_ms: u32,
    /// The grade wanted, and how soon after the page begins.
    pub evidence: Option<Evidence>,
    /// It must begin by then, or not at all.
    pub window_ends_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Page(Page),
    /// Stop it, wherever it stands.
    Cease {
        key: EffectKey,
    },
    Heard {
        call: CallId,
        event: Event,
    },
    Tick,
}

/// What is heard of a call. The last six end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The INVITE is on its way.
    Sent,
    /// 100: the device is there.
    Trying,
    /// 180 or another 18x.
    Ringing,
    /// 200, with an answer that can be played to.
    Answered,
    /// The first packet of sound has left.
    Sounding,
    /// The device reports that sound arrives.
    Receiving,
    Refused {
        code: u16,
    },
    /// No final answer in time.
    Silent,
    /// Over: the device hung up, or our own hanging up is done.
    Ended,
    /// Nothing was sent: nobody knows where the device is.
    Unregistered,
    /// Nothing was sent: this node lacks what a call takes, a port say.
    Unsent,
    /// Nothing was sent: the sound is held in no codec that the device knows.
    Unplayable,
}

impl Event {
    /// Whether nothing of the call is left after it.
    pub fn ends(self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Silent
            | Self::Ended
            | Self::Unregistered
            | Self::Unsent
            | Self::Unplayable => true,
            Self::Sent
            | Self::Trying
            | Self::Ringing
            | Self::Answered
            | Self::Sounding
            | Self::Receiving => false,
        }
    }
}

/// Carried out strictly in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Call {
        call: CallId,
        key: EffectKey,
        speaker: Loudspeaker,
    },
    /// From the start, so many times, [`PAUSE_MS`](super::PAUSE_MS) apart.
    Play {
        call: CallId,
        times: u32,
    },
    /// Answer with [`Event::Ended`] when nothing of the call is left.
    HangUp {
        call: CallId,
    },
    /// Once for every page.
    Report {
        key: EffectKey,
        result: EffectResult,
        proof: Proof,
    },
    /// Send an [`Input::Tick`] then; replaces the one before.
    WakeAt {
        at_ms: u64,
    },
}
