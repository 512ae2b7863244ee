//! What the journal is told of a call. Refuses to say more than three things.

/// At most one of each, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Answered {
        /// The number that picked up.
        by: String,
        at_ms: u64,
    },
    /// The first time that one side put the other on hold.
    Changed { held: bool, at_ms: u64 },
    Ended {
        why: Why,
        by: Option<String>,
        /// None: nobody answered.
        talked_ms: Option<u64>,
        /// An emergency call that nobody answered.
        missed: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    CallerHungUp,
    CalleeHungUp,
    /// The caller gave up before an answer.
    Cancelled,
    Busy,
    NoAnswer,
    /// As the device, or this node, refused.
    Refused {
        code: u16,
    },
    NotRegistered,
    UnknownNumber,
    MediaLost,
    Operator,
    NodeStopped,
    /// Answered, and longer than any call may be.
    TimedOut,
}
