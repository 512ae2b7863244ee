//! What can go wrong between nodes. Each error says which of three things is
//! true: the peer surely did not act, it surely refused, or nobody knows. It
//! refuses to round *unknown* to either side.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::refusal::Refusal;

/// Why a message surely did not reach the peer's handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    #[error("no address of the node is known; see `weir member list`")]
    NoAddress,
    #[error("not connected within the time given; dialling goes on")]
    StillDialling,
    #[error("nobody answers at {0}; check the node, its address and the firewall (UDP)")]
    NoAnswer(SocketAddr),
    #[error("dialling {to} failed: {cause}")]
    Transport { to: SocketAddr, cause: String },
    #[error("dialled {ago:?} ago without success; trying again in {wait:?} ({last})")]
    BackingOff { ago: Duration, wait: Duration, last: Box<Self> },
    #[error("the connection had no room for the message within the time given")]
    Busy,
    #[error("the connection was lost before the message was handed over")]
    Lost,
    #[error("the peer is shutting down and did not take the message")]
    PeerClosing,
    #[error("{len} bytes are more than the {max} a message may have")]
    TooLong { len: usize, max: usize },
    #[error("voice and video carry datagrams only; use the control or bulk class")]
    NoStreams,
    #[error("this node's link is closed")]
    LinkClosed,
}

/// Why a datagram surely was not sent. One that was sent may still be lost: nobody
/// says so, and nobody sends it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    #[error("longer than the {max} bytes a datagram may have")]
    TooLarge { max: usize },
    /// A dial has begun unless the last one failed a moment ago.
    #[error("not connected; dialling")]
    NotConnected,
    /// Video alone: what waits would be late already.
    #[error("too much waits to be sent; send less")]
    Full,
    #[error("control and bulk carry no datagrams; use the voice or video class")]
    WrongClass,
    #[error("this node's link is closed")]
    Closed,
}

/// Why a call or an opening brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer surely did not act on it; it may be sent again or elsewhere.
    #[error("not sent: {reason}")]
    Unreachable { reason: Unreachable },
    /// The peer surely did not act on it, and will not next time.
    #[error("refused: {reason}")]
    Refused { reason: Refusal },
    /// Sent, and no answer in time: whether the peer acted is unknown.
    #[error("no answer in time; whether the peer acted is unknown")]
    TimedOut,
    /// Sent, and the connection broke: whether the peer acted is unknown.
    #[error("the connection broke ({cause}); whether the peer acted is unknown")]
    Closed { cause: String },
}

impl CallError {
    /// True when the peer's handler surely never saw the message.
    pub const fn surely_not_processed(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } => true,
            Self::TimedOut | Self::Closed { .. } => false,
        }
    }
}

impl From<Unreachable> for CallError {
    fn from(reason: Unreachable) -> Self {
        Self::Unreachable { reason }
    }
}

/// Why a framed stream ended other than by its sender's finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("a frame of {len} bytes is longer than the {max} allowed")]
    TooLong { len: usize, max: usize },
    #[error("the stream ended in the middle of a frame")]
    Truncated,
    #[error("the peer gave the stream up")]
    Reset,
    #[error("the peer no longer reads")]
    Stopped,
    #[error("the stream is already finished")]
    Finished,
    #[error("the connection broke: {cause}")]
    Lost { cause: String },
}

/// Why the link did not come up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot open UDP {addr}: {source}; is another process using it?")]
    Socket { addr: SocketAddr, source: io::Error },
    #[error("no run of {0} free UDP ports was found; name a port in the configuration")]
    NoFreePorts(usize),
    #[error("UDP port {0} leaves no room above it for the other classes; choose a lower one")]
    PortTooHigh(u16),
    #[error("the node's certificate or key cannot be used: {0}; restore them or join anew")]
    Identity(#[from] rustls::Error),
    #[error("a time-out of {0:?} is longer than QUIC can express; shorten it")]
    IdleTimeout(Duration),
    #[error("the TLS provider lacks what QUIC needs: {0}")]
    Provider(String),
}

/// Why a node could not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// No address of the token answered; each with what happened there.
    #[error("no node of the token answered ({tried}); check network and firewall (UDP)")]
    NoAnswer { tried: String },
    /// A node answered that does not have the CA the token names: somebody
    /// else's cluster, or somebody in between.
    #[error("the node at {at} does not have the CA the token names; create a new token")]
    WrongCa { at: SocketAddr },
    #[error("the node at {at} cannot be trusted: {refusal}")]
    Refused { at: SocketAddr, refusal: Refusal },
    /// The cluster's answer, in its words.
    #[error("the cluster refused: {0}")]
    Denied(String),
    /// Asked, and no answer: the node may or may not have been added.
    #[error("asked {at}, and the answer did not arrive ({cause}); ask again with this token")]
    Unknown { at: SocketAddr, cause: String },
    #[error("the token names no address; create a new one with `weir token create`")]
    NoAddress,
    #[error("the request is {len} bytes long, more than the {max} allowed")]
    TooLong { len: usize, max: usize },
    #[error("the link could not be set up: {0}")]
    Local(String),
}
