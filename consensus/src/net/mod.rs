//! Raft between nodes: our own messages over a transport that the caller gives.
//! The real one is `weir_link`'s QUIC; the simulation's is a bus in memory. It
//! refuses to invent an answer for a voter: what did not arrive is an error.

mod append;
pub mod message;
mod peer;
mod quic;
mod serve;
mod snapshot;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use weir_model::id::NodeId;

pub use message::{Proposed, Request, Response};
pub(crate) use peer::Peers;
pub use quic::QuicTransport;
pub(crate) use serve::Server;

/// Frames that may wait in either direction of a pipe.
pub const PIPE_FRAMES: usize = 16;

/// What a message may not wait behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Votes, heartbeats, entries, proposals.
    Control,
    /// Snapshots and whatever else is long and patient.
    Bulk,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer surely did not act.
    #[error("not sent: {reason}")]
    NotSent { reason: String },
    /// Whether the peer acted is unknown.
    #[error("no answer: {reason}")]
    Unknown { reason: String },
}

/// Frames in both directions, in order; dropping it ends both.
pub struct Pipe {
    pub outgoing: mpsc::Sender<Bytes>,
    pub incoming: mpsc::Receiver<Bytes>,
}

impl Pipe {
    /// Two ends of one pipe.
    pub fn pair() -> (Self, Self) {
        let (here, there_in) = mpsc::channel(PIPE_FRAMES);
        let (there, here_in) = mpsc::channel(PIPE_FRAMES);
        let one = Self { outgoing: here, incoming: here_in };
        (one, Self { outgoing: there, incoming: there_in })
    }
}

pub trait Transport: Clone + Send + Sync + 'static {
    /// One request, one answer.
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> impl Future<Output = Result<Bytes, SendError>> + Send;

    /// A pipe whose first frame the peer reads to know what it is for.
    fn open(
        &self,
        to: NodeId,
        lane: Lane,
        first: Bytes,
        timeout: Duration,
    ) -> impl Future<Output = Result<Pipe, SendError>> + Send;

    /// Whether the path to `to` is slow and paid by the byte.
    fn is_satellite(&self, to: NodeId) -> bool;
}
