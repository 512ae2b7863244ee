//! One node: its file, its folder, its log and, while it runs, its process. A
//! node may live on a disk image, which is then mounted in a namespace of the
//! process's own and vanishes with it. It refuses to outlive its story.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::api::{Api, Status};
use crate::ports::{self, Ports};
use crate::program::{run, weir_binary};
use crate::wait::eventually;

/// How long a node may take until it answers.
const START: Duration = Duration::from_secs(20);
/// How long it may take to drain after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(10);
/// For one question to a node that is well.
const ASK: Duration = Duration::from_secs(5);
/// Lines of a log that a failure shows.
const TAIL: usize = 60;

/// What the node's shell does before it becomes the node: `$0` is the image,
/// `$1` where it goes, `$2` a shell command on the mounted disk. Nothing but an
/// fsync commits the journal within an hour, so that a power cut is one.
const MOUNT: &str = r#"mount -o loop,commit=3600 "$0" "$1" && eval "$2" && shift 2 && exec "$@""#;

/// What a node is called and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub name: &'a str,
    pub site: &'a str,
}

/// See the module.
pub struct Node {
    pub name: String,
    pub ports: Ports,
    config: PathBuf,
    data: PathBuf,
    log: PathBuf,
    image: Option<PathBuf>,
    process: Option<Child>,
}

impl Node {
    /// Writes the node's file below `folder`.
    ///
    /// # Errors
    /// When there are no ports or the folder cannot be written.
    pub fn new(folder: &Path, place: Place<'_>) -> Result<Self> {
        Self::at(folder, place, ports::free()?)
    }

    /// As [`Self::new`], at given ports.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn at(folder: &Path, place: Place<'_>, ports: Ports) -> Result<Self> {
        let Place { name, site } = place;
        let node = Self {
            name: name.to_owned(),
            ports,
            config: folder.join(format!("{name}.toml")),
            data: folder.join(name),
            log: folder.join(format!("{name}.log")),
            image: None,
            process: None,
        };
        std::fs::create_dir_all(&node.data)?;
        let Ports { listen, metrics, .. } = ports;
        let data = node.data.join("node");
        let text = format!(
            "name = {name:?}\nsite = {site:?}\ndata = {data:?}\nlisten = \"{listen}\"\n\
             metrics = \"{metrics}\"\n"
        );
        std::fs::write(&node.config, text)?;
        Ok(node)
    }

    /// Adds to its file: tables, because keys of the node itself stand before
    /// them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, tables: &str) -> Result<()> {
        let file = std::fs::read_to_string(&self.config)?;
        Ok(std::fs::write(&self.config, format!("{file}{tables}\n"))?)
    }

    /// Browsers are served. Call it before [`Self::configure`]: a key of the node
    /// itself stands before the tables.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn serves_https(&self) -> Result<()> {
        self.configure(&format!("https = \"{}\"", self.ports.https))
    }

    /// Devices of its site register with it, and hear from these ports.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn speaks_sip(&self) -> Result<()> {
        let sip = self.ports.sip;
        // Below the range the system gives out, above the nodes' own.
        self.configure(&format!("[sip]\nlisten = \"{sip}\"\nrtp = [31002, 32701]"))
    }

    /// From now on everything it keeps is on this image.
    pub fn live_on(&mut self, image: impl Into<PathBuf>) {
        self.image = Some(image.into());
    }

    /// Its data folder, as the node's own file names it.
    pub fn data(&self) -> PathBuf {
        self.data.join("node")
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    /// What it said so far.
    ///
    /// # Errors
    /// When it never ran.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("{} has no log", self.name))
    }

    fn pid(&self) -> Result<u32> {
        let process = self.process.as_ref();
        Ok(process.with_context(|| format!("{} does not run", self.name))?.id())
    }

    /// Where this process sees what the node sees at `path`.
    fn seen(&self, path: &Path) -> PathBuf {
        match (&self.image, self.pid()) {
            (Some(_), Ok(pid)) => PathBuf::from(format!("/proc/{pid}/root{}", path.display())),
            _ => path.to_owned(),
        }
    }

    /// The disk it lives on, while it runs.
    pub fn disk(&self) -> PathBuf {
        self.seen(&self.data)
    }

    pub fn socket(&self) -> PathBuf {
        self.seen(&self.data().join("weir.sock"))
    }

    pub fn api(&self) -> Api {
        Api::new(self.socket(), ASK)
    }

    pub fn metrics(&self) -> SocketAddr {
        self.ports.metrics
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Runs `weir` with `args` and this node's file, on its disk.
    ///
    /// # Errors
    /// When it cannot be started, fails or takes too long.
    pub async fn command(&self, args: &[&str]) -> Result<()> {
        let config = self.config.to_string_lossy().into_owned();
        let mut words = args.to_vec();
        words.extend(["-c", &config]);
        let (program, words) = self.line(&words, ":")?;
        run(program, words).await?.ended_with(0)?;
        Ok(())
    }

    /// The command line of `weir` with `args`, after `first` on the image.
    fn line(&self, args: &[&str], first: &str) -> Result<(String, Vec<String>)> {
        let weir = weir_binary()?.to_string_lossy().into_owned();
        let args = args.iter().map(|&word| word.to_owned());
        let Some(image) = &self.image else { return Ok((weir, args.collect())) };
        let (image, data) = (image.to_string_lossy(), self.data.to_string_lossy());
        let shell = ["--mount", "--", "sh", "-c", MOUNT, &image, &data, first, &weir];
        let shell = shell.into_iter().map(str::to_owned);
        Ok(("unshare".into(), shell.chain(args).collect()))
    }

    /// Starts the process without waiting for it.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        self.spawn_after(":")
    }

    /// As [`Self::spawn`], after a shell command, which finds the disk at `$1`.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn spawn_after(&mut self, first: &str) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log)?;
        let config = self.config.to_string_lossy().into_owned();
        let (program, words) = self.line(&["run", "-c", &config], first)?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(command.spawn().context("weir could not be started")?);
        Ok(())
    }

    /// Starts the node and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn start(&mut self) -> Result<Status> {
        self.spawn()?;
        self.answers().await
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not answer in time, or ended.
    pub async fn answers(&mut self) -> Result<Status> {
        let (mut api, name) = (self.api(), self.name.clone());
        let what = format!("{name} answers");
        let process = self.process.as_mut().with_context(|| format!("no {name}"))?;
        let answer = eventually(&what, START, async || match process.try_wait()? {
            Some(ended) => Ok(Err(ended)),
            None => Ok(Ok(api.status().await?)),
        });
        answer.await?.map_err(|ended| anyhow!("{name} did not stay: {ended}"))
    }

    /// SIGKILL, and gone when this returns.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().with_context(|| format!("no {}", self.name))?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.pid()?.to_string();
        run("sh", ["-c", "kill -s \"$0\" \"$1\"", signal, &pid]).await?.ended_with(0)?;
        Ok(())
    }

    /// SIGSTOP; no thread of it runs any more when this returns.
    ///
    /// # Errors
    /// When it does not run or does not stop.
    pub async fn freeze(&self) -> Result<()> {
        self.signal("STOP").await?;
        let tasks = PathBuf::from(format!("/proc/{}/task", self.pid()?));
        eventually("every thread stands still", START, async || {
            for task in std::fs::read_dir(&tasks)? {
                let stat = std::fs::read_to_string(task?.path().join("stat"))?;
                // The state follows the name, which is in parentheses.
                let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
                ensure!(state.starts_with('T'), "a thread still runs: {stat}");
            }
            Ok(())
        })
        .await
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn thaw(&self) -> Result<()> {
        self.signal("CONT").await
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// When it is not gone within [`DRAIN`].
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.ended(DRAIN).await
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        let process = self.process.as_mut().with_context(|| format!("no {name}"))?;
        let status = eventually(&format!("{name} ends"), patience, async || {
            process.try_wait()?.context("it still runs")
        })
        .await?;
        self.process = None;
        Ok(status)
    }

    /// # Errors
    /// When the log shows a panic.
    pub fn did_not_panic(&self) -> Result<()> {
        let log = self.log().unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains("panicked at")) {
            bail!("{} panicked: {line}", self.name);
        }
        Ok(())
    }

    /// The end of its log, for a failure.
    pub fn tail(&self) -> String {
        let log = self.log().unwrap_or_else(|error| format!("{error}\n"));
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL);
        format!("--- {} ({skipped} lines before)\n{}\n", self.name, lines[skipped..].join("\n"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.process.is_some() {
            // Already gone, then.
            let _ = self.kill();
        }
    }
}
