//! What facts say of conferences: one when it opens, one for each who comes and
//! goes, one when it is over. They are written down after they happened, by the
//! site that leads the conference; nothing here lets anybody in or out.

use serde::{Deserialize, Serialize};

use super::{EffectResult, FactBody, Proof};
use crate::directory::Grade;
use crate::id::ConferenceId;

/// Longest name of somebody in a conference, in bytes: a person's or a number.
pub const WHO_MAX_BYTES: usize = 64;

/// Why somebody is not in a conference any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    HungUp,
    /// Nothing was heard of them any more, or of their site.
    Lost,
    /// Somebody who may do so put them out.
    Removed,
    /// The same person goes on in this conference by another telephone or site.
    Elsewhere,
    /// The conference was over.
    Ended,
    /// The node that led the conference stopped.
    NodeStopped,
}

impl LeaveReason {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::Lost => "lost",
            Self::Removed => "removed",
            Self::Elsewhere => "elsewhere",
            Self::Ended => "ended",
            Self::NodeStopped => "node_stopped",
        }
    }
}

impl EffectResult {
    /// Of as many as a conference wants, too few came in time.
    pub fn too_few(joined: u32, wanted: u32) -> Self {
        Self::Failed { why: format!("joined {joined} of {wanted}") }
    }
}

impl Proof {
    /// So many are in a conference that wants so many.
    pub fn joined(joined: u32, wanted: u32) -> Self {
        let count = |people: u32| u16::try_from(people).unwrap_or(u16::MAX);
        let (reached, of) = (count(joined), count(wanted));
        Self { grade: (joined > 0).then_some(Grade::Answered), reached, of, siren: false }
    }
}

impl FactBody {
    /// The conference that this is about, if it is about one.
    pub fn conference(&self) -> Option<ConferenceId> {
        match self {
            Self::ConferenceOpened { conference, .. }
            | Self::ConferenceJoined { conference, .. }
            | Self::ConferenceLeft { conference, .. }
            | Self::ConferenceEnded { conference, .. } => Some(*conference),
            _ => None,
        }
    }
}
