//! The facade: a node's part in the cluster. Propose a decision from anywhere,
//! read what was agreed, serve the other nodes. It refuses to call a time-out
//! an error or a success: what is not known is [`ProposeError::Unknown`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use weir_model::codec::{self, Stored};
use weir_model::decision::{Answer, Author, Decision, Profile, Proposal};
use weir_model::id::{NodeId, RequestKey, WallMs};
use weir_model::stamp::Stamp;

use crate::disk::Disk;
use crate::net::{Lane, Peers, Pipe, Proposed, Request, Response, SendError, Server, Transport};
use crate::profile::{self, Timing};
use crate::reconcile;
use crate::status::{self, Status};
use crate::store::{AppliedView, LogStore, Machine};
use crate::types::{Command, Runtime, Types};

pub(crate) type Raft<R, D> = openraft::Raft<Types<R>, Machine<D>>;

/// How long a follower waits before it looks again who leads.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What a forwarded proposal may take longer when a satellite lies between.
const SATELLITE_EXTRA: Duration = Duration::from_secs(3);
/// How long shutting down may take.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Reads the wall clock.
pub type WallClock = Arc<dyn Fn() -> WallMs + Send + Sync>;

/// What a node must know to take part.
#[derive(Clone)]
pub struct Settings {
    pub node: NodeId,
    pub profile: Profile,
    pub wall: WallClock,
}

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("数据无法读取 / what the disk holds cannot be read: {0}")]
    Store(#[from] io::Error),
    #[error("时序配置无效 / the timing profile is invalid: {0}")]
    Profile(#[from] openraft::ConfigError),
    #[error("共识无法启动 / consensus did not start: {0}")]
    Raft(String),
}

/// Why a proposal has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It may have been decided or may still be; ask again with the same key.
    #[error(
        "结果未知：请用同一请求号 {key} 重试 / the outcome is unknown: ask again with the same \
         key {key}"
    )]
    Unknown { key: RequestKey },
    /// It surely was not proposed.
    #[error(
        "没有可达的领导节点，未提交；本地呼叫、广播、预案不受影响 / no leader in reach, nothing \
         proposed; calls, pages and plans go on"
    )]
    NoLeader,
    #[error("请求过大 / the request is too large: {0}")]
    TooLarge(#[from] codec::DecodeError),
}

/// A decision somebody wants taken.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The same key is never carried out twice.
    pub key: RequestKey,
    pub author: Author,
    pub decision: Decision,
}

/// What became of one try.
enum Attempt {
    Answered(Answer),
    /// Surely not proposed by this try.
    NotHere,
    Unknown,
}

pub(crate) struct Inner<R: Runtime, D: Disk, T: Transport> {
    pub(crate) node: NodeId,
    pub(crate) raft: Raft<R, D>,
    server: Server<R, D>,
    transport: T,
    view: watch::Receiver<Arc<AppliedView>>,
    stamp: Mutex<Stamp>,
    wall: WallClock,
    started: Instant,
    timing: Timing,
    stop: CancellationToken,
}

/// See the module. Clones share the node.
pub struct Consensus<R: Runtime, D: Disk, T: Transport>(Arc<Inner<R, D, T>>);

impl<R: Runtime, D: Disk, T: Transport> Clone for Consensus<R, D, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Runtime, D: Disk, T: Transport> Consensus<R, D, T> {
    /// Reads the disk and takes up the node's part where it left off.
    ///
    /// # Errors
    /// When the disk cannot be read or holds what is not ours.
    pub async fn start(settings: Settings, disk: D, transport: T) -> Result<Self, StartError> {
        let Settings { node, profile, wall } = settings;
        let (machine, view) = Machine::open(disk.clone()).await?;
        let log = LogStore::<R, D>::new(disk.clone());
        let peers = Peers::new(node, transport.clone());
        let raft = openraft::Raft::new(node, profile::config(profile)?, peers, log, machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;
        let server = Server::new(raft.clone(), disk);
        let consensus = Self(Arc::new(Inner {
            node,
            raft,
            server,
            transport,
            view,
            stamp: Mutex::default(),
            wall,
            started: Instant::now(),
            timing: profile::timing(profile),
            stop: CancellationToken::new(),
        }));
        let (raft, view) = (consensus.0.raft.clone(), consensus.view());
        // Owned by the token: it ends when the node shuts down.
        drop(R::spawn(reconcile::run::<R, D>(node, raft, view, consensus.0.stop.clone())));
        Ok(consensus)
    }

    /// Makes this node the first and only voter of a new cluster. Asking again
    /// changes nothing.
    ///
    /// # Errors
    /// When Raft has stopped.
    pub async fn found(&self) -> Result<(), StartError> {
        let me = [(self.0.node, openraft::EmptyNode::default())];
        let raft = &self.0.raft;
        let founded = raft.is_initialized().await.map_err(|e| StartError::Raft(e.to_string()))?;
        if founded {
            return Ok(());
        }
        let nodes: std::collections::BTreeMap<_, _> = me.into_iter().collect();
        raft.initialize(nodes).await.map_err(|error| StartError::Raft(error.to_string()))
    }

    /// What was agreed, as far as this node has applied it.
    pub fn view(&self) -> watch::Receiver<Arc<AppliedView>> {
        self.0.view.clone()
    }

    pub fn status(&self) -> Status {
        status::of(&self.0.raft.metrics().borrow_watched())
    }

    /// Proposes a decision, here or at the leader, and waits for its answer.
    ///
    /// # Errors
    /// See [`ProposeError`]; a refusal is an answer, not an error.
    pub async fn propose(&self, wish: Wish, wait: Duration) -> Result<Answer, ProposeError> {
        let deadline = Instant::now() + wait;
        let key = wish.key;
        let since = self.0.view.borrow().applied;
        let proposal = Proposal {
            key,
            since,
            at: WallMs::default(),
            author: wish.author,
            decision: wish.decision,
        };
        let encoded = codec::encode(&proposal)?;
        let mut perhaps = false;
        let mut metrics = self.0.raft.metrics();
        loop {
            let tried = metrics.borrow_and_update().current_leader;
            match self.attempt(&proposal, &encoded, deadline).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::NotHere => {}
                Attempt::Unknown => perhaps = true,
            }
            // Either somebody new leads, or it is time to look again anyway. Any
            // other change of the metrics may come from the very attempt.
            let late = Instant::now() + LOOK_AGAIN >= deadline;
            let moved = metrics.wait_until(|now| now.current_leader != tried);
            let stopped = !late && matches!(timeout(LOOK_AGAIN, moved).await, Ok(Err(_)));
            if late || stopped {
                return Err(match perhaps {
                    true => ProposeError::Unknown { key },
                    false => ProposeError::NoLeader,
                });
            }
        }
    }

    async fn attempt(&self, proposal: &Proposal, encoded: &[u8], deadline: Instant) -> Attempt {
        let leader = self.0.raft.metrics().borrow_watched().current_leader;
        match leader {
            None => Attempt::NotHere,
            Some(leader) if leader == self.0.node => self.write(proposal.clone(), deadline).await,
            Some(leader) => self.forward(leader, encoded.to_vec(), deadline).await,
        }
    }

    /// As the leader: stamp, append, wait until it is applied.
    async fn write(&self, mut proposal: Proposal, deadline: Instant) -> Attempt {
        let agreed = self.0.view.borrow().state.now;
        let mono_ms = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        proposal.at = self.0.stamp.lock().unwrap_or_else(PoisonError::into_inner).next(
            (self.0.wall)(),
            mono_ms,
            agreed,
        );
        let Ok(bytes) = codec::encode(&proposal) else { return Attempt::NotHere };
        let patience = deadline.min(Instant::now() + self.0.timing.attempt());
        match timeout_at(patience, self.0.raft.client_write(Command(bytes))).await {
            Ok(Ok(written)) => written.data.map_or(Attempt::Unknown, Attempt::Answered),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Attempt::NotHere,
            // Discarded entries may have been committed elsewhere: unknown too.
            Ok(Err(_)) | Err(_) => Attempt::Unknown,
        }
    }

    async fn forward(&self, leader: NodeId, proposal: Vec<u8>, deadline: Instant) -> Attempt {
        let slow =
            self.0.transport.is_satellite(leader) || self.0.transport.is_satellite(self.0.node);
        let extra = if slow { SATELLITE_EXTRA } else { Duration::ZERO };
        let patience =
            deadline.saturating_duration_since(Instant::now()).min(self.0.timing.attempt() + extra);
        let wait_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let Ok(body) = pack(&Request::Propose { proposal, wait_ms }) else {
            return Attempt::NotHere;
        };
        let called = tokio::select! {
            called = self.0.transport.call(leader, Lane::Control, body, patience) => called,
            // It fell, and another leads: no reason to wait for its answer.
            () = self.led_by_another_than(leader) => return Attempt::Unknown,
        };
        match called {
            Ok(bytes) => match codec::decode(&bytes) {
                Ok(Response::Propose(Proposed::Answered(answer))) => Attempt::Answered(answer),
                Ok(Response::Propose(Proposed::NotLeader(_)) | Response::Refused(_)) => {
                    Attempt::NotHere
                }
                _ => Attempt::Unknown,
            },
            Err(SendError::NotSent { .. }) => Attempt::NotHere,
            Err(SendError::Unknown { .. }) => Attempt::Unknown,
        }
    }

    async fn led_by_another_than(&self, leader: NodeId) {
        let mut metrics = self.0.raft.metrics();
        loop {
            let now = metrics.borrow_watched().current_leader;
            if now.is_some_and(|now| now != leader) {
                return;
            }
            if metrics.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Another node's proposal, forwarded to us because it thinks we lead.
    /// It speaks for the node that sent it, whatever it says.
    async fn forwarded(&self, from: NodeId, encoded: Vec<u8>, wait: Duration) -> Proposed {
        let Ok(mut proposal) = codec::decode::<Proposal>(&encoded) else {
            return Proposed::NotLeader(None);
        };
        proposal.author.node = from;
        let leader = self.0.raft.metrics().borrow_watched().current_leader;
        if leader != Some(self.0.node) {
            return Proposed::NotLeader(leader);
        }
        match self.write(proposal, Instant::now() + wait).await {
            Attempt::Answered(answer) => Proposed::Answered(answer),
            Attempt::NotHere => Proposed::NotLeader(None),
            Attempt::Unknown => Proposed::Unknown,
        }
    }

    /// Answers another node's request.
    pub async fn serve_call(&self, from: NodeId, body: &[u8]) -> Bytes {
        let forwarded = |proposal, wait| self.forwarded(from, proposal, wait);
        self.0.server.call(from, body, forwarded).await
    }

    /// Serves a pipe that another node opened, until it closes it.
    pub async fn serve_pipe(&self, from: NodeId, first: &[u8], pipe: Pipe) {
        self.0.server.pipe(from, first, pipe).await;
    }

    /// Lets go of the log behind the newest snapshot, but for `keep` entries,
    /// and begins the next snapshot.
    pub async fn compact(&self, keep: u64) {
        let trigger = self.0.raft.trigger();
        let behind = self.status().snapshot.saturating_sub(keep);
        if behind > 0 {
            // Both only say that consensus has stopped.
            let _ = trigger.purge_log(behind).await;
        }
        let _ = trigger.snapshot().await;
    }

    /// Hands leadership to another voter, if this node leads.
    pub async fn step_aside(&self) {
        let metrics = self.0.raft.metrics().borrow_watched().clone();
        if metrics.current_leader != Some(self.0.node) {
            return;
        }
        let voters = metrics.membership_config.membership().voter_ids();
        if let Some(heir) = voters.into_iter().find(|id| *id != self.0.node) {
            let _ = self.0.raft.trigger().transfer_leader(heir).await;
            let mut leadership = self.0.raft.metrics();
            let me = Some(self.0.node);
            let gone = async {
                while leadership.borrow_watched().current_leader == me {
                    if leadership.changed().await.is_err() {
                        return;
                    }
                }
            };
            // An heir that lags takes longer than anybody wants to wait.
            let _ = timeout(self.0.timing.attempt(), gone).await;
        }
    }

    /// Stops taking part. What was acknowledged is on disk already.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        if timeout(SHUTDOWN, self.0.raft.shutdown()).await.is_err() {
            tracing::warn!("consensus did not stop within {SHUTDOWN:?}");
        }
    }
}

fn pack<T: Stored>(message: &T) -> Result<Bytes, codec::DecodeError> {
    codec::encode(message).map(Bytes::from)
}
