//! Sound to and from other sites. A trunk is the sound of one call, or of one
//! conference; all trunks to a peer share datagrams. Towards its own site a call's
//! trunk is a port that looks like a telephone, a conference's a line into the
//! room. One thread carries them all. It decides nothing: who is connected with
//! whom, and what lies between, is told to it; and it opens no link.

mod carried;
mod handle;
mod line;
mod mail;
mod peer;
mod post;
mod reception;
mod stats;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::id::NodeId;

pub use handle::Trunk;
pub use stats::{TrunkCallStats, TrunkStats};

use crate::voice::mixer::Line;
use crate::voice::{First, Ports, PortsError};
use crate::wan::Link;
use carried::{Opening, Way};
use handle::ms;
use line::LineEnd;
use post::Post;
use wire::Wire;
use worker::Worker;

/// Trunks of a node, and of these to one peer.
pub const TRUNKS_MAX: u32 = 512;
pub const PEER_TRUNKS_MAX: u32 = 256;

/// How a datagram gets to a peer. It never waits; `false`: it is lost.
pub type SendDatagram = Arc<dyn Fn(NodeId, Bytes) -> bool + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum TrunkError {
    #[error(
        "站点间通话数已达上限（{0}），请稍后再拨 / \
         as many calls to other sites as this node carries ({0}) are under way; try again later"
    )]
    Full(u32),
    #[error(
        "到该站点的通话数已达上限（{0}），请稍后再拨 / \
         as many calls as go to that site ({0}) are under way; try again later"
    )]
    PeerFull(u32),
    #[error(transparent)]
    Ports(#[from] PortsError),
    #[error(
        "站点间语音已停止，请检查节点是否正在关闭 / \
         voice between sites has stopped; see whether the node is shutting down"
    )]
    Stopped,
    #[error(
        "系统资源不足，无法传送站点间语音，请检查线程与文件句柄上限 / \
         the host gives no more for voice between sites; \
         look at its limits of threads and open files: {0}"
    )]
    Host(#[from] std::io::Error),
}

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Trunks {
    ports: Ports,
    post: Arc<Post>,
}

/// Random beginnings (RFC 3550 §5.1).
fn first() -> std::io::Result<First> {
    let mut dice = [0; 10];
    getrandom::fill(&mut dice).map_err(|error| std::io::Error::other(error.to_string()))?;
    let [s0, s1, s2, s3, q0, q1, t0, t1, t2, t3] = dice;
    Ok(First {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        seq: u16::from_be_bytes([q0, q1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
    })
}

impl Trunks {
    /// To be called within a runtime. The thread ends with `stop`, and `tasks`
    /// waits for it.
    ///
    /// # Errors
    /// When the host has no thread or file handle left.
    pub fn start(
        ports: Ports,
        send: SendDatagram,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, TrunkError> {
        let dice = first()?;
        let post = Arc::new(Post::new(Instant::now(), dice.seq)?);
        let worker = Worker::new(post.clone(), send, dice.timestamp);
        // Who sends datagrams may want to dial, which is a task.
        let runtime = Handle::current();
        let thread =
            std::thread::Builder::new().name("weir-trunk".to_owned()).spawn(move || {
                let _entered = runtime.enter();
                worker.run();
            })?;
        let ended = post.clone();
        tasks.spawn(async move {
            stop.cancelled().await;
            ended.stop();
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!("the thread for voice between sites has failed");
            }
        });
        Ok(Self { ports, post })
    }

    /// A voice datagram of a peer. Never waits: of a peer that sends faster than
    /// it is read, the oldest are dropped.
    pub fn received(&self, from: NodeId, datagram: Bytes) {
        self.post.mail.receive(from, self.post.now_ms(), datagram, &self.post.counters);
    }

    /// What lies between. Trunks follow when they are joined the next time; how
    /// often datagrams go, and whether twice, follows at once.
    pub fn set_path(&self, peer: NodeId, path: Link) {
        self.post.set_path(peer, path);
    }

    pub fn path_of(&self, peer: NodeId) -> Link {
        self.post.path_of(peer)
    }

    /// A call's: a pair of ports that looks like a telephone. Nothing is sent
    /// before it is joined.
    ///
    /// # Errors
    /// When there are too many, no port is free, or it has stopped.
    pub fn open(&self, peer: NodeId) -> Result<Trunk, TrunkError> {
        self.place(peer, || {
            let pair = self.ports.pair()?;
            pair.expect_sound();
            Ok(Way::Wire(Box::new(Wire::new(pair))))
        })
    }

    /// A conference's. It ends with the trunk; the seat is somebody else's.
    ///
    /// # Errors
    /// As for [`Self::open`], except for ports.
    pub fn open_line(&self, peer: NodeId, line: Line) -> Result<Trunk, TrunkError> {
        self.place(peer, || Ok(Way::Line(Box::new(LineEnd::new(line)))))
    }

    fn place(
        &self,
        peer: NodeId,
        way: impl FnOnce() -> Result<Way, TrunkError>,
    ) -> Result<Trunk, TrunkError> {
        let channel = self.post.reserve(peer)?;
        let opened = first().map_err(TrunkError::from).and_then(|first| Ok((first, way()?)));
        let opened = opened.and_then(|(first, way)| {
            let address = way.address();
            let shared = Arc::default();
            let trunk = Trunk::new(channel, address, peer, &shared, &self.post);
            let opening = Opening { peer, way, shared, first };
            self.post.open(channel, opening)?;
            Ok(trunk)
        });
        // The handle gives the number back only once the thread knows of it.
        opened.inspect_err(|_| self.post.give_back(channel, peer))
    }

    pub fn stats(&self) -> TrunkStats {
        let open = self.post.open_trunks();
        self.post.counters.read(open, ms(self.post.began.elapsed()))
    }
}
