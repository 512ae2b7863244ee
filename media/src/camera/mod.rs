//! One camera of this site: a worker process pulls it and makes of its picture
//! what is wanted; this supervises the process and hands the pictures to whoever
//! watches. A worker that dies, hangs or talks nonsense is replaced at once.
//! Nothing here decodes a picture, waits for a viewer, or shows a password.

mod frame;
mod process;
mod rung;
mod stage;
mod state;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use frame::{Frame, FrameError, Kind, Report};
pub use process::WorkerProgram;
use process::{Job, Opening, Order, Worker};
pub use rung::Rung;
use stage::Stage;
pub use stage::{Unit, UnitKind, Viewer};
pub use state::{State, Status};

/// A worker reports every second; one that says nothing for so long hangs.
const SILENT: Duration = Duration::from_secs(5);
/// Before a worker is started that follows one that lived shorter than this.
const BACK_OFF: Duration = Duration::from_millis(800);
/// Wishes that are remembered: pictures made for older ones are not passed on.
const WISHES: u32 = 16;

/// Which camera, and how to reach it.
#[derive(Clone)]
pub struct CameraConfig {
    /// `rtsp://host[:port]/path`, without a name and a password.
    pub url: String,
    pub user: Option<String>,
    pub password: Option<String>,
    /// Where it begins.
    pub rung: Rung,
    /// A camera that sent nothing for so long is lost: 0.5 to 60 s.
    pub silent: Duration,
    pub worker: WorkerProgram,
}

impl fmt::Debug for CameraConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, rung, silent, .. } = self;
        write!(f, "CameraConfig({url} {rung:?} {silent:?})")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error(
        "摄像机地址无效；应为 rtsp://主机/路径，用户名和密码另填 / not a camera's address; \
         write rtsp://host/path, and the name and password apart from it"
    )]
    Url,
}

/// A wish for a rung and its number.
#[derive(Debug, Clone, Copy)]
struct Wish {
    order: u32,
    rung: Rung,
}

/// See the module. Clones share the camera; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Camera {
    stage: Arc<Stage>,
    status: watch::Receiver<Status>,
    wishes: Arc<watch::Sender<Vec<Wish>>>,
    key: Arc<Notify>,
    _end: Arc<DropGuard>,
}

impl Camera {
    /// Ends with `stop`, or with the last clone.
    ///
    /// # Errors
    /// When the address is none, or holds a password.
    pub fn start(
        config: CameraConfig,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, CameraError> {
        check_url(&config.url)?;
        let stage = Arc::new(Stage::new());
        let (shown, status) = watch::channel(Status::default());
        let first = Wish { order: 1, rung: config.rung.bounded() };
        let (wishes, wanted) = watch::channel(vec![first]);
        let key = Arc::new(Notify::new());
        let stop = stop.child_token();
        let supervisor = Supervisor {
            config,
            stage: stage.clone(),
            shown,
            wanted,
            key: key.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(supervisor.run());
        let end = Arc::new(stop.drop_guard());
        Ok(Self { stage, status, wishes: Arc::new(wishes), key, _end: end })
    }

    /// Begins with the last key frame and what followed it, if there was one.
    pub fn subscribe(&self) -> Viewer {
        self.stage.subscribe()
    }

    /// Turns to another rung, without asking the camera anew. Says which number
    /// the pictures carry that are made for it.
    pub fn rung(&self, rung: Rung) -> u32 {
        let mut order = 0;
        self.wishes.send_modify(|wishes| {
            order = wishes.last().map_or(0, |wish| wish.order).wrapping_add(1);
            wishes.push(Wish { order, rung: rung.bounded() });
            if wishes.len() > WISHES as usize {
                wishes.remove(0);
            }
        });
        order
    }

    /// Asks for a key frame; a still is taken at once. Of the original a camera
    /// decides for itself: whoever comes late is served from what is kept.
    pub fn key(&self) {
        self.key.notify_one();
    }

    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The same, for whoever waits for a change.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub fn age_of_last_frame(&self) -> Option<Duration> {
        self.stage.age()
    }
}

fn check_url(url: &str) -> Result<(), CameraError> {
    let host = url.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next());
    let strange = |c: char| c.is_control() || c.is_whitespace();
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') && !url.contains(strange) => Ok(()),
        _ => Err(CameraError::Url),
    }
}

/// Why a worker was given up.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it does not start: {0}")]
    Start(io::Error),
    #[error("it takes no orders: {0}")]
    Deaf(io::Error),
    #[error("it says nothing")]
    Silent,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

struct Supervisor {
    config: CameraConfig,
    stage: Arc<Stage>,
    shown: watch::Sender<Status>,
    wanted: watch::Receiver<Vec<Wish>>,
    key: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Supervisor {
    async fn run(mut self) {
        let mut started = Instant::now();
        while let Err(broken) = self.one_worker().await {
            let url = &self.config.url;
            tracing::warn!(url, %broken, "a camera's worker is replaced / 正在更换摄像机进程");
            self.stage.cut();
            self.shown.send_modify(|status| {
                // What the camera was is not known while nobody asks it.
                let state = if let Broken::Start(_) = broken { State::Broken } else { State::Lost };
                (status.state, status.why, status.pid) = (state, broken.to_string(), None);
                status.restarts += 1;
            });
            if started.elapsed() < SILENT {
                tokio::select! {
                    () = sleep(BACK_OFF) => {}
                    () = self.stop.cancelled() => {}
                }
            }
            started = Instant::now();
        }
        self.stage.end();
    }

    /// From its start until the end is wanted.
    async fn one_worker(&mut self) -> Result<(), Broken> {
        if self.stop.is_cancelled() {
            return Ok(());
        }
        let started = Worker::start(&self.config.worker, &self.tasks, &self.stop);
        let (mut worker, mut output) = started.map_err(Broken::Start)?;
        self.shown.send_modify(|status| status.pid = worker.pid());
        let (stage, shown, wanted) = (self.stage.clone(), &self.shown, self.wanted.clone());
        let outcome = {
            let frames = listen(&mut output, |frame| show(frame, &stage, shown, &wanted));
            tokio::select! {
                broken = frames => Err(broken),
                outcome = orders(&mut worker, &self.config, &mut self.wanted, &self.key) => outcome,
                () = self.stop.cancelled() => Ok(()),
            }
        };
        match outcome {
            Ok(()) => drop(worker.stop().await),
            Err(_) => worker.kill().await,
        }
        outcome
    }
}

/// What the worker says, until it says something wrong or nothing.
async fn listen(
    output: &mut (impl AsyncRead + Unpin),
    mut show: impl FnMut(Frame) -> Result<(), FrameError>,
) -> Broken {
    loop {
        let frame = match timeout(SILENT, frame::read(output)).await {
            Ok(frame) => frame,
            Err(_) => return Broken::Silent,
        };
        if let Err(error) = frame.and_then(&mut show) {
            return error.into();
        }
    }
}

fn show(
    frame: Frame,
    stage: &Stage,
    shown: &watch::Sender<Status>,
    wanted: &watch::Receiver<Vec<Wish>>,
) -> Result<(), FrameError> {
    let Frame { head, body: bytes } = frame;
    let kind = match head.kind {
        Kind::State => {
            let Report { state, why, source_bps, lost } = Report::parse(&bytes)?;
            shown.send_modify(|status| {
                (status.state, status.why) = (state, why);
                (status.source_bps, status.lost) = (source_bps, lost);
            });
            return Ok(());
        }
        Kind::Key => UnitKind::Key,
        Kind::Delta => UnitKind::Delta,
        Kind::Still => UnitKind::Still,
    };
    let wish = wanted.borrow().iter().find(|wish| wish.order == head.order).copied();
    if let Some(Wish { order, rung }) = wish {
        let (taken_ns, taken_ms) = (head.taken_ns, head.taken_ms);
        stage.publish(Unit { kind, rung, order, taken_ns, taken_ms, bytes });
    }
    Ok(())
}

/// What the worker is told, until it does not take it.
async fn orders(
    worker: &mut Worker,
    config: &CameraConfig,
    wanted: &mut watch::Receiver<Vec<Wish>>,
    key: &Notify,
) -> Result<(), Broken> {
    let last = |wanted: &mut watch::Receiver<Vec<Wish>>| {
        let wishes = wanted.borrow_and_update();
        wishes.last().copied().unwrap_or(Wish { order: 0, rung: config.rung })
    };
    let Wish { order, rung } = last(wanted);
    let silent_ms = config.silent.as_millis().clamp(500, 60_000) as u32;
    let (user, password) = (config.user.as_deref(), config.password.as_deref());
    let job = Job { url: &config.url, user, password, silent_ms, order, rung };
    worker.tell(&Opening { camera: job }).await.map_err(Broken::Deaf)?;
    loop {
        let order = tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    // The last handle is gone, and `stop` with it.
                    return Ok(());
                }
                let Wish { order, rung } = last(wanted);
                Order::Rung { order, rung }
            }
            () = key.notified() => Order::Key {},
        };
        worker.tell(&order).await.map_err(Broken::Deaf)?;
    }
}
