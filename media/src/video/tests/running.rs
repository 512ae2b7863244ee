//! The real threads, over roads in memory.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::picture::{Rung, Unit, UnitKind};

use super::super::lens::{Lens, OpenLens, Sink};
use super::super::{CameraSource, VideoParts, Videos, WatchState};
use super::*;
use crate::camera::WorkerProgram;

type Nodes = Arc<OnceLock<BTreeMap<NodeId, Videos>>>;

/// A camera that makes a frame every 40 ms.
struct Fake {
    _end: tokio_util::sync::DropGuard,
}

impl Lens for Fake {
    fn rung(&self, _: Rung) {}

    fn key(&self) {}
}

fn fakes(tasks: TaskTracker, opened: Arc<Mutex<u32>>) -> OpenLens {
    Arc::new(move |_, _, mut sink: Sink| {
        *opened.lock().unwrap() += 1;
        let stop = CancellationToken::new();
        let ended = stop.clone();
        tasks.spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(40));
            for nth in 0_u32.. {
                tokio::select! {
                    _ = beat.tick() => {}
                    () = ended.cancelled() => break,
                }
                let kind = if nth.is_multiple_of(10) { UnitKind::Key } else { UnitKind::Delta };
                let bytes = vec![u8::try_from(nth % 251).unwrap(); 900];
                sink.unit(Unit { kind, at_ms: nth * 40, bytes });
            }
        });
        Box::new(Fake { _end: stop.drop_guard() })
    })
}

fn parts(node: NodeId, nodes: &Nodes, worker: WorkerProgram, url: &str) -> VideoParts {
    let (sent, asked) = (nodes.clone(), nodes.clone());
    let source = CameraSource {
        site: site("dam"),
        url: url.into(),
        user: Some("site".into()),
        password: Some("water-4711".into()),
    };
    VideoParts {
        site: world::site_of(node),
        cameras: Arc::new(move |id| (*id == gates()).then(|| source.clone())),
        send: Arc::new(move |to, datagram| {
            let Some(there) = sent.get().and_then(|nodes| nodes.get(&to)) else { return false };
            there.received(node, datagram);
            true
        }),
        ask: Arc::new(move |to, question: Bytes| {
            let there = asked.get().and_then(|nodes| nodes.get(&to)).cloned();
            Box::pin(async move {
                let there = there.ok_or("nobody there")?;
                Ok(there.asked(node, &question).await)
            })
        }),
        peer_of: Arc::new(|of| (1..=4).map(NodeId).find(|n| world::site_of(*n) == *of)),
        budget: Arc::new(|_| 900_000),
        dish: Arc::new(move |to| [node, to].contains(&DAM).then(|| site("dam"))),
        worker,
    }
}

fn nobody() -> WorkerProgram {
    let (program, folder) = ("/nonexistent".into(), "/".into());
    WorkerProgram { program, args: Vec::new(), folder, memory_mib: None }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it never came")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_in_order_and_everything_ends_when_it_is_told_to() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (nodes, opened) = (Nodes::default(), Arc::new(Mutex::new(0)));
    let start = |node: NodeId| {
        let parts = parts(node, &nodes, nobody(), "rtsp://camera/live");
        let open = fakes(tasks.clone(), opened.clone());
        (node, Videos::start_with(parts, open, &tasks, stop.clone()).unwrap())
    };
    let all: BTreeMap<NodeId, Videos> = [DAM, CENTRE, OFFICE].map(start).into();
    assert!(nodes.set(all.clone()).is_ok());
    let watches = [CENTRE, OFFICE, OFFICE].map(|node| all[&node].watch(&gates()));
    for watch in &watches {
        let mut units = watch.units();
        let first = within(units.next()).await.unwrap();
        assert_eq!(first.kind, UnitKind::Key);
        for nth in 1..20 {
            let unit = within(units.next()).await.unwrap();
            assert_eq!(unit.at_ms, first.at_ms + nth * 40);
        }
        assert_eq!(watch.state(), WatchState::Moving);
        assert!(watch.age_ms().unwrap() < 3_000);
    }
    assert_eq!(*opened.lock().unwrap(), 1);
    assert_eq!(all[&DAM].stats().streams_out, 1);
    assert_eq!(all[&DAM].peers().len(), 1);
    let mut units = watches[0].units();
    drop(watches);
    stop.cancel();
    tasks.close();
    within(tasks.wait()).await;
    drop((all, nodes));
    while within(units.next()).await.is_some() {}
}

/// The camera program, and where it is heard.
struct Street {
    process: Child,
    port: u64,
    _lines: ChildStdout,
}

impl Street {
    fn start() -> Self {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("run this with make test");
        // Debian's own Python, which GStreamer's bindings belong to.
        let mut process = Command::new("/usr/bin/python3")
            .arg(format!("{here}/../tests/camera/camera.py"))
            .args(["--user", "site", "--password", "water-4711"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is missing; run make setup");
        let mut lines = BufReader::with_capacity(1, process.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let said: serde_json::Value = serde_json::from_str(&first)
            .expect("the camera does not start, its reason stands above; run make setup");
        Self { process, port: said["port"].as_u64().unwrap(), _lines: lines.into_inner() }
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The worker alone, built beside this test.
fn worker() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let worker = here.parent().unwrap().parent().unwrap().join("examples/media-worker");
    assert!(
        worker.exists(),
        "{} is missing; build it: cargo build --profile weir -p weir-media-worker --examples",
        worker.display(),
    );
    worker
}

/// The worker process and the camera program, a node that drives it and one that
/// watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_camera_is_seen_at_another_node() {
    let camera = Street::start();
    let folder = tempfile::TempDir::new().unwrap();
    let worker = WorkerProgram {
        program: worker(),
        args: Vec::new(),
        folder: folder.path().to_owned(),
        memory_mib: Some(1_024),
    };
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let nodes = Nodes::default();
    let start = |node: NodeId| {
        let url = format!("rtsp://127.0.0.1:{}/live", camera.port);
        let parts = parts(node, &nodes, worker.clone(), &url);
        (node, Videos::start(parts, &tasks, stop.clone()).unwrap())
    };
    let all: BTreeMap<NodeId, Videos> = [DAM, CENTRE].map(start).into();
    assert!(nodes.set(all.clone()).is_ok());
    let watch = all[&CENTRE].watch(&gates());
    let mut units = watch.units();
    let first = within(units.next()).await.unwrap();
    assert_eq!(first.kind, UnitKind::Key);
    assert_eq!(first.bytes[..4], [0, 0, 0, 1], "Annex B");
    for _ in 0..30 {
        within(units.next()).await.unwrap();
    }
    assert_eq!(watch.state(), WatchState::Moving);
    stop.cancel();
    tasks.close();
    within(tasks.wait()).await;
}
