//! Stories of sounds. Those of the worker run the real process, the real
//! espeak-ng and the real GStreamer; what came out is decoded by GStreamer's own
//! decoders and measured at 48 kHz, not by what made it.

mod espeak;
mod formats;
mod g711;
mod renderer;
mod script;
mod shelf;
mod staged;
mod transfer;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ebur128::{EbuR128, Mode};
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::{Codec, Lang};

use super::*;

const ALL: [Codec; 3] = [Codec::Pcma, Codec::Pcmu, Codec::G722];
const ORDER: &str = "注意，三号闸门五分钟后开启，请立即撤离到高处。";

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

/// Says every text as a tone, a tenth of a second a character.
struct Scripted;

impl TtsEngine for Scripted {
    fn say<'a>(&'a self, text: &'a str, _: Lang) -> BoxFuture<'a, Result<Speech, TtsError>> {
        let samples = tone(16_000, text.chars().count() * 1_600, 0.3);
        Box::pin(async move { Ok(Speech { rate: 16_000, samples }) })
    }
}

fn tone(rate: u32, samples: usize, amplitude: f64) -> Vec<i16> {
    let at = |at: usize| {
        let phase = std::f64::consts::TAU * 500.0 * at as f64 / f64::from(rate);
        (phase.sin() * amplitude * 32_767.0) as i16
    };
    (0..samples).map(at).collect()
}

/// A renderer with everything that it needs, and its end.
struct Studio {
    folder: TempDir,
    tasks: TaskTracker,
    stop: CancellationToken,
    renderer: Renderer,
}

impl Studio {
    async fn open() -> Self {
        Self::with(worker(), &[], RendererLimits::default()).await
    }

    async fn with(program: PathBuf, args: &[&str], limits: RendererLimits) -> Self {
        let folder = TempDir::new().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let config = RendererConfig {
            program,
            args: args.iter().map(OsString::from).collect(),
            scratch: folder.path().join("scratch"),
            limits,
            engine: Arc::new(Scripted),
        };
        let renderer = Renderer::start(config, &tasks, stop.clone()).await.unwrap();
        Self { folder, tasks, stop, renderer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    async fn render(&self, path: &Path) -> Result<Rendered, RenderError> {
        self.renderer.render(Source::Recording { path: path.to_owned() }, &ALL).await
    }

    /// The code with which the worker refuses it.
    async fn refusal(&self, path: &Path) -> String {
        match self.render(path).await {
            Err(RenderError::Refused { code, said }) => {
                assert!(!said.zh.is_empty() && !said.en.is_empty());
                code
            }
            other => panic!("{} should be refused: {other:?}", path.display()),
        }
    }

    /// Nothing of a request stays behind.
    fn assert_swept(&self) {
        for entry in std::fs::read_dir(self.path("scratch")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with("job-"), "{name} stayed");
        }
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        within(self.tasks.wait()).await;
    }
}

/// A deadline for what must come.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it never came")
}

/// Waits for what nobody announces.
async fn until(so: impl Fn() -> bool) {
    let watch = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !so() {
            tick.tick().await;
        }
    };
    within(watch).await;
}

/// Ended, collected or not: its first thread can be a zombie while others still
/// hold its pipes.
fn ended(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat.contains(") Z ") && threads <= 1
}

fn gst_launch(line: &str) {
    let out = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("gst-launch-1.0 is missing; run make setup");
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Loudness and true peak as the standard measures them, of what a loudspeaker
/// decodes.
fn heard(clip: &Clip) -> (f64, f64) {
    let folder = TempDir::new().unwrap();
    let (payload, raw) = (folder.path().join("payload"), folder.path().join("raw"));
    std::fs::write(&payload, &clip.payload).unwrap();
    let decoder = match clip.codec {
        Codec::Pcma => "audio/x-alaw,rate=8000,channels=1 ! alawdec",
        Codec::Pcmu => "audio/x-mulaw,rate=8000,channels=1 ! mulawdec",
        // This decoder wants time stamps, which nothing gives to bare G.722; as
        // A-law runs at as many bytes a second, its parser may stand in.
        Codec::G722 => {
            "rawaudioparse format=alaw sample-rate=8000 num-channels=1 ! \
             capssetter replace=true join=false caps=audio/G722,rate=16000,channels=1 ! avdec_g722"
        }
        Codec::Opus => unreachable!(),
    };
    gst_launch(&format!(
        "filesrc location={} ! {decoder} ! audioconvert ! audioresample quality=10 ! \
         audio/x-raw,format=F32LE,rate=48000 ! filesink location={}",
        payload.display(),
        raw.display(),
    ));
    let raw = std::fs::read(raw).unwrap();
    let samples: Vec<f32> =
        raw.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let mut meter = EbuR128::new(1, 48_000, Mode::I | Mode::TRUE_PEAK).unwrap();
    // Shorter than a block of the meter: as if repeated.
    for _ in 0..(1 + 48_000 / samples.len().max(1)) {
        meter.add_frames_f32(&samples).unwrap();
    }
    (meter.loudness_global().unwrap(), 20.0 * meter.true_peak(0).unwrap().log10())
}

fn assert_level(name: &str, rendered: &Rendered) {
    let sound = parse(&rendered.file).unwrap();
    assert_eq!(hash_of(&rendered.file), rendered.hash);
    assert_eq!(sound.clips.len(), ALL.len());
    for clip in sound.clips.values() {
        let (lufs, peak) = heard(clip);
        println!("{name} {}: {lufs:.2} LUFS, {peak:.2} dBTP", clip.codec);
        assert!((lufs + 16.0).abs() < 1.0, "{name} {}: {lufs} LUFS", clip.codec);
        assert!(peak <= -1.0, "{name} {}: {peak} dBTP", clip.codec);
        assert_eq!(clip.ms, rendered.ms);
    }
}

/// A staged sound that needs no worker.
fn staged_sound(frames: usize) -> Bytes {
    let clip = |codec, byte| Clip::new(codec, vec![byte; frames * FRAME_BYTES].into()).unwrap();
    pack(-1_600, &[clip(Codec::G722, 1), clip(Codec::Pcma, 2), clip(Codec::Pcmu, 3)]).unwrap()
}
