//! What facts say of telephone calls: at most three for an ordinary one. A call
//! is written down after it happened; nothing here answers or ends one.

use serde::{Deserialize, Serialize};

use super::{FactBody, WHO_MAX_BYTES};
use crate::id::{CallId, PersonId};

/// Longest number in a fact, in bytes.
pub const NUMBER_MAX_BYTES: usize = 32;

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    CallerHungUp,
    CalleeHungUp,
    /// The caller gave up before anybody answered.
    Cancelled,
    Busy,
    NoAnswer,
    /// The final status code (RFC 3261 §21).
    Refused {
        code: u16,
    },
    NotRegistered,
    UnknownNumber,
    /// Nothing was heard of one side any more.
    MediaLost,
    /// Somebody ended it from a console.
    Operator {
        who: Option<PersonId>,
    },
    /// The node that held the call stopped.
    NodeStopped,
    Unknown,
}

impl CallEnd {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::CalleeHungUp => "callee_hung_up",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Refused { .. } => "refused",
            Self::NotRegistered => "not_registered",
            Self::UnknownNumber => "unknown_number",
            Self::MediaLost => "media_lost",
            Self::Operator { .. } => "operator",
            Self::NodeStopped => "node_stopped",
            Self::Unknown => "unknown",
        }
    }
}

/// Cuts a number from outside to what a fact holds.
pub fn clip_number(text: &str) -> String {
    clip(text, NUMBER_MAX_BYTES)
}

fn clip(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

impl FactBody {
    /// The call that this is about, if it is about one.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::CallAnswered { call, .. }
            | Self::CallChanged { call, .. }
            | Self::CallEnded { call, .. }
            | Self::CallSeen { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// The same, with numbers, and names of those in a conference, no longer than
    /// a fact holds.
    #[must_use]
    pub fn with_clipped_numbers(mut self) -> Self {
        if let Self::ConferenceJoined { who, .. } | Self::ConferenceLeft { who, .. } = &mut self {
            *who = clip(who, WHO_MAX_BYTES);
        }
        let numbers = match &mut self {
            Self::CallAnswered { from, dialled, by, .. } => [Some(from), Some(dialled), Some(by)],
            Self::CallEnded { from, dialled, by, .. } => [Some(from), Some(dialled), by.as_mut()],
            Self::ConferenceOpened { number, .. } => [Some(number), None, None],
            _ => [None, None, None],
        };
        for number in numbers.into_iter().flatten() {
            *number = clip_number(number);
        }
        self
    }
}
