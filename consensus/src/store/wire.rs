//! How consensus records become bytes, on disk and between nodes. Our own
//! shapes, never openraft's: its types may change with any release, what is on
//! a disk may not. It refuses what does not decode; it never guesses.

use std::collections::BTreeSet;
use std::io;

use openraft::{EmptyNode, EntryPayload};
use serde::{Deserialize, Serialize};
use weir_model::codec::{self, DecodeError, Stored};
use weir_model::id::NodeId;

use crate::types::{
    Command, Entry, LeaderId, LogId, Membership, SnapshotMeta, StoredMembership, Vote, log_id,
};

/// Longest entry: a proposal and its frame.
pub const ENTRY_BYTES: usize = (2 << 20) + 1024;

/// Where in the log: term and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub term: u64,
    pub index: u64,
}

impl From<&LogId> for Place {
    fn from(id: &LogId) -> Self {
        Self { term: id.committed_leader_id().term, index: id.index() }
    }
}

impl From<Place> for LogId {
    fn from(place: Place) -> Self {
        log_id(place.term, place.index)
    }
}

pub fn place(id: Option<&LogId>) -> Option<Place> {
    id.map(Place::from)
}

pub fn unplace(place: Option<Place>) -> Option<LogId> {
    place.map(LogId::from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    pub term: u64,
    pub candidate: NodeId,
    pub committed: bool,
}

impl From<&Vote> for Ballot {
    fn from(vote: &Vote) -> Self {
        let LeaderId { term, voted_for } = vote.leader_id;
        Self { term, candidate: voted_for, committed: vote.committed }
    }
}

impl From<Ballot> for Vote {
    fn from(ballot: Ballot) -> Self {
        let leader_id = LeaderId { term: ballot.term, voted_for: ballot.candidate };
        Self { leader_id, committed: ballot.committed }
    }
}

/// Who votes (two lists while the membership changes) and who only listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voters {
    pub configs: Vec<BTreeSet<NodeId>>,
    pub nodes: BTreeSet<NodeId>,
}

impl From<&Membership> for Voters {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, _)| *id).collect(),
        }
    }
}

impl Voters {
    pub fn membership(self) -> Result<Membership, WireError> {
        let nodes: std::collections::BTreeMap<NodeId, EmptyNode> =
            self.nodes.into_iter().map(|id| (id, EmptyNode::default())).collect();
        Membership::new(self.configs, nodes).map_err(|_| WireError::Membership)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVoters {
    pub at: Option<Place>,
    pub voters: Voters,
}

impl From<&StoredMembership> for StoredVoters {
    fn from(stored: &StoredMembership) -> Self {
        Self { at: place(stored.log_id().as_ref()), voters: Voters::from(stored.membership()) }
    }
}

impl StoredVoters {
    pub fn membership(self) -> Result<StoredMembership, WireError> {
        if self.voters == Voters::default() {
            return Ok(StoredMembership::new(unplace(self.at), Membership::default()));
        }
        Ok(StoredMembership::new(unplace(self.at), self.voters.membership()?))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Blank,
    Command(Vec<u8>),
    Voters(Voters),
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub place: Place,
    pub content: Content,
}

impl From<Entry> for LogEntry {
    fn from(entry: Entry) -> Self {
        let content = match entry.payload {
            EntryPayload::Blank => Content::Blank,
            EntryPayload::Normal(command) => Content::Command(command.0),
            EntryPayload::Membership(membership) => Content::Voters(Voters::from(&membership)),
        };
        Self { place: Place::from(&entry.log_id), content }
    }
}

impl LogEntry {
    pub fn entry(self) -> Result<Entry, WireError> {
        let payload = match self.content {
            Content::Blank => EntryPayload::Blank,
            Content::Command(bytes) => EntryPayload::Normal(Command(bytes)),
            Content::Voters(voters) => EntryPayload::Membership(voters.membership()?),
        };
        Ok(Entry { log_id: self.place.into(), payload })
    }
}

/// What stands at the front of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    pub last: Option<Place>,
    pub voters: StoredVoters,
}

impl From<&SnapshotMeta> for SnapshotHead {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last: place(meta.last_log_id.as_ref()),
            voters: StoredVoters::from(&meta.last_membership),
        }
    }
}

impl SnapshotHead {
    pub fn meta(self) -> Result<SnapshotMeta, WireError> {
        Ok(SnapshotMeta {
            last_log_id: unplace(self.last),
            last_membership: self.voters.membership()?,
        })
    }
}

weir_model::stored! {
    Place, 30, 64, "log place";
    Ballot, 31, 64, "vote";
    LogEntry, 32, ENTRY_BYTES, "log entry";
    StoredVoters, 33, 256 << 10, "membership";
    SnapshotHead, 34, 256 << 10, "snapshot head";
}

/// Why bytes are not a consensus record.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the membership names voters that are not members")]
    Membership,
    #[error("the snapshot ends in the middle of a record")]
    SnapshotCut,
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

pub fn encode<T: Stored>(record: &T) -> io::Result<Vec<u8>> {
    codec::encode(record).map_err(|error| WireError::from(error).into())
}

pub fn decode<T: Stored>(bytes: &[u8]) -> io::Result<T> {
    codec::decode(bytes).map_err(|error| WireError::from(error).into())
}
