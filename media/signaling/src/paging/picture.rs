//! The loudspeakers of a site as a screen shows them.

use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::id::{Extension, SpeakerId, ZoneId};
use weir_model::intent::Priority;

use super::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeakerState {
    /// Not called yet.
    Idle,
    Calling,
    Ringing,
    Answered,
    /// Sound is sent to it.
    Playing,
    /// It says that sound arrives.
    Receiving,
    Played,
    Failed {
        why: Failure,
        /// It will be called again.
        again: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerPicture {
    pub id: SpeakerId,
    pub number: Extension,
    pub state: SpeakerState,
    /// From the order to the first packet of sound.
    pub first_sound_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePicture {
    pub key: EffectKey,
    pub priority: Priority,
    pub begun_ms: u64,
    /// What is seen so far.
    pub proof: Proof,
    pub speakers: Vec<SpeakerPicture>,
    /// `None` while it runs.
    pub ended: Option<EffectResult>,
}

/// One zone: what plays, what waits, and what played last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePicture {
    pub zone: ZoneId,
    pub running: Option<PagePicture>,
    /// In the order in which they will begin.
    pub waiting: Vec<EffectKey>,
    pub last: Option<PagePicture>,
}
