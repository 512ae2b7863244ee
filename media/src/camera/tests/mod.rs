//! Stories of a camera: the real worker process and a camera that is a program of
//! its own. What came out is decoded by a process of GStreamer's own tools and the
//! frame counter read from the picture.

mod away;
mod frames;
mod picture;
mod rungs;
mod watching;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const PICTURE: Duration = Duration::from_secs(2);

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

/// The camera program: `tests/camera/camera.py`.
struct Fake {
    process: Child,
    port: u64,
    ledger: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    fn start(port: u64, settings: &[&str]) -> Self {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("run this with make test");
        // Debian's own Python, which GStreamer's bindings belong to.
        let mut process = Command::new("/usr/bin/python3")
            .arg(format!("{here}/../tests/camera/camera.py"))
            .args(["--port", &port.to_string()])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is missing; run make setup");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok).expect(
            "the camera does not start, its reason stands above; run make setup \
             (gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-ugly, python3-gi)",
        );
        let port = serde_json::from_str::<Value>(&first).unwrap()["port"].as_u64().unwrap();
        let ledger = Arc::new(Mutex::new(Vec::new()));
        let written = ledger.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                written.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { process, port, ledger }
    }

    fn said(&self, event: &str) -> Vec<Value> {
        let ledger = self.ledger.lock().unwrap();
        ledger.iter().filter(|line| line["event"] == event).cloned().collect()
    }

    fn signal(&self, signal: &str) {
        kill(self.process.id(), signal);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn kill(pid: u32, signal: &str) {
    let done = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

/// A node's side of a camera, and its end.
struct Node {
    folder: TempDir,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Node {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder, tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }

    fn config(&self, port: u64) -> CameraConfig {
        CameraConfig {
            url: format!("rtsp://127.0.0.1:{port}/live"),
            user: Some("site".into()),
            password: Some("water-4711".into()),
            rung: Rung::ORIGINAL,
            silent: Duration::from_secs(1),
            worker: WorkerProgram {
                program: worker(),
                args: Vec::new(),
                folder: self.folder.path().to_owned(),
                memory_mib: Some(1_024),
            },
        }
    }

    fn camera(&self, port: u64) -> Camera {
        self.start(self.config(port))
    }

    fn start(&self, config: CameraConfig) -> Camera {
        Camera::start(config, &self.tasks, &self.stop).unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        within(self.tasks.wait()).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it never came")
}

/// The status, as soon as it is so.
async fn status(camera: &Camera, so: impl FnMut(&Status) -> bool) -> Status {
    let mut watched = camera.watch_status();
    within(watched.wait_for(so)).await.unwrap().clone()
}

async fn playing(camera: &Camera) {
    status(camera, |status| status.state == State::Playing).await;
}

/// The next so many pictures that follow this order, from a key frame on.
async fn units(viewer: &mut Viewer, order: u32, count: usize) -> Vec<Arc<Unit>> {
    let mut units = Vec::new();
    while units.len() < count {
        let unit = within(viewer.next()).await.expect("the camera ended");
        if unit.order == order {
            units.push(unit);
        }
    }
    assert_ne!(units[0].kind, UnitKind::Delta);
    units
}

/// Decoded pictures, each as bytes of grey.
struct Seen {
    width: usize,
    pictures: Vec<Vec<u8>>,
}

fn seen(units: &[Arc<Unit>]) -> Seen {
    let folder = TempDir::new().unwrap();
    for (at, unit) in units.iter().enumerate() {
        std::fs::write(folder.path().join(format!("unit-{at:05}")), &unit.bytes).unwrap();
    }
    let (caps, decoder) = match units[0].kind {
        UnitKind::Still => ("image/jpeg", "jpegdec"),
        _ => ("video/x-h264,stream-format=byte-stream,alignment=au", "avdec_h264 max-threads=1"),
    };
    let grey = folder.path().join("grey");
    let line = format!(
        "multifilesrc location={} caps={caps} ! {decoder} ! videoconvert ! \
         video/x-raw,format=GRAY8 ! filesink location={}",
        folder.path().join("unit-%05d").display(),
        grey.display(),
    );
    let out = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("gst-launch-1.0 is missing; run make setup");
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    let grey = std::fs::read(grey).unwrap();
    assert_eq!(grey.len() % units.len(), 0, "not every unit was a picture");
    let pixels = grey.len() / units.len();
    // The camera's own shape: 16 to 9.
    let width = (1..200).map(|by| by * 16).find(|width| width * width / 16 * 9 == pixels).unwrap();
    Seen { width, pictures: grey.chunks(pixels).map(<[u8]>::to_vec).collect() }
}

impl Seen {
    /// What the camera drew; fails where it cannot be read.
    fn counters(&self) -> Vec<u64> {
        let side = self.width / 20;
        let number = |picture: &Vec<u8>| {
            let square =
                |at: usize| u64::from(picture[side / 2 * self.width + at * side + side / 2]);
            let bits: Vec<u64> = (0..20).map(|at| square(at) / 128).collect();
            assert_eq!(bits[..2], [1, 0], "no counter in the picture");
            assert_eq!(bits[2..18].iter().sum::<u64>() % 4, bits[18] * 2 + bits[19]);
            bits[2..18].iter().fold(0, |number, bit| number * 2 + bit)
        };
        self.pictures.iter().map(number).collect()
    }
}

fn rises(counters: &[u64]) -> bool {
    counters.windows(2).all(|two| two[0] < two[1])
}
