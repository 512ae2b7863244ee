//! The types openraft is instantiated with, generic over the async runtime, so
//! that the seeded simulation runs what ships. Nobody outside this crate and
//! its simulation needs them.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use openraft::AsyncRuntime;
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder, leader_id_std};
use serde::{Deserialize, Serialize};
use weir_model::decision::Answer;
use weir_model::id::NodeId;

/// What the cluster runs on: tokio, or the simulation's virtual time.
pub trait Runtime: AsyncRuntime + Send + Sync + 'static {}

impl<T> Runtime for T where T: AsyncRuntime + Send + Sync + 'static {}

/// A proposal as the log holds it: already encoded by our codec, so that it is
/// encoded once, by the leader, and copied from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command(pub Vec<u8>);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The answer to a command; none for entries that carry no command.
pub type Reply = Option<Answer>;

/// The type configuration; a value of it holds nothing.
pub struct Types<R>(PhantomData<fn() -> R>);

// Derives would ask the same traits of the runtime, which has no need of them.
impl<R> fmt::Debug for Types<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}

impl<R> Clone for Types<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Types<R> {}

impl<R> Default for Types<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R> PartialEq for Types<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<R> Eq for Types<R> {}

impl<R> PartialOrd for Types<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Types<R> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// Standard Raft: at most one leader a term, which a checker can hold us to.
pub type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
pub type Committed = openraft::vote::leader_id_std::CommittedLeaderId<u64>;
pub type Vote = openraft::impls::Vote<LeaderId>;
pub type LogId = openraft::LogId<Committed>;
pub type Payload = openraft::EntryPayload<Command, NodeId, openraft::EmptyNode>;
pub type Entry = openraft::Entry<Committed, Payload>;
pub type Membership = openraft::Membership<NodeId, openraft::EmptyNode>;
pub type StoredMembership = openraft::StoredMembership<Committed, NodeId, openraft::EmptyNode>;
pub type SnapshotMeta = openraft::SnapshotMeta<Committed, NodeId, openraft::EmptyNode>;
pub type Snapshot = openraft::Snapshot<Committed, NodeId, openraft::EmptyNode, SnapshotBytes>;

/// A snapshot in memory; at most [`crate::store::SNAPSHOT_BYTES`] long.
pub type SnapshotBytes = bytes::Bytes;

impl<R: Runtime> openraft::RaftTypeConfig for Types<R> {
    type D = Command;
    type R = Reply;
    type NodeId = NodeId;
    type Node = openraft::EmptyNode;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type AsyncRuntime = R;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(Committed::new(term), index)
}
