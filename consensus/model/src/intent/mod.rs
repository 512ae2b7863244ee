//! Intents: signed requests to a site's devices. An intent says who asks, for
//! what, in which mode and until when; it may come too late, and then it does
//! nothing. Signatures are checked at the edge, never here.

mod claim;
mod refusal;
mod status;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use claim::{Claim, Nature, Standing, outranks};
pub use refusal::IntentRefusal;
pub use status::IntentStatus;

use crate::codec::{self, DecodeError, Stored};
use crate::directory::{Level, StepKind};
use crate::fact::Target;
use crate::id::{
    ActivationId, AudioId, Hash, IntentId, NodeId, PersonId, PlanId, SiteId, StepId, WallMs, ZoneId,
};

/// Longest signature, in bytes: Ed25519 (RFC 8032) needs 64.
pub const SIGNATURE_BYTES: usize = 64;
/// An intent that would hold longer than this is refused, so that an intent
/// that was forgotten is certainly too late.
pub const WINDOW_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// How long a request is good for unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Page,
    Call,
    Message,
    Conference,
}

impl Window {
    pub const fn ms(self) -> u64 {
        match self {
            Self::Page => 120_000,
            Self::Call | Self::Conference => 5 * 60_000,
            Self::Message => 30 * 60_000,
        }
    }

    /// The window in which a step's effects may begin; `None` when the step has
    /// no effect.
    pub fn of(step: &StepKind) -> Option<Self> {
        match step {
            StepKind::PaPlay(_) => Some(Self::Page),
            StepKind::CallRoster(_) => Some(Self::Call),
            StepKind::Message(_) => Some(Self::Message),
            StepKind::ConferenceOpen(_) => Some(Self::Conference),
            StepKind::Delay { .. } | StepKind::Confirm(_) => None,
        }
    }
}

/// Whether it is meant. There is no default: whoever launches says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Real,
    /// The same path with the sinks swapped at the very edge.
    Drill,
    Test,
}

/// Which traffic goes first, over a link and at a loudspeaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Routine,
    AllClear,
    Notice,
    Alert,
    Evacuation,
}

impl Priority {
    pub fn of(level: Level) -> Self {
        match level {
            Level::Clear => Self::AllClear,
            Level::Blue | Level::Yellow => Self::Notice,
            Level::Orange => Self::Alert,
            Level::Red => Self::Evacuation,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentBody {
    /// Starts a plan, or joins the run that is on. `version` is the hash of
    /// what the person saw.
    Launch {
        plan: PlanId,
        version: Hash,
    },
    Abort {
        activation: ActivationId,
    },
    Confirm {
        activation: ActivationId,
        step: StepId,
        yes: bool,
    },
    /// One more attempt: the intent's `attempt`, which must be the next, so
    /// that two people who ask at once get one.
    Repeat {
        activation: ActivationId,
        step: StepId,
        target: Target,
    },
    /// Plays an audio file in one zone, outside any plan.
    Page {
        zone: ZoneId,
        audio: AudioId,
        repeat: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub home: SiteId,
    pub body: IntentBody,
    pub who: PersonId,
    /// The node that signed it.
    pub via: NodeId,
    /// For the way there; at home the plan's own level decides.
    pub priority: Priority,
    pub mode: Mode,
    /// For display: another clock wrote it.
    pub issued: WallMs,
    /// Judged by the home site's own clock.
    pub not_after: WallMs,
    /// 1, or for a repeat the attempt that is asked for.
    pub attempt: u16,
}

impl Intent {
    /// Whether a person who sent one would take the other for the same click:
    /// alike but for when it was sent, and through which node.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let asked = |one: &Self| (one.id, one.mode, one.attempt);
        asked(self) == asked(other)
            && self.home == other.home
            && self.body == other.body
            && self.who == other.who
    }
}

impl Stored for Intent {
    const KIND: u8 = 21;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 1 << 10;
    const NAME: &'static str = "intent";
}

/// An intent as it travels: the exact bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIntent {
    pub intent: Vec<u8>,
    pub signature: Vec<u8>,
    pub signer: NodeId,
}

impl Stored for SignedIntent {
    const KIND: u8 = 22;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = Intent::MAX_BYTES + SIGNATURE_BYTES + 64;
    const NAME: &'static str = "signed intent";
}

impl SignedIntent {
    /// Puts a signature to the canonical bytes of an intent, which the caller
    /// got from [`codec::encode`] and signed.
    pub fn new(intent: Vec<u8>, signature: Vec<u8>, signer: NodeId) -> Self {
        Self { intent, signature, signer }
    }

    /// The intent inside.
    ///
    /// # Errors
    /// When the bytes are not exactly one intent of a known version, or not in
    /// the one form in which it is written; an unknown mode is such a case.
    pub fn open(&self) -> Result<Intent, DecodeError> {
        let intent: Intent = codec::decode(&self.intent)?;
        match codec::encode(&intent)? == self.intent {
            true => Ok(intent),
            false => Err(DecodeError::Body { what: Intent::NAME }),
        }
    }

    pub fn hash(&self) -> Hash {
        Hash::of(&[&self.intent])
    }
}

/// What the edge found when it checked a signature against the member list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    Valid,
    Invalid { why: String },
}
