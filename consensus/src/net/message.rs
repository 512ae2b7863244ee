//! What nodes say to each other about Raft, in our own shapes.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use weir_model::codec::{self, DecodeError, Stored};
use weir_model::decision::Answer;
use weir_model::id::{Hash, NodeId};

use crate::store::wire::{
    Ballot, ENTRY_BYTES, LogEntry, Place, SnapshotHead, WireError, place, unplace,
};
use crate::types::{Runtime, Types};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    pub vote: Ballot,
    pub previous: Option<Place>,
    pub entries: Vec<LogEntry>,
    pub committed: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub vote: Ballot,
    pub last: Option<Place>,
    pub transfer: bool,
}

/// A request that has one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Append(Append),
    Vote(Ask),
    PreVote(Ask),
    Transfer {
        from: Ballot,
        to: NodeId,
        last: Option<Place>,
    },
    /// To the leader: an encoded proposal, and how long the proposer waits.
    Propose {
        proposal: Vec<u8>,
        wait_ms: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Appended {
    Success,
    Partial(Option<Place>),
    Conflict,
    HigherVote(Ballot),
}

/// What became of a forwarded proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proposed {
    Answered(Answer),
    /// Surely not proposed here; ask this node, if any.
    NotLeader(Option<NodeId>),
    /// Perhaps proposed, perhaps not.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    Append(Appended),
    Vote {
        vote: Ballot,
        granted: bool,
        last: Option<Place>,
    },
    Transferred(bool),
    Propose(Proposed),
    /// The request could not be served: not understood, or Raft has stopped.
    Refused(String),
}

/// The first frame of a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    Append,
    Snapshot { vote: Ballot, head: SnapshotHead, bytes: u64, chunks: Vec<Hash> },
}

/// Frames of a snapshot's pipe after the opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotFrame {
    /// Receiver: these chunks are not here yet.
    Need(Vec<u32>),
    Chunk {
        number: u32,
        bytes: Vec<u8>,
    },
    /// Receiver: installed, or the vote is outdated.
    Done(Ballot),
    Refused(String),
}

/// An answer in an append pipe, one a request, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamAnswer {
    Matching(Option<Place>),
    Conflict(Place),
    HigherVote(Ballot),
}

weir_model::stored! {
    Request, 40, 2 * ENTRY_BYTES, "consensus request";
    Response, 41, 128 << 10, "consensus response";
    Opening, 42, 1 << 20, "pipe opening";
    SnapshotFrame, 43, 128 << 10, "snapshot frame";
    StreamAnswer, 44, 64, "append answer";
    Append, 45, 2 * ENTRY_BYTES, "append request";
}

pub fn pack<T: Stored>(message: &T) -> Result<Bytes, DecodeError> {
    codec::encode(message).map(Bytes::from)
}

pub fn append_of<R: Runtime>(request: AppendEntriesRequest<Types<R>>) -> Append {
    Append {
        vote: Ballot::from(&request.vote),
        previous: place(request.prev_log_id.as_ref()),
        entries: request.entries.into_iter().map(LogEntry::from).collect(),
        committed: place(request.leader_commit.as_ref()),
    }
}

impl Append {
    pub fn request<R: Runtime>(self) -> Result<AppendEntriesRequest<Types<R>>, WireError> {
        Ok(AppendEntriesRequest {
            vote: self.vote.into(),
            prev_log_id: unplace(self.previous),
            entries: self.entries.into_iter().map(LogEntry::entry).collect::<Result<_, _>>()?,
            leader_commit: unplace(self.committed),
        })
    }
}

pub fn appended_of<R: Runtime>(response: AppendEntriesResponse<Types<R>>) -> Appended {
    match response {
        AppendEntriesResponse::Success => Appended::Success,
        AppendEntriesResponse::PartialSuccess(at) => Appended::Partial(place(at.as_ref())),
        AppendEntriesResponse::Conflict => Appended::Conflict,
        AppendEntriesResponse::HigherVote(vote) => Appended::HigherVote(Ballot::from(&vote)),
    }
}

impl Appended {
    pub fn response<R: Runtime>(self) -> AppendEntriesResponse<Types<R>> {
        match self {
            Self::Success => AppendEntriesResponse::Success,
            Self::Partial(at) => AppendEntriesResponse::PartialSuccess(unplace(at)),
            Self::Conflict => AppendEntriesResponse::Conflict,
            Self::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into()),
        }
    }
}

pub fn ask_of<R: Runtime>(request: &VoteRequest<Types<R>>) -> Ask {
    Ask {
        vote: Ballot::from(&request.vote),
        last: place(request.last_log_id.as_ref()),
        transfer: request.leadership_transfer,
    }
}

impl Ask {
    pub fn request<R: Runtime>(self) -> VoteRequest<Types<R>> {
        let mut request = VoteRequest::new(self.vote.into(), unplace(self.last));
        request.leadership_transfer = self.transfer;
        request
    }
}

pub fn voted_of<R: Runtime>(response: &VoteResponse<Types<R>>) -> Response {
    Response::Vote {
        vote: Ballot::from(&response.vote),
        granted: response.vote_granted,
        last: place(response.last_log_id.as_ref()),
    }
}

pub fn transfer_of<R: Runtime>(request: &TransferLeaderRequest<Types<R>>) -> Request {
    Request::Transfer {
        from: Ballot::from(request.from_leader()),
        to: *request.to_node_id(),
        last: place(request.last_log_id()),
    }
}

pub fn stream_answer_of<R: Runtime>(result: StreamAppendResult<Types<R>>) -> StreamAnswer {
    match result {
        Ok(at) => StreamAnswer::Matching(place(at.as_ref())),
        Err(StreamAppendError::Conflict(at)) => StreamAnswer::Conflict(Place::from(&at)),
        Err(StreamAppendError::HigherVote(vote)) => StreamAnswer::HigherVote(Ballot::from(&vote)),
    }
}

impl StreamAnswer {
    pub fn result<R: Runtime>(self) -> StreamAppendResult<Types<R>> {
        match self {
            Self::Matching(at) => Ok(unplace(at)),
            Self::Conflict(at) => Err(StreamAppendError::Conflict(at.into())),
            Self::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft_rt_tokio::TokioRuntime;
    use proptest::prelude::*;

    /// A body behind the right kind and version, so that it gets far.
    fn framed<T: Stored>(body: &[u8]) -> Result<T, DecodeError> {
        codec::decode(&[&[T::KIND, T::VERSION], body].concat())
    }

    proptest! {
        #[test]
        fn no_message_of_another_node_makes_this_one_panic(body: Vec<u8>) {
            if let Ok(append) = framed::<Append>(&body) {
                let _ = append.request::<TokioRuntime>();
            }
            if let Ok(Request::Append(append)) = framed::<Request>(&body) {
                let _ = append.request::<TokioRuntime>();
            }
            if let Ok(Opening::Snapshot { head, .. }) = framed::<Opening>(&body) {
                let _ = head.meta();
            }
            let _ = framed::<Response>(&body);
            let _ = framed::<SnapshotFrame>(&body);
            let _ = framed::<StreamAnswer>(&body);
        }

        /// A membership whose voters are not its members, and the like.
        #[test]
        fn no_membership_makes_this_node_panic(
            configs in proptest::collection::vec(
                proptest::collection::btree_set(0_u64..6, 0..4), 0..3),
            nodes in proptest::collection::btree_set(0_u64..6, 0..6),
        ) {
            let ids = |set: std::collections::BTreeSet<u64>| set.into_iter().map(NodeId).collect();
            let configs = configs.into_iter().map(ids).collect();
            let voters = crate::store::wire::Voters { configs, nodes: ids(nodes) };
            let _ = voters.membership();
        }
    }
}
