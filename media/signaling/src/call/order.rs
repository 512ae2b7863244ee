//! What goes into the machine of a call and what comes out.

use core::fmt;
use core::net::SocketAddr;

use weir_model::id::SiteId;

use crate::sdp::Kind;

use super::record::Record;

/// One dialog with a callee, named by the driver; never given out twice in the
/// life of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u32);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// One order to call a number, named by the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    Caller,
    Callee(LegId),
}

/// Of the relay: A faces the caller, B the callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    A,
    B,
}

/// Whom a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// One after the other, until somebody answers. None: the number is unknown.
    pub groups: Vec<Group>,
    /// Never busy, never given up before its time.
    pub emergency: bool,
}

/// Rung together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub numbers: Vec<Dial>,
    pub ring_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dial {
    pub number: String,
    /// Through a gateway or trunk: what it is to dial.
    pub dial: Option<String>,
    /// Another site's number: only that site rings it.
    pub at: Option<SiteId>,
}

/// Where the relay receives, on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub a: SocketAddr,
    pub b: SocketAddr,
}

/// The session ids of our descriptions to each side; unlike those of other calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    pub a: u64,
    pub b: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the INVITE to the answer, all groups together.
    pub ring_ms: u64,
    /// From the answer on.
    pub talk_ms: u64,
    /// For the far side to agree to a change.
    pub change_ms: u64,
    /// For a caller without an offer to confirm what it was told.
    pub confirm_ms: u64,
    /// Before an emergency call goes through the same groups again.
    pub again_ms: u64,
    /// For calls that were being placed when the call ended.
    pub stray_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_ms: 180_000,
            talk_ms: 24 * 3_600_000,
            change_ms: 20_000,
            confirm_ms: 40_000,
            again_ms: 2_000,
            stray_ms: 5_000,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The first; any other does as well.
    Begin,
    /// These legs are on their way.
    Placed {
        place: PlaceId,
        legs: Vec<LegId>,
    },
    /// Nothing was sent.
    NotPlaced {
        place: PlaceId,
        why: NotPlaced,
    },
    Heard {
        leg: Leg,
        event: Event,
    },
    /// An operator ends it.
    HangUp,
    /// The relay cannot go on, or has heard nothing for too long.
    MediaLost,
    /// The node stops.
    Stop,
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotPlaced {
    UnknownNumber,
    NotRegistered,
    /// Registered, but there is no way to it now.
    Unreachable,
    /// This node has as many calls as it can take.
    Full,
}

/// What is heard of a leg. `Refused`, `Silent` and `Ended` are last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Trying,
    /// 18x; `sdp` is empty when none came. So below.
    Ringing {
        code: u16,
        sdp: String,
    },
    Answered {
        sdp: String,
    },
    Refused {
        code: u16,
    },
    Silent,
    /// ACK to our 200; `sdp` answers what that offered.
    Confirmed {
        sdp: String,
    },
    /// re-INVITE; without `sdp` we are to offer.
    Changed {
        sdp: String,
    },
    /// 200 to our [`Output::Change`].
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
    Ended,
}

/// Carried out strictly in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Call every contact of this number; tell [`Input::Placed`] or
    /// [`Input::NotPlaced`]. The machine hangs up in time by itself; `ring_ms`
    /// is for the INVITE's own patience.
    Place {
        place: PlaceId,
        dial: Dial,
        offer: String,
        ring_ms: u64,
    },
    /// To the caller, provisional.
    Ring {
        code: u16,
        sdp: Option<String>,
    },
    /// To the caller, final: 200.
    Answer {
        sdp: String,
    },
    /// To the caller, final.
    Refuse {
        code: u16,
        words: &'static str,
    },
    /// Our re-INVITE.
    Change {
        leg: Leg,
        sdp: String,
    },
    /// 200 to its re-INVITE.
    Agree {
        leg: Leg,
        sdp: String,
    },
    /// Refuse its re-INVITE.
    Decline {
        leg: Leg,
        code: u16,
    },
    Info {
        leg: Leg,
        kind: String,
        body: Vec<u8>,
    },
    /// CANCEL before an answer, BYE after; a 200 that crosses is ended as well.
    /// Once a leg; whatever is still heard of it means nothing.
    HangUp {
        leg: Leg,
    },
    /// Replaces the one before. None: nothing is sent there.
    Aim {
        side: Side,
        aim: Option<Aim>,
    },
    /// For the journal; three at most.
    Record(Record),
    /// The last output of all.
    Over,
}

/// Where the relay sends on one side, and what comes from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    /// Whose it is: its signalling address may send sound, too.
    pub leg: Leg,
    /// Unspecified (0.0.0.0) if it was never told; then `hears` is false.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// False while it does not want to receive.
    pub hears: bool,
    /// What this side may send, by payload type: the numbers that it was told to
    /// use, and its own, which some use instead.
    pub formats: Vec<(u8, Kind)>,
}
