//! Many telephones at once: sipp with the scenarios of `tests/clients`. It counts what
//! became of its calls and refuses to hear: all its telephones share one port for
//! sound, which goes there and comes back. That of a conversation is judged by
//! telephones beside it.

use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::pjsua::client;
use super::sound::{a_law, sine};
use super::{Process, sound_ports, text};
use crate::capability::tool;
use crate::ports;
use crate::wait::eventually;

/// Between two lines of its statistics.
const LINE: Duration = Duration::from_millis(100);
/// For registrations, all of them.
const REGISTER: Duration = Duration::from_secs(20);
/// How many register in a second.
const REGISTER_RATE: u32 = 50;
/// An answer later than this is a failure.
const ANSWER_MS: u32 = 10_000;

/// A number and its password.
#[derive(Debug, Clone)]
pub struct User {
    pub number: String,
    pub password: String,
}

impl User {
    /// As a scenario takes them, to answer a challenge with.
    fn credentials(&self) -> String {
        format!("[authentication username={} password={}]", self.number, self.password)
    }
}

/// Who calls whom, how often and for how long.
#[derive(Debug, Clone)]
pub struct Callers {
    /// Caller and the number that is dialled; one after the other, over and over.
    pub pairs: Vec<(User, String)>,
    /// What From says in place of the caller's number, and the name before it.
    pub claims: Option<(String, String)>,
    /// New calls a second.
    pub rate: u32,
    /// New calls in all.
    pub calls: u32,
    pub talk_ms: u32,
}

/// What became of its calls, from its own statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub begun: u32,
    pub well: u32,
    pub failed: u32,
    /// Under way at the last look, and at most.
    pub now: u32,
    pub at_once: u32,
    pub retransmissions: u32,
}

/// See the module. It ends with its story.
pub struct Sipp {
    /// Where its SIP is.
    pub sip: SocketAddr,
    folder: PathBuf,
    statistics: PathBuf,
    process: Process,
}

impl Sipp {
    /// Registers every user at `registrar` from `at`, where they are called then: a
    /// node sends to where a registration came from, whatever its Contact says.
    async fn register(
        folder: &Path,
        registrar: SocketAddr,
        users: &[User],
        at: SocketAddr,
    ) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut lines = String::from("SEQUENTIAL\n");
        for user in users {
            writeln!(lines, "{};{}", user.number, user.credentials())?;
        }
        std::fs::write(folder.join("users.csv"), lines)?;
        let (count, rate, own_address) =
            (users.len().to_string(), REGISTER_RATE.to_string(), at.to_string());
        let own = ["-inf", "users.csv", "-key", "at", &own_address, "-m", &count, "-r", &rate];
        let mut sipp = Self::start(folder, "register", registrar, at, &own)?;
        let tally = sipp.finish(REGISTER).await?;
        ensure!(tally.failed == 0, "registrations failed: {tally:?}; {}", sipp.complaints());
        Ok(())
    }

    /// Telephones that register, pick up at once and send back what they hear.
    ///
    /// # Errors
    /// When sipp is not installed or does not start, or one is refused.
    pub async fn callees(folder: &Path, node: SocketAddr, users: &[User]) -> Result<Self> {
        let at = ports::free()?.sip;
        Self::register(folder, node, users, at).await?;
        Self::start(folder, "callee", node, at, &["-rtp_echo"])
    }

    /// Telephones that call.
    ///
    /// # Errors
    /// When sipp is not installed or does not start.
    pub fn callers(folder: &Path, node: SocketAddr, callers: &Callers) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut lines = String::from("SEQUENTIAL\n");
        for (user, dialled) in &callers.pairs {
            let number = &user.number;
            let own = (number.clone(), number.clone());
            let (claimed, name) = callers.claims.as_ref().unwrap_or(&own);
            let credentials = user.credentials();
            writeln!(lines, "{number};{credentials};{dialled};{claimed};{name}")?;
        }
        std::fs::write(folder.join("users.csv"), lines)?;
        let tone: Vec<u8> = sine(8_000, 440, 1).samples.into_iter().map(a_law).collect();
        std::fs::write(folder.join("tone.alaw"), tone)?;
        let [calls, rate, talk, answer] =
            [callers.calls, callers.rate, callers.talk_ms, ANSWER_MS].map(|n| n.to_string());
        let own = ["-inf", "users.csv", "-m", &calls, "-l", &calls, "-r", &rate, "-d", &talk];
        let own = [&own[..], &["-recv_timeout", &answer]].concat();
        Self::start(folder, "caller", node, ports::free()?.sip, &own)
    }

    fn start(
        folder: &Path,
        scenario: &str,
        node: SocketAddr,
        sip: SocketAddr,
        own: &[&str],
    ) -> Result<Self> {
        let program = tool("sipp", "sip-tester")?;
        std::fs::create_dir_all(folder)?;
        let sound = sound_ports()?;
        let statistics = folder.join(format!("{scenario}.csv"));
        let scenario_file = client(&format!("{scenario}.xml"))?;
        let mut command = Command::new(program);
        command.arg(node.to_string()).args(["-i", "127.0.0.1", "-mi", "127.0.0.1"]);
        command.args(["-p", &sip.port().to_string(), "-mp", &sound.to_string()]);
        command.arg("-sf").arg(scenario_file).args(["-nostdin", "-trace_err", "-error_file"]);
        command.arg(format!("{scenario}.err")).args(["-trace_stat", "-fd", "100ms", "-stf"]);
        command.arg(text(&statistics)).args(own).current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(folder.join("sipp.log"))?);
        let process = Process(command.spawn().context("sipp could not be started")?);
        Ok(Self { sip, folder: folder.to_owned(), statistics, process })
    }

    /// What it counted so far.
    ///
    /// # Errors
    /// When its statistics are not what sipp 3 writes.
    pub fn tally(&self) -> Result<Tally> {
        let text = match std::fs::read_to_string(&self.statistics) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("sipp's statistics cannot be read"),
        };
        tally(&text)
    }

    /// Waits until as many calls as that are under way at once.
    ///
    /// # Errors
    /// When there never were in time.
    pub async fn at_once(&self, calls: u32, patience: Duration) -> Result<()> {
        eventually(&format!("{calls} calls at once"), patience, async || {
            let tally = self.tally()?;
            ensure!(tally.now >= calls, "{tally:?}; {}", self.complaints());
            Ok(())
        })
        .await
    }

    /// Waits until it made all its calls and they are over.
    ///
    /// # Errors
    /// When it is not through in time, or could not work at all.
    pub async fn finish(&mut self, patience: Duration) -> Result<Tally> {
        let ended = self.process.ended("sipp is through", patience).await?;
        // 1: some call failed, which the tally says better.
        let well = matches!(ended.code(), Some(0 | 1));
        ensure!(well, "sipp ended with {ended}: {}", self.complaints());
        self.tally()
    }

    /// Waits, at the side that is called, until no call is under way.
    ///
    /// # Errors
    /// When one is left.
    pub async fn empty(&self, patience: Duration) -> Result<Tally> {
        eventually("no call is left at the callees", patience.max(LINE), async || {
            let tally = self.tally()?;
            ensure!(tally.begun > 0 && tally.now == 0, "{tally:?}; {}", self.complaints());
            Ok(tally)
        })
        .await
    }

    /// The first of what it complained of.
    pub fn complaints(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name));
        let files = ["register.err", "caller.err", "callee.err", "sipp.log"];
        let all: String = files.into_iter().filter_map(|name| read(name).ok()).collect();
        all.chars().take(2_000).collect()
    }
}

/// From the lines of its statistics, of which the last may be in the making.
fn tally(text: &str) -> Result<Tally> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines();
    let Some(head) = lines.next() else { return Ok(Tally::default()) };
    let head: Vec<&str> = head.split(';').collect();
    let place = |name: &str| {
        let place = head.iter().position(|column| *column == name);
        place.with_context(|| format!("sipp's statistics have no {name}"))
    };
    let [begun, well, failed, now, again] = [
        place("TotalCallCreated")?,
        place("SuccessfulCall(C)")?,
        place("FailedCall(C)")?,
        place("CurrentCall")?,
        place("Retransmissions(C)")?,
    ];
    let mut tally = Tally::default();
    for line in lines {
        let cells: Vec<&str> = line.split(';').collect();
        let read = |at: usize| cells.get(at).and_then(|cell| cell.parse().ok()).unwrap_or(0);
        let at_once = tally.at_once.max(read(now));
        tally = Tally {
            begun: read(begun),
            well: read(well),
            failed: read(failed),
            now: read(now),
            at_once,
            retransmissions: read(again),
        };
    }
    Ok(tally)
}
