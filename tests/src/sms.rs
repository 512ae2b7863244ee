//! The fake SMS gateway as a process of its own, and what its ledger says. It
//! reports what the gateway saw and refuses to add to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::program::weir_binary;
use crate::wait::eventually;

/// For the process to listen.
const START: Duration = Duration::from_secs(8);

/// What the gateway does with a message; `fake-sms` says what each means.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "does", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Does {
    Accept {
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery_ms: Option<u64>,
    },
    Slow {
        ms: u64,
    },
    Refuse {
        code: u16,
        error: String,
        reason: String,
    },
    Unavailable {
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
    /// Accepted, and the connection closed without an answer.
    LoseAnswer {},
    Hang {
        accepts: bool,
    },
    Fail {
        reason: String,
    },
}

#[derive(Debug, Clone, Serialize)]
pub struct Gateway {
    pub token: String,
    pub delivery_ms: u64,
    /// What happens to messages for these, one after the other.
    pub recipients: BTreeMap<String, Vec<Does>>,
    /// What happens to all others, counted together.
    pub messages: Vec<Does>,
}

impl Gateway {
    /// Accepts and delivers everything.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            delivery_ms: 200,
            recipients: BTreeMap::new(),
            messages: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, recipient: &str, does: &[Does]) -> Self {
        self.recipients.insert(recipient.to_owned(), does.to_vec());
        self
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Wall clock.
    pub t_ms: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// What the gateway saw or did.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Listening { address: SocketAddr },
    Request(Request),
    Answer { code: u16, id: Option<String>, key: Option<String> },
    Accepted(Message),
    Delivered(Message),
    Failed(Message),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Of a well-formed message, as are `to` and `text`, or the key asked about.
    pub key: Option<String>,
    pub to: Option<String>,
    pub text: Option<String>,
    /// What it met.
    pub does: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    pub id: String,
    pub key: String,
    pub to: String,
    pub text: String,
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct Config<'a> {
    listen: SocketAddr,
    #[serde(flatten)]
    gateway: &'a Gateway,
}

/// See the module. It ends with its story.
pub struct Sms {
    pub address: SocketAddr,
    config: PathBuf,
    ledger: PathBuf,
    log: PathBuf,
    process: Child,
}

impl Sms {
    /// Writes config, ledger and log into `folder`; waits until it listens.
    ///
    /// # Errors
    /// When the binary was not built or there is no free port.
    pub async fn start(folder: &Path, gateway: &Gateway) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        // Bound here first, so that the port is known to be free.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = folder.join("sms.json");
        std::fs::write(&config, serde_json::to_vec(&Config { listen: address, gateway })?)?;
        let (ledger, log) = (folder.join("sms.ledger"), folder.join("sms.log"));
        let process = spawn(&config, &ledger, &log)?;
        let mut sms = Self { address, config, ledger, log, process };
        sms.listens(1).await?;
        Ok(sms)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gone, as by a power cut: connections are refused from now on.
    pub fn stop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Back at the same address; it remembers what it had accepted.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn start_again(&mut self) -> Result<()> {
        self.stop();
        let before = self.starts()?;
        self.process = spawn(&self.config, &self.ledger, &self.log)?;
        self.listens(before + 1).await
    }

    async fn listens(&mut self, starts: usize) -> Result<()> {
        eventually("the SMS gateway listens", START, async || {
            if let Some(ended) = self.process.try_wait()? {
                bail!("fake-sms did not stay: {ended}: {}", self.said());
            }
            ensure!(self.starts()? >= starts, "it has said nothing yet");
            Ok(())
        })
        .await
    }

    fn starts(&self) -> Result<usize> {
        let entries = self.entries()?;
        Ok(entries.iter().filter(|it| matches!(it.event, Event::Listening { .. })).count())
    }

    /// Everything it saw and did so far, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read or holds what no gateway writes.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let text = match std::fs::read_to_string(&self.ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("the ledger cannot be read"),
        };
        // A line in the making has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let entry = |line| serde_json::from_str(line).with_context(|| format!("ledger: {line}"));
        whole.lines().map(entry).collect()
    }

    /// What telephones got from it, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn deliveries(&self) -> Result<Vec<Message>> {
        let delivered = |entry: Entry| match entry.event {
            Event::Delivered(message) => Some(message),
            _ => None,
        };
        Ok(self.entries()?.into_iter().filter_map(delivered).collect())
    }

    /// What it was asked to send, every time that it was asked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn posts(&self) -> Result<Vec<Request>> {
        let post = |entry: Entry| match entry.event {
            Event::Request(request) if request.method == "POST" => Some(request),
            _ => None,
        };
        Ok(self.entries()?.into_iter().filter_map(post).collect())
    }

    /// The keys that it was asked about, every time that it was asked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn questions(&self) -> Result<Vec<String>> {
        let question = |entry: Entry| match entry.event {
            Event::Request(request) if request.method == "GET" => request.key,
            _ => None,
        };
        Ok(self.entries()?.into_iter().filter_map(question).collect())
    }

    /// Waits until as many messages were delivered to `to`.
    ///
    /// # Errors
    /// When they are not in time; shows what was.
    pub async fn delivered(
        &self,
        to: &str,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Message>> {
        eventually(&format!("{count} messages reach {to}"), patience, async || {
            let mut deliveries = self.deliveries()?;
            deliveries.retain(|message| message.to == to);
            ensure!(deliveries.len() >= count, "only {deliveries:?}; asked: {:?}", self.posts()?);
            Ok(deliveries)
        })
        .await
    }

    /// What the process complained of.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

fn spawn(config: &Path, ledger: &Path, log: &Path) -> Result<Child> {
    let program = weir_binary()?.with_file_name("fake-sms");
    ensure!(
        program.is_file(),
        "没有 fake-sms 程序，请执行 make test / no fake-sms binary; run make test"
    );
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("--ledger").arg(ledger);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command.stderr(File::create(log)?).spawn()?)
}

impl Drop for Sms {
    fn drop(&mut self) {
        self.stop();
    }
}
