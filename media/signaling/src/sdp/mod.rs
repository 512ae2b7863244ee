//! SDP (RFC 8866) between two telephones that Weir stands between: reads what
//! one says, writes it on to the other with our address in it (RFC 3264). RTP is
//! passed unchanged, so payload types keep the numbers that the far side gave
//! them. Refuses to offer on what is not relayed: other media, encryption, ICE,
//! bundles, rtcp-mux, and every codec but the five of [`Kind`].

mod answer;
mod format;
mod lines;
mod read;
mod refused;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

use core::net::SocketAddr;

pub use answer::{agree, read_answer};
pub use format::{Format, Kind};
pub use read::read;
pub use refused::SdpError;
pub use writer::{Writer, own_audio};

/// Longest description that is looked at, in bytes.
pub const MAX_BYTES: usize = 16 << 10;
/// Most `m=` lines of one description.
pub const MEDIA_MAX: usize = 16;
/// Most payload types of one `m=` line that are looked at.
pub const TYPES_MAX: usize = 32;

/// What one telephone said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The first audio that can be relayed.
    pub audio: Audio,
    /// Its place among the `m=` lines.
    pub place: usize,
    /// `RTP/AVP` or `RTP/AVPF`; an answer says the same.
    pub profile: Profile,
    /// All other `m=` lines, in order. They are declined.
    pub others: Vec<Other>,
}

/// One audio stream, as its receiver described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Where it wants to receive. The address is unspecified when it was put on
    /// hold the old way (`c=0.0.0.0`); then the direction never receives.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    pub direction: Direction,
    /// Best first; never without a voice format.
    pub formats: Vec<Format>,
    pub ptime_ms: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Avp,
    Avpf,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
        }
    }
}

/// An `m=` line that is declined, as much of it as the answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub media: String,
    pub profile: String,
    pub format: String,
}

/// As the one sees it who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Both,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::Both,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::Both | Self::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::Both | Self::RecvOnly)
    }

    /// This, said in answer to `offer`: nobody sends to one who does not
    /// receive, whatever the answer claims (RFC 3264 §6.1).
    #[must_use]
    pub fn answering(self, offer: Self) -> Self {
        Self::new(self.sends() && offer.receives(), self.receives() && offer.sends())
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [Self::Both, Self::SendOnly, Self::RecvOnly, Self::Inactive];
        all.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }
}

impl Audio {
    /// Its format of this kind and clock.
    pub fn like(&self, other: &Format) -> Option<&Format> {
        self.formats.iter().find(|format| format.is_like(other))
    }
}
