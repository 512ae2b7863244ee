//! Texts and recordings become staged sounds, one after the other, in a worker
//! process that may crash: then that one request fails, says so, and the next
//! one gets a fresh process. Refuses to queue without bound or to wait for ever,
//! and believes a worker's files only after measuring them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::fs;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::{Codec, Lang, Word};
use weir_model::id::Hash;
use weir_model::refusal::Said;

use super::clip::{Clip, FRAME_BYTES, FRAME_MS};
use super::library::hash_of;
use super::speech::{self, TtsEngine, TtsError};
use super::staged::{self, StagedError};
use super::wave;
use super::worker::{Broken, Made, Recipe, Worker};

/// Requests that wait; more are told to come again.
const WAITING: usize = 16;
/// Before a worker is started again after one broke; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(200);

/// What to render.
#[derive(Debug, Clone)]
pub enum Source {
    Text { text: String, lang: Lang },
    Recording { path: PathBuf },
}

/// A staged sound, not yet in any library.
#[derive(Clone)]
pub struct Rendered {
    pub file: Bytes,
    pub hash: Hash,
    pub ms: u32,
    pub loudness_lufs: f64,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, hash, ms, loudness_lufs } = self;
        write!(f, "Rendered({hash:?} {} bytes {ms} ms {loudness_lufs} LUFS)", file.len())
    }
}

/// How to start workers, and where they work.
pub struct RendererConfig {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// A folder of the renderer's own: what it finds of its kind is removed.
    pub scratch: PathBuf,
    pub limits: RendererLimits,
    pub engine: Arc<dyn TtsEngine>,
}

#[derive(Debug, Clone)]
pub struct RendererLimits {
    /// For speaking, and again for the worker.
    pub deadline: Duration,
    /// A worker that had nothing to do for so long is ended.
    pub idle: Duration,
    /// Longest wait before a new worker after others broke.
    pub back_off_max: Duration,
    /// A worker's address space; `None`: no limit of ours.
    pub memory_mib: Option<u32>,
}

impl Default for RendererLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            back_off_max: Duration::from_secs(5),
            // Ten minutes of sound take some 400 MiB; the rest is libraries.
            memory_mib: Some(2_048),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "音频工作目录 {path} 不可用（{source}）；请检查磁盘 / the renderer's folder {path} cannot be \
    used ({source}); check the disk"
)]
pub struct StartError {
    path: PathBuf,
    source: io::Error,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The worker looked at it and says why not.
    #[error("{said}")]
    Refused { code: String, said: Said },
    #[error(transparent)]
    Speech(#[from] TtsError),
    #[error(
        "媒体进程无法启动（{0}）；请运行 make setup / \
         the media worker does not start ({0}); run make setup"
    )]
    Start(io::Error),
    #[error(
        "媒体进程中途退出（{0}）；请重试，若同一文件反复如此，请另存为 WAV / \
         the media worker ended midway ({0}); try again, and save the file as WAV if it recurs"
    )]
    Crashed(io::Error),
    #[error(
        "媒体进程的回答无法识别（{0}）；请重试 / \
         the media worker's answer makes no sense ({0}); try again"
    )]
    Garbage(String),
    #[error(
        "音频处理超过 {0} 秒，已终止；请换用较短的录音 / \
        rendering took more than {0} s and was ended; use a shorter recording"
    )]
    Late(u64),
    #[error("音频处理排队已满；请稍后重试 / too many sounds wait to be rendered; try again soon")]
    Busy,
    #[error("本节点正在停止；请在其他节点操作 / this node is stopping; use another one")]
    Stopped,
    #[error(
        "音频工作目录不可用（{0}）；请检查磁盘 / the renderer's folder fails ({0}); check the disk"
    )]
    Scratch(#[from] io::Error),
    #[error(transparent)]
    Staged(#[from] StagedError),
}

struct Job {
    source: Source,
    codecs: BTreeSet<Codec>,
    reply: oneshot::Sender<Result<Rendered, RenderError>>,
}

/// See the module. Clones share one worker.
#[derive(Debug, Clone)]
pub struct Renderer {
    jobs: mpsc::Sender<Job>,
    pid: watch::Receiver<Option<u32>>,
}

impl Renderer {
    /// Starts no worker yet. Ends with `stop`.
    ///
    /// # Errors
    /// When the scratch folder cannot be made and cleaned.
    pub async fn start(
        config: RendererConfig,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let path = config.scratch.clone();
        let wrong = |source| StartError { path: path.clone(), source };
        let folder = std::path::absolute(&config.scratch).map_err(wrong)?;
        clean(&folder).await.map_err(wrong)?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        let (shown, pid) = watch::channel(None);
        let RendererConfig { program, args, limits, engine, .. } = config;
        let recipe = Recipe { program, args, folder, memory_mib: limits.memory_mib };
        let bench = Bench {
            recipe,
            limits,
            engine,
            tasks: tasks.clone(),
            stop,
            worker: None,
            pid: shown,
            not_before: Instant::now(),
            back_off: BACK_OFF,
            job: 0,
        };
        tasks.spawn(bench.run(waiting));
        Ok(Self { jobs, pid })
    }

    /// # Errors
    /// Says who is at fault and what to do; nothing is left behind.
    pub async fn render(&self, source: Source, codecs: &[Codec]) -> Result<Rendered, RenderError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { source, codecs: codecs.iter().copied().collect(), reply };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RenderError::Busy,
            mpsc::error::TrySendError::Closed(_) => RenderError::Stopped,
        })?;
        answer.await.unwrap_or(Err(RenderError::Stopped))
    }

    /// The process of the worker, while there is one.
    pub fn worker_pid(&self) -> watch::Receiver<Option<u32>> {
        self.pid.clone()
    }
}

/// Removes what an earlier life left; a worker's registry of plugins stays.
async fn clean(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).await?;
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.file_name().to_string_lossy().starts_with("job-") {
            fs::remove_dir_all(entry.path()).await?;
        }
    }
    Ok(())
}

/// The one who does it.
struct Bench {
    recipe: Recipe,
    limits: RendererLimits,
    engine: Arc<dyn TtsEngine>,
    tasks: TaskTracker,
    stop: CancellationToken,
    worker: Option<Worker>,
    pid: watch::Sender<Option<u32>>,
    not_before: Instant,
    back_off: Duration,
    job: u64,
}

impl Bench {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let stop = self.stop.clone();
        loop {
            let job = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                job = waiting.recv() => job,
                () = sleep(self.limits.idle), if self.worker.is_some() => {
                    self.dismiss().await;
                    continue;
                }
            };
            let Some(Job { source, codecs, reply }) = job else { break };
            // Whoever asked may have gone while it waited.
            if reply.is_closed() {
                continue;
            }
            let rendered = tokio::select! {
                biased;
                () = stop.cancelled() => Err(RenderError::Stopped),
                rendered = self.carry_out(source, codecs) => rendered,
            };
            let _ = reply.send(rendered);
        }
        self.dismiss().await;
        let _ = fs::remove_dir_all(self.folder()).await;
    }

    async fn dismiss(&mut self) {
        self.pid.send_replace(None);
        if let Some(worker) = self.worker.take() {
            worker.stop().await;
        }
    }

    fn folder(&self) -> PathBuf {
        self.recipe.folder.join(format!("job-{}", self.job))
    }

    async fn carry_out(
        &mut self,
        source: Source,
        codecs: BTreeSet<Codec>,
    ) -> Result<Rendered, RenderError> {
        self.job += 1;
        let folder = self.folder();
        fs::create_dir(&folder).await?;
        let rendered = self.render_in(&folder, source, codecs).await;
        if let Err(error) = fs::remove_dir_all(&folder).await {
            tracing::warn!(%error, "a scratch folder stays / 临时目录未能删除");
        }
        rendered
    }

    async fn render_in(
        &mut self,
        folder: &Path,
        source: Source,
        codecs: BTreeSet<Codec>,
    ) -> Result<Rendered, RenderError> {
        let input = match source {
            Source::Recording { path } => std::path::absolute(path)?,
            Source::Text { text, lang } => {
                let said = speech::speak(&*self.engine, &text, lang);
                let said = timeout(self.limits.deadline, said).await.map_err(|_| self.late())??;
                let path = folder.join("speech.wav");
                fs::write(&path, wave::write(&said)).await?;
                path
            }
        };
        let output = folder.join("out");
        fs::create_dir(&output).await?;
        let made = self.ask(&input, &output, &codecs).await?;
        spawn_blocking(move || collect(&output, &codecs, &made)).await.map_err(io::Error::other)?
    }

    fn late(&self) -> RenderError {
        RenderError::Late(self.limits.deadline.as_secs())
    }

    async fn ask(
        &mut self,
        input: &Path,
        output: &Path,
        codecs: &BTreeSet<Codec>,
    ) -> Result<Made, RenderError> {
        if !self.worker.as_mut().is_some_and(Worker::lives) {
            self.dismiss().await;
            sleep_until(self.not_before).await;
            let started = Worker::start(&self.recipe, &self.tasks, &self.stop);
            self.worker = Some(started.map_err(|error| self.stumble(RenderError::Start(error)))?);
        }
        // Taken while it works: one that is not put back is killed when dropped,
        // whoever stops waiting here.
        let Some(mut worker) = self.worker.take() else { return Err(RenderError::Stopped) };
        self.pid.send_replace(worker.pid());
        let answer = timeout(self.limits.deadline, worker.ask(input, output, codecs)).await;
        let error = match answer {
            Ok(Ok(answer)) => {
                self.worker = Some(worker);
                self.back_off = BACK_OFF;
                return answer.map_err(|no| RenderError::Refused { code: no.code, said: no.said });
            }
            Ok(Err(Broken::Gone(why))) => RenderError::Crashed(why),
            Ok(Err(Broken::Garbage(why))) => RenderError::Garbage(why),
            Err(_) => self.late(),
        };
        worker.kill().await;
        Err(self.stumble(error))
    }

    /// The next worker waits a little, and longer if that one breaks too.
    fn stumble(&mut self, error: RenderError) -> RenderError {
        self.pid.send_replace(None);
        tracing::warn!(%error, "a media worker broke / 媒体进程出错");
        self.not_before = Instant::now() + self.back_off;
        self.back_off = (self.back_off * 2).min(self.limits.back_off_max);
        error
    }
}

/// Packs the worker's files, each of which must be exactly as long as it says.
fn collect(folder: &Path, codecs: &BTreeSet<Codec>, made: &Made) -> Result<Rendered, RenderError> {
    if !(-70.0..=0.0).contains(&made.loudness_lufs) || made.ms > staged::LENGTH_MAX_MS {
        return Err(RenderError::Garbage(format!("{} ms, {} LUFS", made.ms, made.loudness_lufs)));
    }
    let wants = made.ms as usize / FRAME_MS as usize * FRAME_BYTES;
    let mut clips = Vec::new();
    for &codec in codecs {
        let mut payload = Vec::new();
        let file = File::open(folder.join(codec.word()))?;
        file.take(wants as u64 + 1).read_to_end(&mut payload)?;
        let clip = Clip::new(codec, payload.into()).filter(|clip| clip.payload.len() == wants);
        clips
            .push(clip.ok_or_else(|| RenderError::Garbage(format!("{codec}: not {wants} bytes")))?);
    }
    let file = staged::pack((made.loudness_lufs * 100.0).round() as i16, &clips)?;
    let hash = hash_of(&file);
    Ok(Rendered { file, hash, ms: made.ms, loudness_lufs: made.loudness_lufs })
}
