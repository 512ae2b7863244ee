//! The answering side of [`super::peer`]: decodes, asks Raft, encodes. It
//! refuses a vote or an entry in the name of another node than the one whose
//! certificate the connection showed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use openraft::raft::TransferLeaderRequest;
use weir_model::codec;
use weir_model::id::{Hash, NodeId};

use super::message::{
    Append, Ask, Opening, Proposed, Request, Response, SnapshotFrame, appended_of, pack,
    stream_answer_of, voted_of,
};
use super::{Pipe, snapshot};
use crate::disk::Disk;
use crate::store::Machine;
use crate::store::wire::{Ballot, SnapshotHead, unplace};
use crate::types::{Runtime, Snapshot, Types};

pub(crate) type Raft<R, D> = openraft::Raft<Types<R>, Machine<D>>;

/// See the module.
pub(crate) struct Server<R: Runtime, D: Disk> {
    raft: Raft<R, D>,
    disk: D,
    /// One snapshot is received at a time.
    receiving: tokio::sync::Mutex<()>,
}

impl<R: Runtime, D: Disk> Server<R, D> {
    pub(crate) fn new(raft: Raft<R, D>, disk: D) -> Self {
        Self { raft, disk, receiving: tokio::sync::Mutex::default() }
    }

    /// Answers everything but proposals, which `propose` answers.
    pub(crate) async fn call<F>(
        &self,
        from: NodeId,
        body: &[u8],
        propose: impl FnOnce(Vec<u8>, Duration) -> F,
    ) -> Bytes
    where
        F: Future<Output = Proposed>,
    {
        let response = match codec::decode::<Request>(body) {
            Ok(Request::Propose { proposal, wait_ms }) => {
                let wait = Duration::from_millis(u64::from(wait_ms));
                Response::Propose(propose(proposal, wait).await)
            }
            Ok(request) => self.answer(from, request).await,
            Err(error) => Response::Refused(error.to_string()),
        };
        pack(&response).unwrap_or_default()
    }

    async fn answer(&self, from: NodeId, request: Request) -> Response {
        match request {
            Request::Append(append) => self.append(from, append).await,
            Request::Vote(ask) => self.vote(from, ask, false).await,
            Request::PreVote(ask) => self.vote(from, ask, true).await,
            Request::Transfer { from: ballot, to, last } => {
                if let Err(why) = speaks_for_itself(from, ballot) {
                    return Response::Refused(why);
                }
                let request = TransferLeaderRequest::new(ballot.into(), to, unplace(last));
                match self.raft.handle_transfer_leader(request).await {
                    Ok(outcome) => Response::Transferred(outcome.is_ok()),
                    Err(error) => Response::Refused(error.to_string()),
                }
            }
            Request::Propose { .. } => Response::Refused("not routed here".into()),
        }
    }

    async fn append(&self, from: NodeId, append: Append) -> Response {
        if let Err(why) = speaks_for_itself(from, append.vote) {
            return Response::Refused(why);
        }
        let request = match append.request() {
            Ok(request) => request,
            Err(error) => return Response::Refused(error.to_string()),
        };
        match self.raft.append_entries(request).await {
            Ok(response) => Response::Append(appended_of(response)),
            Err(error) => Response::Refused(error.to_string()),
        }
    }

    async fn vote(&self, from: NodeId, ask: Ask, pre: bool) -> Response {
        if let Err(why) = speaks_for_itself(from, ask.vote) {
            return Response::Refused(why);
        }
        let request = ask.request();
        let outcome =
            if pre { self.raft.pre_vote(request).await } else { self.raft.vote(request).await };
        match outcome {
            Ok(response) => voted_of(&response),
            Err(error) => Response::Refused(error.to_string()),
        }
    }

    /// Serves a pipe until its other end closes it.
    pub(crate) async fn pipe(&self, from: NodeId, first: &[u8], pipe: Pipe) {
        match codec::decode::<Opening>(first) {
            Ok(Opening::Append) => self.append_pipe(from, pipe).await,
            Ok(Opening::Snapshot { vote, head, bytes, chunks }) => {
                self.snapshot_pipe(from, pipe, vote, head, (bytes, chunks)).await;
            }
            Err(error) => tracing::warn!(%from, %error, "a pipe was refused"),
        }
    }

    async fn append_pipe(&self, from: NodeId, pipe: Pipe) {
        let Pipe { outgoing, incoming } = pipe;
        // Ends at the first frame that is not an honest append request.
        let requests = stream::unfold(incoming, move |mut incoming| async move {
            let frame = incoming.recv().await?;
            let append: Append = codec::decode(&frame).ok()?;
            speaks_for_itself(from, append.vote).ok()?;
            Some((append.request().ok()?, incoming))
        });
        let mut answers = std::pin::pin!(self.raft.stream_append(Box::pin(requests)));
        while let Some(Ok(answer)) = answers.next().await {
            let Ok(frame) = pack(&stream_answer_of(answer)) else { return };
            if outgoing.send(frame).await.is_err() {
                return;
            }
        }
    }

    async fn snapshot_pipe(
        &self,
        from: NodeId,
        mut pipe: Pipe,
        vote: Ballot,
        head: SnapshotHead,
        (bytes, chunks): (u64, Vec<Hash>),
    ) {
        let outcome = match speaks_for_itself(from, vote) {
            Ok(()) => self.receive(&mut pipe, vote, head, bytes, &chunks).await,
            Err(why) => Err(why),
        };
        let last = match outcome {
            Ok(vote) => SnapshotFrame::Done(vote),
            Err(why) => {
                tracing::warn!(%from, why, "a snapshot was not installed");
                SnapshotFrame::Refused(why)
            }
        };
        if let Ok(frame) = pack(&last) {
            // The sender may be gone: it tries again from what is here.
            let _ = pipe.outgoing.send(frame).await;
        }
    }

    async fn receive(
        &self,
        pipe: &mut Pipe,
        vote: Ballot,
        head: SnapshotHead,
        bytes: u64,
        chunks: &[Hash],
    ) -> Result<Ballot, String> {
        let _one = self.receiving.lock().await;
        let whole = snapshot::collect(&self.disk, pipe, bytes, chunks)
            .await
            .map_err(|error| error.to_string())?;
        let meta = head.meta().map_err(|error| error.to_string())?;
        let snapshot = Snapshot { meta, snapshot: whole };
        let installed = self
            .raft
            .install_full_snapshot(vote.into(), snapshot)
            .await
            .map_err(|error| error.to_string())?;
        snapshot::clear(&self.disk).await.map_err(|error| error.to_string())?;
        Ok(Ballot::from(&installed.vote))
    }
}

/// A candidate or leader may ask only in its own name.
fn speaks_for_itself(from: NodeId, vote: Ballot) -> Result<(), String> {
    if vote.candidate == from {
        return Ok(());
    }
    Err(format!("{from} spoke in the name of {}", vote.candidate))
}
