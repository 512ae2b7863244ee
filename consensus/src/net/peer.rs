//! openraft's network traits over a [`Transport`]: one [`Peer`] a target.

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use weir_model::codec;
use weir_model::id::NodeId;

use super::append::{network, pipeline};
use super::message::{Appended, Opening, Request, Response, append_of, ask_of, pack, transfer_of};
use super::{Lane, SendError, Transport, snapshot};
use crate::store::wire::unplace;
use crate::types::{Runtime, Snapshot, SnapshotBytes, Types, Vote};

/// How long a replication pipe may be silent while answers are due.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same over a satellite, whose one round trip is most of a second.
const SATELLITE_PATIENCE: Duration = Duration::from_secs(10);
/// Shortest time a vote gets to cross the network and the voter's disk.
const VOTE_MS: u64 = 250;

type Outcome<R> = Result<StreamAppendResult<Types<R>>, RPCError<Types<R>>>;
type Streaming<'s, R> = BoxFuture<'s, Result<BoxStream<'s, Outcome<R>>, RPCError<Types<R>>>>;

/// Why a peer's answer is of no use.
#[derive(Debug, thiserror::Error)]
enum BadAnswer {
    #[error("the peer refused: {0}")]
    Refused(String),
    #[error("the peer answered another question")]
    Other,
}

/// Makes peers.
pub(crate) struct Peers<R, T> {
    me: NodeId,
    transport: T,
    runtime: PhantomData<fn() -> R>,
}

impl<R, T> Peers<R, T> {
    pub(crate) fn new(me: NodeId, transport: T) -> Self {
        Self { me, transport, runtime: PhantomData }
    }
}

impl<R: Runtime, T: Transport> Peers<R, T> {
    fn peer(&self, target: NodeId, purpose: Purpose) -> Peer<R, T> {
        let satellite = self.transport.is_satellite(target);
        Peer {
            me: self.me,
            target,
            transport: self.transport.clone(),
            purpose,
            satellite,
            runtime: PhantomData,
        }
    }
}

impl<R: Runtime, T: Transport> RaftNetworkFactory<Types<R>> for Peers<R, T> {
    type Network = Peer<R, T>;

    async fn new_client(&mut self, target: NodeId, _: &EmptyNode) -> Peer<R, T> {
        self.peer(target, Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, _: &EmptyNode) -> Peer<R, T> {
        self.peer(target, Purpose::Heartbeat)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Replication,
    Heartbeat,
}

/// One target.
pub(crate) struct Peer<R, T> {
    me: NodeId,
    target: NodeId,
    transport: T,
    purpose: Purpose,
    satellite: bool,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime, T: Transport> Peer<R, T> {
    fn patience(&self) -> Duration {
        if self.satellite { SATELLITE_PATIENCE } else { PATIENCE }
    }

    fn failed(&self, error: SendError, timeout: Duration, action: RPCTypes) -> RPCError<Types<R>> {
        match error {
            SendError::NotSent { .. } => RPCError::Unreachable(Unreachable::new(&error)),
            SendError::Unknown { .. } => {
                RPCError::Timeout(Timeout { action, id: self.me, target: self.target, timeout })
            }
        }
    }

    async fn ask(
        &self,
        request: &Request,
        timeout: Duration,
        action: RPCTypes,
    ) -> Result<Response, RPCError<Types<R>>> {
        let body = pack(request).map_err(network)?;
        let answer = self.transport.call(self.target, Lane::Control, body, timeout).await;
        let bytes = answer.map_err(|error| self.failed(error, timeout, action))?;
        match codec::decode(&bytes).map_err(network)? {
            Response::Refused(why) => Err(network(BadAnswer::Refused(why))),
            response => Ok(response),
        }
    }

    /// A heartbeat is one small question; a pipe for each would cost more than
    /// it carries. Over a satellite it is not sent at all: such a site never
    /// votes (`Refusal::SatelliteVoter`), so nothing counts the answer, and its
    /// liveness is the link's to tell.
    fn heartbeats<'s, S>(&'s mut self, input: S, option: RPCOption) -> Streaming<'s, R>
    where
        S: Stream<Item = AppendEntriesRequest<Types<R>>> + OptionalSend + Unpin + 'static,
    {
        if !self.satellite {
            return stream_append_sequential(self, input, option);
        }
        let unsent = input.map(|request| Ok(Ok(request.prev_log_id)));
        Box::pin(async move { Ok(unsent.boxed()) })
    }

    async fn ask_for_vote(
        &self,
        request: Request,
        option: &RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        let timeout = option.soft_ttl().max(Duration::from_millis(VOTE_MS));
        match self.ask(&request, timeout, RPCTypes::Vote).await? {
            Response::Vote { vote, granted, last } => {
                Ok(VoteResponse::new(Vote::from(vote), unplace(last), granted))
            }
            _ => Err(network(BadAnswer::Other)),
        }
    }
}

impl<R: Runtime, T: Transport> RaftNetworkV2<Types<R>> for Peer<R, T> {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<R>>, RPCError<Types<R>>> {
        let timeout = option.soft_ttl();
        let from_the_start = request.prev_log_id.is_none();
        let request = Request::Append(append_of(request));
        match self.ask(&request, timeout, RPCTypes::AppendEntries).await? {
            // What follows nothing conflicts with nothing; openraft would panic.
            Response::Append(Appended::Conflict) if from_the_start => {
                Err(network(BadAnswer::Other))
            }
            Response::Append(appended) => Ok(appended.response()),
            _ => Err(network(BadAnswer::Other)),
        }
    }

    fn stream_append<'s, S>(&'s mut self, input: S, option: RPCOption) -> Streaming<'s, R>
    where
        S: Stream<Item = AppendEntriesRequest<Types<R>>> + OptionalSend + Unpin + 'static,
    {
        if self.purpose == Purpose::Heartbeat {
            return self.heartbeats(input, option);
        }
        Box::pin(async move {
            let patience = self.patience();
            let first: Bytes = pack(&Opening::Append).map_err(network)?;
            let opened = self.transport.open(self.target, Lane::Control, first, patience).await;
            let pipe =
                opened.map_err(|error| self.failed(error, patience, RPCTypes::AppendEntries))?;
            Ok(pipeline::<R, S>(pipe, input, patience))
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        self.ask_for_vote(Request::Vote(ask_of(&request)), &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<R>>, RPCError<Types<R>>> {
        self.ask_for_vote(Request::PreVote(ask_of(&request)), &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<R>>, StreamingError<Types<R>>> {
        let sending = snapshot::send(&self.transport, self.target, &vote, snapshot);
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(snapshot::Unsent::Unreachable(error)) => {
                    Err(StreamingError::Unreachable(Unreachable::new(&error)))
                }
                Err(error) => Err(StreamingError::Network(NetworkError::new(&error))),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types<R>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<R>>, RPCError<Types<R>>> {
        let timeout = option.soft_ttl();
        match self.ask(&transfer_of(&request), timeout, RPCTypes::TransferLeader).await? {
            Response::Transferred(_) => Ok(Ok(())),
            _ => Err(network(BadAnswer::Other)),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        let step = if self.satellite { 1000 } else { 100 };
        Some(Backoff::new(std::iter::repeat(Duration::from_millis(step))))
    }
}
