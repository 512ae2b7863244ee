//! What nodes ask each other for pictures, and what they answer. Asking is
//! holding: who does not ask again in time is sent nothing more.

use serde::{Deserialize, Serialize};
use weir_model::id::{CameraId, NodeId};
use weir_model::refusal::Said;

/// Of the asking side: it is renewed so often, and ends so long after the last time.
pub const RENEW_MS: u64 = 3_000;
pub const LEASE_MS: u64 = 10_000;
/// Words of one language in an answer.
const WORDS_MAX: usize = 300;

/// `stream`: the number that the asking side chose; symbols and reports carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Watch {
        camera: CameraId,
        stream: u16,
        /// The asking site's own way out is a satellite: it is a poor place to
        /// serve others from.
        dished: bool,
    },
    Renew {
        camera: CameraId,
        stream: u16,
    },
    Leave {
        camera: CameraId,
        stream: u16,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Sent {
        show: Show,
    },
    /// The picture crosses the satellite to that node already: take it from there.
    Follow {
        node: NodeId,
    },
    /// No such stream goes out (any more): ask for it anew.
    Gone,
    Left,
    Refused {
        why: Said,
    },
}

/// What is sent at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    pub sends: Sends,
    pub trouble: Option<Trouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sends {
    /// Nothing yet.
    Coming,
    Moving,
    Still {
        every_ms: u64,
    },
    /// The link has no room for any picture.
    NoRoom,
}

/// What is wrong with a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub kind: TroubleKind,
    pub said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TroubleKind {
    /// It was there and went away.
    Lost,
    Unreachable,
    Unauthorized,
    NoStream,
    Unsupported,
    /// The camera's node cannot process its picture.
    Broken,
}

weir_model::stored! {
    Request, 67, 256, "request for a picture";
    Answer, 68, 4_096, "answer about a picture";
}

impl Request {
    pub fn camera(&self) -> &CameraId {
        match self {
            Self::Watch { camera, .. }
            | Self::Renew { camera, .. }
            | Self::Leave { camera, .. } => camera,
        }
    }
}

impl Trouble {
    /// Long words are cut, so that every answer fits its record.
    pub fn new(kind: TroubleKind, said: &Said) -> Self {
        let cut = |text: &str| text.chars().take(WORDS_MAX).collect();
        Self { kind, said: Said { zh: cut(&said.zh), en: cut(&said.en) } }
    }
}

pub(super) fn refused(zh: &str, en: &str) -> Answer {
    Answer::Refused { why: Said { zh: zh.into(), en: en.into() } }
}
