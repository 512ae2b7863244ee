//! Pages over phones that behave like loudspeakers, with real packets, in
//! simulated time.

mod lives;
mod pages;
mod street;
mod wired;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::{AutoAnswer, Codec, Grade, Speaker, SpeakerProfile};
use weir_model::fact::{EffectKey, EffectResult, Proof, Target};
use weir_model::id::{ActivationId, Extension, SpeakerId, StepId, ZoneId};
use weir_model::intent::Priority;

use super::*;
use crate::audio::Clip;
use street::{Habit, Street};

/// Of simulated time.
const PATIENCE: Duration = Duration::from_secs(600);

fn key(n: u8) -> EffectKey {
    EffectKey {
        activation: ActivationId([n; 16]),
        step: StepId::new("s1").unwrap(),
        target: Target::Zone(ZoneId::new("5403").unwrap()),
        attempt: 1,
    }
}

fn horn(number: u16, codecs: &[Codec]) -> Speaker {
    Speaker {
        id: SpeakerId::new(format!("horn-{number}")).unwrap(),
        extension: Extension::new(number.to_string()).unwrap(),
        profile: SpeakerProfile { codecs: codecs.to_vec(), auto_answer: AutoAnswer::CallInfo },
    }
}

/// Every byte of the sound in one codec is `byte`.
fn sound(codec: Codec, frames: usize, byte: u8) -> (Codec, Clip) {
    let payload = Bytes::from(vec![byte; 160 * frames]);
    (codec, Clip::new(codec, payload).unwrap())
}

/// Half a second of `n`, twice.
fn order(n: u8, numbers: &[u16]) -> PageOrder {
    PageOrder {
        key: key(n),
        zone: ZoneId::new("5403").unwrap(),
        speakers: numbers.iter().map(|number| horn(*number, &[Codec::Pcma])).collect(),
        priority: Priority::Alert,
        repeat: 2,
        evidence: None,
        window_ends: Instant::now() + Duration::from_secs(120),
        from: "5403".into(),
        from_name: "Dam crest".into(),
        clips: BTreeMap::from([sound(Codec::Pcma, 25, n)]),
    }
}

fn proof(grade: Grade, reached: u16, of: u16) -> Proof {
    Proof { grade: Some(grade), reached, of, siren: false }
}

/// One life of a node.
struct Bench {
    pager: Pager,
    street: Street,
    tasks: TaskTracker,
    stop: CancellationToken,
    notes: PathBuf,
    folder: TempDir,
}

impl Bench {
    async fn new(habits: &[(u16, Habit)]) -> Self {
        Self::again(Street::new(habits), tempfile::tempdir().unwrap()).await
    }

    /// Another life with the same data folder.
    async fn again(street: Street, folder: TempDir) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let notes = folder.path().join("calls.json");
        let config = PagerConfig {
            rtp: [127, 0, 0, 1].into(),
            ports: 32_000..=39_999,
            notes: notes.clone(),
        };
        let dice = Dice::new(|bytes| bytes.fill(7));
        let pager = Pager::start(street.clone(), config, dice, &tasks, stop.clone()).await.unwrap();
        Self { pager, street, tasks, stop, notes, folder }
    }

    /// The process is killed: nothing is hung up, nothing more is written.
    fn crash(self) -> (Street, TempDir) {
        self.street.forget();
        (self.street, self.folder)
    }

    fn page(&self, order: PageOrder) -> oneshot::Receiver<Ended> {
        let (done, ended) = oneshot::channel();
        self.pager.page(order, done);
        ended
    }

    async fn until(&self, what: impl Fn(&Street) -> bool) {
        let seen = async {
            while !what(&self.street) {
                street::after(10).await;
            }
        };
        timeout(PATIENCE, seen).await.expect("it never happened");
    }

    /// Every task ends by itself once it is told to stop.
    async fn stops(&self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.expect("a task goes on");
    }
}

async fn ended(page: oneshot::Receiver<Ended>) -> Ended {
    timeout(PATIENCE, page).await.expect("no report").expect("dropped unheard")
}
