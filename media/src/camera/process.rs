//! The worker process of one camera, seen from the node: started, told what is
//! wanted, read from, ended. It refuses to wait for one that says nothing, and
//! believes nothing but frames.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rung::Rung;

/// How long it may take to go by itself; it bids the camera farewell meanwhile.
const GOING: Duration = Duration::from_secs(1);
/// How long a line may wait in the pipe.
const WRITING: Duration = Duration::from_secs(1);
/// It writes no files but its registry.
const FILE_MAX: u64 = 64 << 20;
/// Lines of complaints that are logged, each so long at most; the rest are counted.
const LOGGED_MAX: u64 = 100;
const LINE_MAX: u64 = 4 * 1024;
/// What it gets of our environment. Not `GST_DEBUG`: that would print what the
/// camera is told, the password among it.
const INHERITED: [&str; 5] =
    ["PATH", "LANG", "LD_LIBRARY_PATH", "GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH"];
/// Cameras are on the site's own network: no proxy, no desktop's settings.
const SET: [(&str, &str); 3] = [
    ("GIO_USE_PROXY_RESOLVER", "dummy"),
    ("GSETTINGS_BACKEND", "memory"),
    // Or every thread of a pipeline takes 64 MiB of address space.
    ("MALLOC_ARENA_MAX", "2"),
];

/// How to start a worker.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// A folder that is there, its working one; all cameras may share it.
    pub folder: PathBuf,
    /// Address space, in MiB, set through `prlimit` of util-linux; `None`: no limit
    /// of ours. 640×360 takes some 410.
    pub memory_mib: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Opening<'a> {
    pub(super) camera: Job<'a>,
}

#[derive(Serialize)]
pub(super) struct Job<'a> {
    pub(super) url: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    pub(super) silent_ms: u32,
    pub(super) order: u32,
    pub(super) rung: Rung,
}

#[derive(Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(super) enum Order {
    Rung { order: u32, rung: Rung },
    Key {},
}

pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
}

impl Worker {
    pub(super) fn start(
        recipe: &WorkerProgram,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<(Self, BufReader<ChildStdout>)> {
        let mut child = recipe
            .command()
            .current_dir(&recipe.folder)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))))
            .envs(SET)
            .env("TMPDIR", &recipe.folder)
            .env("GST_REGISTRY", recipe.folder.join("registry.bin"))
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
        Ok((Self { child, input }, BufReader::with_capacity(64 << 10, output)))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn tell(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        timeout(WRITING, self.input.write_all(&line))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Lets it go by itself, then makes it; says how it went.
    pub(super) async fn stop(self) -> Option<String> {
        let Self { mut child, input } = self;
        drop(input);
        let ended = timeout(GOING, child.wait()).await;
        if ended.is_err() {
            kill(&mut child).await;
        }
        ended.ok()?.ok().filter(|status| !status.success()).map(|status| status.to_string())
    }

    /// It cannot be reasoned with.
    pub(super) async fn kill(mut self) {
        kill(&mut self.child).await;
    }
}

async fn kill(child: &mut Child) {
    // SIGKILL leaves no choice but the kernel's; the wait only collects it.
    if timeout(GOING, child.kill()).await.is_err() {
        tracing::warn!("a camera's worker cannot be killed yet / 摄像机进程暂时无法终止");
    }
}

impl WorkerProgram {
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
        let mut limited = (&mut complaints).take(LINE_MAX);
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
            tracing::warn!(target: "weir::media::camera", "{}", text.trim());
        }
    }
    if lines > LOGGED_MAX {
        tracing::warn!(target: "weir::media::camera", lines, "and more that is not shown");
    }
}
