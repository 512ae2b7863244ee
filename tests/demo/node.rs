//! One node of the demo: its file, its folder, its process, its door.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::api::{Api, Status};
use crate::browser::Browser;
use crate::place::{Dish, HTTPS, LINK, METRICS, Place, SIP};
use crate::process::{Order, Process, program};
use crate::wait::until;

const START: Duration = Duration::from_secs(20);
/// For one command line; joining over a satellite takes several round trips.
const COMMAND: Duration = Duration::from_secs(45);
/// Lines of a log that a failure shows.
const TAIL: usize = 15;

/// What is the same for all nodes of one demo.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) folder: PathBuf,
    /// Kept when the demo ends.
    pub(crate) logs: PathBuf,
    /// Where hq1 is reached from other machines.
    pub(crate) open_to: Option<IpAddr>,
    /// Handed to the nodes as it is.
    pub(crate) plant: Option<String>,
}

/// See the module.
pub(crate) struct Node {
    pub(crate) place: &'static Place,
    config: PathBuf,
    data: PathBuf,
    log: PathBuf,
    plant: Option<String>,
    process: Option<Process>,
}

impl Node {
    /// Writes its file.
    pub(crate) fn new(place: &'static Place, terms: &Terms) -> Result<Self> {
        let name = place.name;
        let node = Self {
            place,
            config: terms.folder.join(format!("{name}.toml")),
            data: terms.folder.join(name),
            log: terms.logs.join(format!("{name}.log")),
            plant: terms.plant.clone(),
            process: None,
        };
        std::fs::write(&node.config, file(place, &node.data, terms.open_to))?;
        Ok(node)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.place.name
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.data.join("weir.sock"))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Signs a person in over HTTPS, as a browser does.
    pub(crate) async fn sign_in(&self, person: &str, password: &str) -> Result<Browser> {
        let certificate = self.data.join("https/cert.pem");
        Browser::sign_in(self.place.at(HTTPS), &certificate, (person, password)).await
    }

    /// Its dish is emulated from its next start on.
    pub(crate) fn move_behind_its_dish(&self) -> Result<()> {
        let Some(Dish { rtt_ms, up_kbps, down_kbps, loss_ppm }) = self.place.dish else {
            return Ok(());
        };
        let dish = format!(
            "[emulate]\nrtt_ms = {rtt_ms}\nup_kbps = {up_kbps}\ndown_kbps = {down_kbps}\n\
             loss_ppm = {loss_ppm}\n"
        );
        let file = std::fs::read_to_string(&self.config)?;
        Ok(std::fs::write(&self.config, file + &dish)?)
    }

    /// `weir` with `words` and this node's file: init, join.
    pub(crate) async fn prepare(&self, words: &[&str]) -> Result<()> {
        let config = self.config.to_string_lossy();
        self.weir(&[words, &["-c", &config]].concat(), None).await.map(drop)
    }

    /// `weir` with `words`, asked of this node while it runs.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<String> {
        self.ask_with(words, None).await
    }

    /// As [`Self::ask`], with a line to type.
    pub(crate) async fn ask_with(&self, words: &[&str], typed: Option<&str>) -> Result<String> {
        let socket = self.api().socket().to_string_lossy().into_owned();
        self.weir(&[words, &["-s", &socket]].concat(), typed).await
    }

    async fn weir(&self, words: &[&str], typed: Option<&str>) -> Result<String> {
        let mut command = Command::new(program("weir")?);
        command.args(words).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let (Some(mut input), Some(typed)) = (child.stdin.take(), typed) {
            input.write_all(typed.as_bytes()).await?;
        }
        let said = timeout(COMMAND, child.wait_with_output()).await;
        // The words may hold a token: only the first are shown.
        let what = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let said = said.with_context(|| format!("weir {what}: no end within {COMMAND:?}"))??;
        if !said.status.success() {
            let (error, name) = (String::from_utf8_lossy(&said.stderr), self.name());
            bail!("weir {what} ({name}): {}", error.trim());
        }
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Starts the process without waiting for it.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name());
        let plant = self.plant.iter().map(|plant| ("WEIR_PLANT", plant.into()));
        self.process = Some(Process::start(Order {
            program: &program("weir")?,
            args: vec!["run".into(), "-c".into(), self.config.clone().into()],
            env: plant.collect(),
            log: &self.log,
        })?);
        Ok(())
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&mut self) -> Result<Status> {
        self.spawn()?;
        let (api, name) = (self.api(), self.name());
        let process = self.process.as_mut().context("just started")?;
        let answer = until(&format!("{name} answers"), START, async || match process.ended()? {
            Some(ended) => Ok(Err(ended)),
            None => Ok(Ok(api.status().await?)),
        })
        .await;
        match answer? {
            Ok(status) => Ok(status),
            Err(ended) => bail!("{name}: {ended}\n{}", self.tail()),
        }
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_end(&self) {
        if let Some(process) = &self.process {
            process.ask_to_end();
        }
    }

    /// Whether it ended by itself, or by somebody else's hand.
    pub(crate) fn fell(&mut self) -> Result<bool> {
        let Some(process) = &mut self.process else { return Ok(false) };
        let fell = process.ended()?.is_some();
        if fell {
            self.process = None;
        }
        Ok(fell)
    }

    /// Drains it: a leader hands over first.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        self.ask_to_end();
        let name = self.name();
        until(&format!("{name} ends"), START, async || {
            ensure!(self.process.is_none() || self.fell()?, "it still runs");
            Ok(())
        })
        .await
    }

    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

fn file(place: &Place, data: &Path, open_to: Option<IpAddr>) -> String {
    let (name, site) = (place.name, place.site);
    let seen = open_to.filter(|_| name == "hq1").unwrap_or(place.ip());
    let (link, metrics) = (place.at(LINK), place.at(METRICS));
    let mut text = format!(
        "name = {name:?}\nsite = {site:?}\ndata = {data:?}\nlisten = \"{link}\"\n\
         metrics = \"{metrics}\"\nhttps = \"{}\"\n[sip]\nlisten = \"{}\"\n",
        std::net::SocketAddr::from((seen, HTTPS)),
        std::net::SocketAddr::from((seen, SIP)),
    );
    if let Some(dish) = place.dish {
        text += &format!("[satellite]\nup_kbps = {}\n", dish.up_kbps);
    }
    text
}
