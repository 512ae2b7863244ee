//! One view of a camera of this site: the real one is a worker process of its
//! own. What it makes goes into a bounded box; where that is full, pictures are
//! lost up to the next key frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use weir_model::refusal::Said;
use weir_signaling::picture::{Rung, Unit, UnitKind};

use super::message::{Trouble, TroubleKind};
use super::out::{CameraNews, CameraSource};
use crate::camera::{self, Camera, CameraConfig, State, Status, Viewer, WorkerProgram};

/// A camera that sent nothing for so long is lost.
const SILENT: Duration = Duration::from_secs(5);
/// What is known of a camera is said again so often: the box may have been full.
const NEWS_EVERY: Duration = Duration::from_secs(1);
/// Encoders do not hit their rate to the bit.
const ENCODER_PERCENT: u64 = 85;

/// What the director needs of a camera. It ends when this is dropped.
pub(super) trait Lens: Send {
    fn rung(&self, rung: Rung);
    fn key(&self);
}

/// Opens a view. A camera that cannot be opened says why through the sink.
pub(super) type OpenLens = Arc<dyn Fn(CameraSource, Rung, Sink) -> Box<dyn Lens> + Send + Sync>;

#[derive(Debug)]
pub(super) enum FromLens {
    Unit(Unit),
    News(CameraNews),
}

/// From which view, and what.
pub(super) type Parcel = (u64, FromLens);

/// Where a view's pictures go.
pub(super) struct Sink {
    pub(super) lens: u64,
    pub(super) lost: Arc<AtomicU64>,
    pub(super) into: SyncSender<Parcel>,
    /// Whether a delta frame is of any use.
    follows: bool,
}

impl Sink {
    pub(super) fn new(lens: u64, into: SyncSender<Parcel>, lost: Arc<AtomicU64>) -> Self {
        Self { lens, lost, into, follows: true }
    }

    /// `false`: a key frame is needed.
    pub(super) fn unit(&mut self, unit: Unit) -> bool {
        if unit.kind == UnitKind::Delta && !self.follows {
            return false;
        }
        self.follows = self.into.try_send((self.lens, FromLens::Unit(unit))).is_ok();
        self.lost.fetch_add(u64::from(!self.follows), Ordering::Relaxed);
        self.follows
    }

    pub(super) fn news(&self, news: CameraNews) {
        if self.into.try_send((self.lens, FromLens::News(news))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Real {
    camera: Camera,
    /// The wish whose pictures are passed on.
    order: Arc<AtomicU32>,
    _end: DropGuard,
}

/// There is no camera behind it.
struct Blind;

impl Lens for Real {
    fn rung(&self, rung: Rung) {
        self.order.store(self.camera.rung(turned(rung)), Ordering::Relaxed);
    }

    fn key(&self) {
        self.camera.key();
    }
}

impl Lens for Blind {
    fn rung(&self, _: Rung) {}

    fn key(&self) {}
}

fn turned(rung: Rung) -> camera::Rung {
    let kbit_s = |bps: u64| u32::try_from(bps * ENCODER_PERCENT / 100_000).unwrap_or(u32::MAX);
    match rung {
        // A view of nothing is not opened.
        Rung::Passthrough | Rung::Nothing => camera::Rung::ORIGINAL,
        Rung::Medium { bps } => camera::Rung::p360(kbit_s(bps)),
        Rung::Small { bps } => camera::Rung::p180(kbit_s(bps)),
        Rung::Still { every_ms } => {
            camera::Rung::still(u32::try_from(every_ms).unwrap_or(u32::MAX))
        }
    }
}

fn trouble(kind: TroubleKind, said: &Said) -> CameraNews {
    CameraNews { trouble: Some(Trouble::new(kind, said)), source_bps: None }
}

fn news(status: &Status) -> CameraNews {
    let kind = match status.state {
        State::Connecting | State::Playing => {
            let source_bps = (status.source_bps > 0).then_some(status.source_bps);
            return CameraNews { trouble: None, source_bps };
        }
        State::Lost => TroubleKind::Lost,
        State::Unreachable => TroubleKind::Unreachable,
        State::Unauthorized => TroubleKind::Unauthorized,
        State::NoStream => TroubleKind::NoStream,
        State::Unsupported => TroubleKind::Unsupported,
        State::Broken => TroubleKind::Broken,
    };
    trouble(kind, &status.said())
}

fn unit(unit: &camera::Unit) -> Unit {
    let kind = match unit.kind {
        camera::UnitKind::Key => UnitKind::Key,
        camera::UnitKind::Delta => UnitKind::Delta,
        camera::UnitKind::Still => UnitKind::Still,
    };
    #[expect(clippy::cast_possible_truncation, reason = "it counts round")]
    let at_ms = (unit.taken_ns / 1_000_000) as u32;
    Unit { kind, at_ms, bytes: unit.bytes.to_vec() }
}

/// Real cameras. To be called within a runtime.
pub(super) fn real(worker: WorkerProgram, tasks: TaskTracker, stop: CancellationToken) -> OpenLens {
    Arc::new(move |source, rung, sink| {
        let config = CameraConfig {
            url: source.url,
            user: source.user,
            password: source.password,
            rung: turned(rung),
            silent: SILENT,
            worker: worker.clone(),
        };
        let camera = match Camera::start(config, &tasks, &stop) {
            Ok(camera) => camera,
            Err(error) => {
                let error = error.to_string();
                let (zh, en) = error.split_once(" / ").unwrap_or((&error, &error));
                let said = Said { zh: zh.into(), en: en.into() };
                sink.news(trouble(TroubleKind::Unreachable, &said));
                return Box::new(Blind);
            }
        };
        // The first wish has this number.
        let order = Arc::new(AtomicU32::new(1));
        let stop = stop.child_token();
        let pump = Pump { sink, order: order.clone(), status: camera.watch_status() };
        tasks.spawn(pump.run(camera.subscribe(), stop.clone()));
        Box::new(Real { camera, order, _end: stop.drop_guard() })
    })
}

struct Pump {
    sink: Sink,
    order: Arc<AtomicU32>,
    status: tokio::sync::watch::Receiver<Status>,
}

impl Pump {
    async fn run(mut self, mut viewer: Viewer, stop: CancellationToken) {
        let mut again = interval(NEWS_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = viewer.next() => {
                    let Some(next) = next else { break };
                    if next.order == self.order.load(Ordering::Relaxed) {
                        self.sink.unit(unit(&next));
                    }
                }
                changed = self.status.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let said = news(&self.status.borrow_and_update());
                    self.sink.news(said);
                }
                _ = again.tick() => {
                    let said = news(&self.status.borrow());
                    self.sink.news(said);
                }
                () = stop.cancelled() => break,
            }
        }
    }
}
