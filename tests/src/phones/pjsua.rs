//! A telephone on PJSIP: `tests/clients/pjsua.py`, told what to do by JSON lines. What
//! it heard is one WAV file on PJSIP's own clock, silent where nothing came. It
//! refuses to run with another version than `make setup` installs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::said::Said;
use super::sound::{Wave, sine};
use super::{Account, Process, sound_ports, text};
use crate::ports;

const START: Duration = Duration::from_secs(15);
/// Played over and over.
const TONE_S: u32 = 2;
const RATE: u32 = 16_000;

/// What it does without being told.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// Codecs in order of liking, such as `G722/16000/1`; no other is offered.
    pub codecs: Vec<&'static str>,
    /// None: only when told.
    pub answer_after_ms: Option<u64>,
    /// Every call, with this status code.
    pub refuse: Option<u16>,
}

impl Conduct {
    /// Picks up after `answer_after_ms`.
    pub fn answers(codecs: &[&'static str], answer_after_ms: Option<u64>) -> Self {
        Self { codecs: codecs.to_vec(), answer_after_ms, refuse: None }
    }
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Rfc4733,
    Info,
}

/// See the module. It ends with its story.
pub struct Pjsua {
    pub number: String,
    /// Where its SIP is.
    pub sip: SocketAddr,
    hears: PathBuf,
    complaints: PathBuf,
    orders: ChildStdin,
    said: Said,
    /// Events before this one belong to an earlier call.
    mark: usize,
    process: Process,
}

impl Pjsua {
    /// Starts it with everything in `folder`, which is its own; it registers at once.
    ///
    /// # Errors
    /// When PJSIP was not installed or does not start.
    pub async fn start(folder: &Path, account: &Account, conduct: &Conduct) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (plays, hears) = (folder.join("plays.wav"), folder.join("hears.wav"));
        sine(RATE, 440, TONE_S).save(&plays, 1)?;
        let ports = ports::free()?;
        let codecs: BTreeMap<_, _> = conduct.codecs.iter().zip((1..=255_u8).rev()).collect();
        let Account { number, password, registrar } = account;
        let settings = json!({
            "number": number, "password": password, "registrar": registrar,
            "sip_port": ports.sip.port(), "rtp_port": sound_ports()?,
            "plays": text(&plays), "hears": text(&hears), "codecs": codecs,
            "answer_after_ms": conduct.answer_after_ms, "refuse": conduct.refuse,
        });
        let file = folder.join("settings.json");
        std::fs::write(&file, settings.to_string())?;
        let complaints = folder.join("complaints.log");
        let mut command = Command::new(python()?);
        command.arg("-u").arg(client("pjsua.py")?).arg(&file).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&complaints)?);
        let mut child = command.spawn().context("pjsua.py could not be started")?;
        let orders = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let process = Process(child);
        let said = Said::read(BufReader::new(output), line);
        let (number, sip) = (number.clone(), ports.sip);
        let phone = Self { number, sip, hears, complaints, orders, said, mark: 0, process };
        phone.event("ready", START, |_| true).await?;
        Ok(phone)
    }

    fn order(&mut self, order: &Value) -> Result<()> {
        writeln!(self.orders, "{order}").context("pjsua.py is gone")?;
        Ok(self.orders.flush()?)
    }

    async fn event(
        &self,
        kind: &str,
        patience: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let what = format!("{}: {kind}", self.number);
        let fits = |event: &Value| event["event"] == kind && fits(event);
        let complaints = || std::fs::read_to_string(&self.complaints).unwrap_or_default();
        self.said.first(self.mark, &what, patience, fits).await.with_context(complaints)
    }

    /// # Errors
    /// When its registration is not accepted in time.
    pub async fn registered(&self, patience: Duration) -> Result<()> {
        self.event("registration", patience, |event| event["code"] == 200).await.map(|_| ())
    }

    /// Waits until its registration is answered; the status code.
    ///
    /// # Errors
    /// When it is not answered in time.
    pub async fn registration(&self, patience: Duration) -> Result<u64> {
        let event = self.event("registration", patience, |_| true).await?;
        event["code"].as_u64().context("no status code")
    }

    /// Calls a number of its registrar. What it said of earlier calls is forgotten.
    ///
    /// # Errors
    /// When it is gone.
    pub fn dial(&mut self, number: &str) -> Result<()> {
        self.forget();
        self.order(&json!({ "do": "call", "to": number }))
    }

    /// Only what comes from now on is waited for.
    pub fn forget(&mut self) {
        self.mark = self.said.count();
    }

    /// # Errors
    /// When it is gone.
    pub fn answer(&mut self) -> Result<()> {
        self.order(&json!({ "do": "answer" }))
    }

    /// # Errors
    /// When it is gone.
    pub fn hang_up(&mut self) -> Result<()> {
        self.order(&json!({ "do": "hang_up" }))
    }

    /// # Errors
    /// When it is gone.
    pub fn hold(&mut self) -> Result<()> {
        self.order(&json!({ "do": "hold" }))
    }

    /// # Errors
    /// When it is gone.
    pub fn resume(&mut self) -> Result<()> {
        self.order(&json!({ "do": "resume" }))
    }

    /// # Errors
    /// When it is gone.
    pub fn press(&mut self, keys: &str, way: Way) -> Result<()> {
        let how = match way {
            Way::Rfc4733 => "rfc4733",
            Way::Info => "info",
        };
        self.order(&json!({ "do": "press", "keys": keys, "how": how }))
    }

    /// Waits until it is called; who calls, as it would show it.
    ///
    /// # Errors
    /// When nobody calls in time.
    pub async fn called(&self, patience: Duration) -> Result<String> {
        let event = self.event("called", patience, |_| true).await?;
        Ok(event["remote"].as_str().unwrap_or_default().to_owned())
    }

    /// # Errors
    /// When nobody picks up in time.
    pub async fn talks(&self, patience: Duration) -> Result<()> {
        self.event("state", patience, |event| event["state"] == "CONFIRMED").await.map(|_| ())
    }

    /// Whether it talks, as far as it knows.
    pub fn in_call(&self) -> bool {
        let said = self.said.since(self.mark);
        let last = said.iter().rfind(|event| event["event"] == "state");
        last.is_some_and(|event| event["state"] == "CONFIRMED")
    }

    /// Waits until its call is over; with which status code.
    ///
    /// # Errors
    /// When it is not over in time.
    pub async fn over(&self, patience: Duration) -> Result<u64> {
        let over = |event: &Value| event["state"] == "DISCONNECTED";
        let event = self.event("state", patience, over).await?;
        event["code"].as_u64().context("no status code")
    }

    /// Waits until its sound is as `status` says for the `times`th time: `active`,
    /// `held_here` or `held_there`. The codec's name.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn sound_is(&self, status: &str, times: usize, patience: Duration) -> Result<String> {
        let what = format!("{}: its sound is {status}", self.number);
        let mark = self.mark;
        let event = crate::wait::eventually(&what, patience, async || {
            let said = self.said.since(mark);
            let fits = |event: &&Value| event["event"] == "media" && event["status"] == status;
            let found = said.iter().filter(fits).nth(times - 1).cloned();
            found.with_context(|| format!("it said {}", Value::Array(said)))
        });
        let event = event.await?;
        Ok(event["codec"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a SIP message came to its call whose first line has these words;
    /// the whole of it.
    ///
    /// # Errors
    /// When none came in time.
    pub async fn message(&self, first_line: &str, patience: Duration) -> Result<String> {
        let text = |event: &Value| event["text"].as_str().unwrap_or_default().to_owned();
        let fits = |event: &Value| {
            let text = text(event);
            text.lines().next().is_some_and(|line| line.contains(first_line))
        };
        Ok(text(&self.event("message", patience, fits).await?))
    }

    /// The keys that were pressed at the far side, in order.
    pub fn keys(&self) -> String {
        let said = self.said.since(self.mark);
        let keys = said.iter().filter(|event| event["event"] == "digit");
        keys.map(|event| event["key"].as_str().unwrap_or_default()).collect()
    }

    /// Milliseconds of its own clock at which it saw the newest event of a kind.
    pub fn saw_ms(&self, kind: &str) -> Option<u64> {
        let said = self.said.since(self.mark);
        said.iter().rfind(|event| event["event"] == kind)?["at_ms"].as_u64()
    }

    /// What is written of what it heard so far; up to a quarter of a second may
    /// lack at the end.
    ///
    /// # Errors
    /// When its recording cannot be read.
    pub fn heard_so_far(&self) -> Result<Wave> {
        Wave::load(&self.hears)
    }

    /// Ends it and reads what it heard, all calls together.
    ///
    /// # Errors
    /// When it does not end or left no recording.
    pub async fn heard(mut self) -> Result<Wave> {
        self.order(&json!({ "do": "quit" }))?;
        let ended = self.process.ended("pjsua.py ends", START).await?;
        ensure!(ended.success(), "pjsua.py ended with {ended}");
        Wave::load(&self.hears)
    }
}

impl Drop for Pjsua {
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        self.said.close();
    }
}

fn line(source: &mut BufReader<ChildStdout>) -> Option<Value> {
    loop {
        let mut line = String::new();
        if source.read_line(&mut line).ok()? == 0 {
            return None;
        }
        // PJSIP's own words begin otherwise.
        if let Ok(event) = serde_json::from_str(&line) {
            return Some(event);
        }
    }
}

/// The Python that `make setup` gave PJSIP to.
fn python() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?;
    let python = cache.join("weir/phones/bin/python");
    ensure!(
        python.is_file(),
        "缺少测试电话 PJSIP，请执行 make setup / the test telephone PJSIP is missing; run make \
         setup ({} should be there)",
        python.display()
    );
    Ok(python)
}

/// A file of `tests/clients`, in the checkout that this runs in.
pub(super) fn client(name: &str) -> Result<PathBuf> {
    let tests = std::env::var("CARGO_MANIFEST_DIR")
        .context("请用 make test 运行 / run this with make test")?;
    Ok(Path::new(&tests).join("clients").join(name))
}
