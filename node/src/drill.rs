//! Where drills and tests end: a file beside the data, marked 演习 first, last
//! and every thirty seconds while the page would sound, and no packet to any
//! device. It refuses to look like the real thing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::site::Report;
use weir_model::directory::Grade;
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::home::{EffectAction, EffectOrder};

use crate::edge;
use crate::relay::play;

/// How often a drill says that it is one.
const REMIND: Duration = Duration::from_secs(30);

/// What a real page would have been.
pub(crate) struct Extent {
    pub(crate) length: Duration,
    pub(crate) speakers: u16,
    /// The sound is missing or broken, so that the siren would have sounded.
    pub(crate) siren: bool,
}

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// Tries everything short of the devices.
pub(crate) type Rehearsal = dyn Fn(EffectOrder) -> BoxFuture<Extent> + Send + Sync;

/// See the module.
pub(crate) struct DrillSink {
    path: PathBuf,
    rehearsal: Box<Rehearsal>,
    running: Mutex<BTreeMap<EffectKey, CancellationToken>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl DrillSink {
    pub(crate) fn new(
        path: PathBuf,
        rehearsal: Box<Rehearsal>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { path, rehearsal, running: Mutex::default(), tasks, stop })
    }

    pub(crate) fn begin(self: &Arc<Self>, order: EffectOrder, report: Report) {
        let ceased = self.stop.child_token();
        self.running().insert(order.key.clone(), ceased.clone());
        let sink = self.clone();
        self.tasks.spawn(async move {
            let (result, proof) = match sink.rehearse(&order, &ceased).await {
                Ok(ended) => ended,
                Err(error) => (EffectResult::Failed { why: error.to_string() }, Proof::default()),
            };
            sink.running().remove(&order.key);
            // A node that stops leaves it open: the restarted one looks at it.
            if !sink.stop.is_cancelled() {
                report.ended(result, proof).await;
            }
        });
    }

    pub(crate) fn cease(&self, key: &EffectKey) {
        if let Some(ceased) = self.running().get(key) {
            ceased.cancel();
        }
    }

    /// The order is real, and there is nothing to carry it out with.
    pub(crate) fn nothing_there(&self, report: Report) {
        self.tasks.spawn(async move {
            let why =
                "本节点未接设备；请在配置中加 [sip] 或 relay / this node drives no device; give \
                       it [sip] or relay in its file"
                    .to_owned();
            report.ended(EffectResult::Failed { why }, Proof::default()).await;
        });
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<EffectKey, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sink hears all of it: what it proves is that the plan ran, not that
    /// anybody was warned.
    async fn rehearse(
        &self,
        order: &EffectOrder,
        ceased: &CancellationToken,
    ) -> std::io::Result<(EffectResult, Proof)> {
        let Extent { length, speakers, siren } = (self.rehearsal)(order.clone()).await;
        let ends = Instant::now() + length;
        self.write(order, "begins 开始").await?;
        let mut ended = EffectResult::Done;
        loop {
            let next = ends.min(Instant::now() + REMIND);
            if timeout_at(next, ceased.cancelled()).await.is_ok() {
                ended = EffectResult::Ceased;
                break;
            }
            if next == ends {
                break;
            }
            self.write(order, "goes on 进行中").await?;
        }
        self.write(order, "ends 结束").await?;
        let of = speakers.max(1);
        let proof = match order.action {
            EffectAction::Page { .. } => {
                Proof { grade: Some(Grade::Receiving), reached: of, of, siren }
            }
            EffectAction::Call { .. } => Proof { siren, ..Proof::acknowledged() },
            EffectAction::Message { .. } => Proof::accepted(),
            EffectAction::Confer { min_join, .. } => Proof::joined(min_join, min_join),
        };
        Ok((ended, proof))
    }

    async fn write(&self, order: &EffectOrder, what: &str) -> std::io::Result<()> {
        let (at, mode) = (edge::wall().0, order.mode);
        let line = format!("{at} 演习 DRILL {mode:?} {what}: {}\n", play(order));
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.path).await?;
        file.write_all(line.as_bytes()).await?;
        file.sync_data().await
    }
}
