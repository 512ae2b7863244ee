//! Carries the sound of calls from one side to the other: sockets, threads and
//! nothing decided. Each side is told one address of ours and may be behind a
//! NAT; keys are heard on the way. It mixes, transcodes and decrypts nothing.

mod join;
mod lane;
mod passage;
mod post;
mod reports;
pub(in crate::voice) mod source;
mod stats;
#[cfg(test)]
mod tests;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::digits::Way;
use weir_signaling::sdp::Kind;

pub use lane::Lane;
pub use stats::{LaneStats, RelayStats, SideStats};

use super::ports::{Ports, PortsError};
use post::Post;
use worker::Worker;

/// Threads beyond this only wake each other up.
const WORKERS_MAX: usize = 4;

/// Which end of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Faces the caller.
    A,
    /// Faces the callee.
    B,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Who is at one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// Where its signalling comes from: a NAT's address is believed, too.
    pub also_from: Option<IpAddr>,
    /// `false`: on hold, nothing is sent to it.
    pub hears: bool,
    /// What each payload type stands for; others are dropped.
    pub formats: Vec<(u8, Kind)>,
}

/// What is learned of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A key was pressed on this side; each way tells it once.
    Digit { call: u64, side: Side, digit: char, way: Way },
    /// This side has spoken, and says nothing any more: told once a silence.
    Quiet { call: u64, side: Side },
}

#[derive(Debug, Clone, Copy)]
pub struct RelayConfig {
    /// Most lanes at once.
    pub lanes: u32,
    /// Threads; one carries some thousand lanes.
    pub workers: usize,
    /// Under load, packets are gathered for so long.
    pub gather: Duration,
    /// After so long a silence a side is [`Heard::Quiet`].
    pub quiet: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            lanes: 1_000,
            workers: 1,
            gather: Duration::from_millis(5),
            quiet: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(
        "通话数已达上限（{0}），请稍后再拨 / \
         as many calls as this node carries ({0}) are under way; try again later"
    )]
    Full(u32),
    #[error(transparent)]
    Ports(#[from] PortsError),
    #[error(
        "媒体转发已停止，请检查节点是否正在关闭 / \
         the relay has stopped; see whether the node is shutting down"
    )]
    Stopped,
    #[error(
        "系统资源不足，无法转发通话媒体，请检查文件句柄上限 / \
         the host gives no more for relaying calls; look at its limit of open files: {0}"
    )]
    Host(#[from] std::io::Error),
}

#[derive(Debug)]
struct Shared {
    ports: Ports,
    posts: Vec<Arc<Post>>,
    began: Instant,
    lanes: u32,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

impl Relay {
    /// What is learned goes to `heard`; where that is full it is dropped and
    /// counted. The threads end with `stop`, and `tasks` waits for them.
    ///
    /// # Errors
    /// When the host has no threads or file handles left.
    pub fn start(
        ports: Ports,
        config: RelayConfig,
        heard: mpsc::Sender<Heard>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, RelayError> {
        let workers = config.workers.clamp(1, WORKERS_MAX);
        let share = config.lanes.div_ceil(u32::try_from(workers).unwrap_or(1));
        let began = Instant::now();
        let mut posts = Vec::new();
        for number in 0..workers {
            let post = Arc::new(Post::new(share)?);
            let worker = Worker::new(post.clone(), config, began, heard.clone());
            let thread = std::thread::Builder::new()
                .name(format!("weir-relay-{number}"))
                .spawn(move || worker.run());
            // Those that run already end when nobody holds their post open.
            let thread = thread.inspect_err(|_| stop_all(&posts))?;
            posts.push(post.clone());
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.cancelled().await;
                post.stop();
                let joined = tokio::task::spawn_blocking(move || thread.join());
                if !matches!(joined.await, Ok(Ok(()))) {
                    tracing::error!("a relay thread has failed");
                }
            });
        }
        let shared = Shared { ports, posts, began, lanes: config.lanes };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Two pairs of ports for a call. Nothing is sent before a side is aimed.
    ///
    /// # Errors
    /// When there are too many calls, no free ports, or the relay has stopped.
    pub fn open(&self, call: u64) -> Result<Lane, RelayError> {
        let shared = &self.shared;
        let least = shared.posts.iter().min_by_key(|post| post.open());
        let post = least.ok_or(RelayError::Stopped)?;
        if self.lanes() >= shared.lanes {
            return Err(RelayError::Full(shared.lanes));
        }
        let pairs = [shared.ports.pair()?, shared.ports.pair()?];
        Lane::open(call, pairs, post, shared.began).map_err(|error| match error {
            RelayError::Full(_) => RelayError::Full(shared.lanes),
            error => error,
        })
    }

    fn lanes(&self) -> u32 {
        self.shared.posts.iter().map(|post| post.open()).sum()
    }

    pub fn stats(&self) -> RelayStats {
        let mut sum = RelayStats { lanes: u64::from(self.lanes()), ..RelayStats::default() };
        self.shared.posts.iter().for_each(|post| post.counters.add_to(&mut sum));
        sum
    }
}

fn stop_all(posts: &[Arc<Post>]) {
    posts.iter().for_each(|post| post.stop());
}
