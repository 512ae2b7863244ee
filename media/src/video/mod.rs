//! Pictures between cameras, nodes and viewers. A viewer watches a camera at any
//! node and goes on watching while sources die and come back; a camera is opened
//! when somebody watches; one stream of it crosses a satellite whoever watches,
//! adapted to what the link has left, down to a still now and then. It decodes
//! nothing, opens no link, and knows neither browsers nor who may watch.

mod around;
mod director;
mod feed;
mod home;
mod intake;
mod lens;
mod message;
mod out;
mod outlet;
mod stage;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::codec;
use weir_model::id::{CameraId, NodeId, SiteId};
use weir_model::refusal::Said;
use weir_signaling::picture::DATAGRAM_MAX;

pub use around::{CameraOf, PeerOf};
pub use message::{Answer, LEASE_MS, RENEW_MS, Request, Sends, Show, Trouble, TroubleKind};
pub use out::CameraSource;
pub use stage::{Units, Watch};
pub use state::WatchState;
pub use stats::VideoStats;

use crate::camera::WorkerProgram;
use around::Around;
use director::{Director, Roster};
use lens::OpenLens;
use message::refused;
use stage::Stage;
use state::Standing;
use worker::{Letter, Post, Worker};

/// Datagrams and questions that wait to be read: more are lost.
const LETTERS: usize = 4_096;
/// The same of cameras' pictures.
const PICTURES: usize = 128;
/// How long the answer to another node may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How a datagram gets to a peer. It never waits; `false`: it is lost.
pub type SendDatagram = Arc<dyn Fn(NodeId, Bytes) -> bool + Send + Sync>;
/// Puts a question to a node (KIND 67) and brings its answer (KIND 68).
pub type AskNode =
    Arc<dyn Fn(NodeId, Bytes) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// What the node around it provides. All of it is called on a thread of this
/// module's own and must not wait.
#[derive(Clone)]
pub struct VideoParts {
    /// Our own.
    pub site: SiteId,
    /// What the directory says of a camera. Name and password are only looked at
    /// at the camera's own site.
    pub cameras: CameraOf,
    pub send: SendDatagram,
    pub ask: AskNode,
    /// The node that drives a site's cameras.
    pub peer_of: PeerOf,
    /// Bits a second that pictures may take of the way to that node, now,
    /// headers included. Streams to the same node share it.
    pub budget: Arc<dyn Fn(NodeId) -> u64 + Send + Sync>,
    /// Whose satellite dish the way to that node crosses first: our own site's,
    /// else the other's; `None`: no satellite. One stream of a camera goes over
    /// each of them.
    pub dish: Arc<dyn Fn(NodeId) -> Option<SiteId> + Send + Sync>,
    pub worker: WorkerProgram,
}

#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    #[error(
        "系统资源不足，无法处理画面，请检查线程数上限 / \
         the host gives no thread for pictures; look at its limit of threads: {0}"
    )]
    Host(#[from] std::io::Error),
}

/// Clones share it.
#[derive(Clone)]
pub struct Videos {
    roster: Arc<Roster>,
    post: Arc<Post>,
}

fn dice() -> std::io::Result<u16> {
    let mut dice = [0; 2];
    getrandom::fill(&mut dice).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(u16::from_be_bytes(dice))
}

impl Videos {
    /// To be called within a runtime. It ends with `stop`, and `tasks` waits for
    /// it.
    ///
    /// # Errors
    /// When the host has no thread left.
    pub fn start(
        parts: VideoParts,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, VideoError> {
        let open = lens::real(parts.worker.clone(), tasks.clone(), stop.clone());
        Self::start_with(parts, open, tasks, stop)
    }

    fn start_with(
        parts: VideoParts,
        open: OpenLens,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, VideoError> {
        let VideoParts { site, cameras, send, ask, peer_of, budget, dish, worker: _ } = parts;
        let around = Around { site, cameras, peer_of, budget, dish };
        let (into, letters) = sync_channel(LETTERS);
        let post = Arc::new(Post::new(Instant::now(), into));
        let roster = Arc::new(Roster::default());
        let runtime = Handle::current();
        let worker = Worker {
            director: Director::new(around, roster.clone(), dice()?),
            post: post.clone(),
            letters,
            pictures: sync_channel(PICTURES),
            send,
            ask,
            open,
            lenses: BTreeMap::new(),
            tasks: tasks.clone(),
            runtime: runtime.clone(),
            unsent: 0,
        };
        let thread = std::thread::Builder::new().name("weir-video".into()).spawn(move || {
            let _entered = runtime.enter();
            worker.run();
        })?;
        let ended = post.clone();
        tasks.spawn(async move {
            stop.cancelled().await;
            ended.stopping.store(true, Ordering::Relaxed);
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!("the thread for pictures has failed / 画面线程异常退出");
            }
        });
        Ok(Self { roster, post })
    }

    /// Watches a camera, wherever it is, until the watch is dropped. It always
    /// begins; how it stands with it is told by [`Watch::state`].
    pub fn watch(&self, camera: &CameraId) -> Watch {
        let stage = self.roster.stage(camera).unwrap_or_else(|| {
            let why = Said {
                zh: "本节点同时观看的画面已达上限；请关闭一些后重新打开".into(),
                en: "as many pictures as this node shows are open; close some, then open it again"
                    .into(),
            };
            Arc::new(Stage::new(Standing::Refused(why)))
        });
        // If the box is full, it is seen with the next tick.
        self.post.drop_in(Letter::Look);
        Watch { camera: camera.clone(), stage, began: self.post.began }
    }

    /// A datagram of KIND 81. Never waits.
    pub fn received(&self, from: NodeId, datagram: Bytes) {
        if datagram.len() <= DATAGRAM_MAX {
            self.post.drop_in(Letter::Datagram { from, datagram });
        }
    }

    /// What another node asks (KIND 67); the answer is a record of KIND 68.
    pub async fn asked(&self, from: NodeId, question: &[u8]) -> Bytes {
        let answer = match codec::decode::<Request>(question) {
            Ok(request) => self.answer(from, request).await,
            Err(error) => {
                tracing::debug!(%from, %error, "a question about a picture cannot be read");
                refused(
                    "无法读懂画面请求；请升级版本较旧的节点",
                    "the question about a picture cannot be read; upgrade the older node",
                )
            }
        };
        codec::encode(&answer).map(Bytes::from).unwrap_or_default()
    }

    async fn answer(&self, from: NodeId, request: Request) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.post.drop_in(Letter::Asked { from, request, reply });
        match timeout(ANSWER, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => refused(
                "该节点正忙，稍后自动重试",
                "that node is busy; it is asked again by itself",
            ),
        }
    }

    pub fn stats(&self) -> VideoStats {
        self.post.shown().0
    }

    /// The nodes to which pictures are sent now; for whoever shares an uplink
    /// among them.
    pub fn peers(&self) -> Vec<NodeId> {
        self.post.shown().1
    }
}
