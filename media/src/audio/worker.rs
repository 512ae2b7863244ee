//! The worker process, seen from the node: started when it is wanted, asked one
//! thing at a time, ended when it misbehaves. Refuses to believe anything but a
//! short line of JSON that answers what was asked.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Codec;
use weir_model::refusal::Said;

/// Longest line of either side, in bytes.
const LINE_MAX: u64 = 16 * 1024;
/// Lines of a worker's complaints that are logged; the rest are counted.
const LOGGED_MAX: u64 = 100;
/// Largest file that it may write, in bytes: a codec's ten minutes are a tenth.
const FILE_MAX: u64 = 64 << 20;
/// What it gets of our environment: where programs and libraries are, no more. It
/// reads files of strangers, and ours may hold secrets.
const INHERITED: [&str; 6] =
    ["PATH", "LANG", "LD_LIBRARY_PATH", "GST_DEBUG", "GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH"];
/// How long it may take to go by itself.
const GOING: Duration = Duration::from_secs(1);

/// How to start one.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Its working folder and its temporary one.
    pub(super) folder: PathBuf,
    /// Address space, in MiB; set through `prlimit` of util-linux.
    pub(super) memory_mib: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    id: u64,
    input: &'a str,
    output: &'a str,
    codecs: &'a BTreeSet<Codec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    id: u64,
    ok: Option<Made>,
    error: Option<Wrong>,
}

/// What it says that it made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    pub(super) ms: u32,
    pub(super) loudness_lufs: f64,
    #[serde(rename = "true_peak_dbtp")]
    pub(super) _true_peak_dbtp: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    code: String,
    zh: String,
    en: String,
}

/// It did its work and says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) said: Said,
}

/// It is of no more use.
#[derive(Debug)]
pub(super) enum Broken {
    /// It ended, or its pipe did.
    Gone(io::Error),
    /// It said something else than an answer.
    Garbage(String),
}

/// One running process.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
}

impl Worker {
    pub(super) fn start(
        recipe: &Recipe,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let mut child = recipe
            .command()
            .current_dir(&recipe.folder)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))))
            .env("TMPDIR", &recipe.folder)
            // Beside the work, so that a node without a home folder has it too.
            .env("GST_REGISTRY", recipe.folder.join("registry.bin"))
            // Or every thread of a pipeline takes 64 MiB of address space.
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(complaints)) = pipes else {
            return Err(io::Error::other("no pipes"));
        };
        tasks.spawn(log(complaints, stop.clone()));
        Ok(Self { child, input, output: BufReader::new(output), asked: 0 })
    }

    /// Whether it may still be asked; one can end while nobody looks.
    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits as long as it takes: the deadline is the caller's.
    pub(super) async fn ask(
        &mut self,
        input: &Path,
        output: &Path,
        codecs: &BTreeSet<Codec>,
    ) -> Result<Result<Made, Refused>, Broken> {
        self.asked += 1;
        let utf8 = |path: &Path| path.to_str().map(str::to_owned);
        let (Some(input), Some(output)) = (utf8(input), utf8(output)) else {
            return Ok(Err(unnameable()));
        };
        let request = Request { id: self.asked, input: &input, output: &output, codecs };
        let mut line = serde_json::to_vec(&request).map_err(|error| Broken::Gone(error.into()))?;
        line.push(b'\n');
        if line.len() as u64 > LINE_MAX {
            return Ok(Err(unnameable()));
        }
        self.input.write_all(&line).await.map_err(Broken::Gone)?;
        let mut line = Vec::new();
        let mut limited = (&mut self.output).take(LINE_MAX);
        limited.read_until(b'\n', &mut line).await.map_err(Broken::Gone)?;
        if line.is_empty() {
            let why = match timeout(GOING, self.child.wait()).await {
                Ok(Ok(status)) => io::Error::other(status.to_string()),
                _ => io::ErrorKind::UnexpectedEof.into(),
            };
            return Err(Broken::Gone(why));
        }
        understand(&line, self.asked)
    }

    /// Lets it go by itself, then makes it.
    pub(super) async fn stop(self) {
        let Self { mut child, input, output, .. } = self;
        drop((input, output));
        if timeout(GOING, child.wait()).await.is_err() {
            kill(&mut child).await;
        }
    }

    /// It cannot be reasoned with.
    pub(super) async fn kill(mut self) {
        kill(&mut self.child).await;
    }
}

async fn kill(child: &mut Child) {
    // SIGKILL leaves no choice but the kernel's; the wait only collects it.
    if timeout(GOING, child.kill()).await.is_err() {
        tracing::warn!("a media worker cannot be killed yet / 媒体进程暂时无法终止");
    }
}

fn unnameable() -> Refused {
    let zh = "路径过长或不是 UTF-8；请改名后重试".into();
    let en = "the path is too long or not UTF-8; rename it and try again".into();
    Refused { code: "path".into(), said: Said { zh, en } }
}

fn understand(line: &[u8], asked: u64) -> Result<Result<Made, Refused>, Broken> {
    let garbage = |why: String| Broken::Garbage(why);
    let answer: Answer =
        serde_json::from_slice(line).map_err(|error| garbage(error.to_string()))?;
    if answer.id != asked {
        return Err(garbage(format!("an answer to {} instead of {asked}", answer.id)));
    }
    match (answer.ok, answer.error) {
        (Some(made), None) => Ok(Ok(made)),
        (None, Some(Wrong { code, zh, en })) => Ok(Err(Refused { code, said: Said { zh, en } })),
        _ => Err(garbage("neither yes nor no".into())),
    }
}

impl Recipe {
    fn command(&self) -> Command {
        let Some(memory_mib) = self.memory_mib else {
            let mut command = Command::new(&self.program);
            command.args(&self.args);
            return command;
        };
        // It sets the limits and becomes the program: the same process.
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--as={}", u64::from(memory_mib) << 20))
            .arg(format!("--fsize={FILE_MAX}"))
            .args(["--core=0", "--nofile=256", "--"])
            .arg(&self.program)
            .args(&self.args);
        command
    }
}

/// What it complains of goes to our log, within bounds.
async fn log(complaints: ChildStderr, stop: CancellationToken) {
    let mut complaints = BufReader::new(complaints);
    let mut lines = 0_u64;
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut complaints).take(LINE_MAX / 4);
        let read = tokio::select! {
            biased;
            read = limited.read_until(b'\n', &mut line) => read,
            () = stop.cancelled() => break,
        };
        if read.unwrap_or_default() == 0 {
            break;
        }
        lines += 1;
        let text = String::from_utf8_lossy(&line);
        if lines <= LOGGED_MAX && !text.trim().is_empty() {
            tracing::warn!(target: "weir::media::worker", "{}", text.trim());
        }
    }
    if lines > LOGGED_MAX {
        tracing::warn!(target: "weir::media::worker", lines, "and more that is not shown");
    }
}
