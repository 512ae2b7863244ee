//! The peer: three members of etcd on this machine, without TLS, each with its own
//! folder on the disk that Weir uses, told what they need to find each other and
//! nothing that would slow them. They refuse to outlive their measurement.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use weir_tests::capability::tool;
use weir_tests::ports;
use weir_tests::program::run;
use weir_tests::wait::eventually;

use crate::client::{Connection, Door};

/// How long the members may take to agree on who leads.
const SETTLE: Duration = Duration::from_secs(30);
const MEMBERS: usize = 3;

/// How quickly a dead leader is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timers {
    pub(crate) heartbeat_ms: u32,
    pub(crate) election_ms: u32,
}

impl Timers {
    /// etcd's own.
    pub(crate) const DEFAULT: Self = Self { heartbeat_ms: 100, election_ms: 1000 };
    /// The heartbeat of Weir's profile `lan`, and the shortest election time-out
    /// that etcd takes with it.
    pub(crate) const TUNED: Self = Self { heartbeat_ms: 50, election_ms: 250 };
}

struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    process: Option<Child>,
}

impl Member {
    fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the member does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.process.is_some() {
            // Already gone, then.
            let _ = self.kill();
        }
    }
}

/// What a member says of itself.
struct Health {
    id: String,
    leader: String,
    applied: u64,
}

/// See the module.
pub(crate) struct Etcd {
    // Before the folder, so that nobody writes there when it goes.
    members: Vec<Member>,
    folder: TempDir,
    program: PathBuf,
    timers: Timers,
}

impl Etcd {
    /// Three members, running, agreed on a leader.
    pub(crate) async fn start(timers: Timers) -> Result<Self> {
        let program = tool("etcd", "etcd-server")?;
        let folder = tempfile::Builder::new().prefix("weir-bench-etcd-").tempdir()?;
        let member = |number| {
            // A free TCP port each; the rest of a run of ports stays unused.
            let (client, peer) = (ports::free()?.metrics, ports::free()?.metrics);
            Ok(Member { name: format!("e{number}"), client, peer, process: None })
        };
        let members = (1..=MEMBERS).map(member).collect::<Result<_>>()?;
        let mut etcd = Self { members, folder, program, timers };
        for number in 0..MEMBERS {
            etcd.spawn(number)?;
        }
        etcd.settled().await?;
        Ok(etcd)
    }

    fn spawn(&mut self, number: usize) -> Result<()> {
        let all: Vec<String> =
            self.members.iter().map(|one| format!("{}=http://{}", one.name, one.peer)).collect();
        let Timers { heartbeat_ms, election_ms } = self.timers;
        let member = self.members.get_mut(number).context("no such member")?;
        let (client, peer) =
            (format!("http://{}", member.client), format!("http://{}", member.peer));
        let log = self.folder.path().join(format!("{}.log", member.name));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.program);
        command.args(["--name", &member.name, "--data-dir"]);
        command.arg(self.folder.path().join(&member.name));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &all.join(",")]);
        command.args(["--heartbeat-interval", &heartbeat_ms.to_string()]);
        command.args(["--election-timeout", &election_ms.to_string()]);
        if cfg!(target_arch = "aarch64") {
            // 3.4 wants it said there.
            command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        member.process = Some(command.spawn().context("etcd could not be started")?);
        Ok(())
    }

    pub(crate) fn doors(&self) -> Vec<Door> {
        self.members.iter().map(|member| Door::Tcp(member.client)).collect()
    }

    /// Which member leads.
    pub(crate) async fn leader(&self) -> Result<usize> {
        eventually("a member of etcd leads", SETTLE, async || {
            for (number, member) in self.members.iter().enumerate() {
                let Ok(health) = health(&Door::Tcp(member.client)).await else { continue };
                if health.id == health.leader {
                    return Ok(number);
                }
            }
            anyhow::bail!("no member leads")
        })
        .await
    }

    pub(crate) async fn leader_door(&self) -> Result<Door> {
        let leader = self.leader().await?;
        let member = self.members.get(leader).context("no such member")?;
        Ok(Door::Tcp(member.client))
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self, number: usize) -> Result<()> {
        self.members.get_mut(number).context("no such member")?.kill()
    }

    /// Starts a member again and waits until it is one of the others.
    pub(crate) async fn restart(&mut self, number: usize) -> Result<()> {
        self.spawn(number)?;
        self.settled().await
    }

    /// Waits until every member follows the same leader and has what it has.
    async fn settled(&self) -> Result<()> {
        let waited = eventually("every member of etcd is well", SETTLE, async || {
            let mut seen = Vec::new();
            for member in &self.members {
                seen.push(health(&Door::Tcp(member.client)).await?);
            }
            let first = seen.first().context("no members")?;
            // Who knows no leader says 0, or nothing.
            ensure!(!["", "0"].contains(&first.leader.as_str()), "nobody leads");
            ensure!(seen.iter().all(|one| one.leader == first.leader), "they follow several");
            let most = seen.iter().map(|one| one.applied).max().unwrap_or(0);
            ensure!(seen.iter().all(|one| most - one.applied < 500), "one is behind");
            Ok(())
        });
        waited.await.with_context(|| self.tails())
    }

    /// The end of every log, for a failure.
    fn tails(&self) -> String {
        let tail = |member: &Member| {
            let log = self.folder.path().join(format!("{}.log", member.name));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(10)..].join("\n")
        };
        self.members.iter().map(tail).collect::<Vec<_>>().join("\n---\n")
    }
}

async fn health(door: &Door) -> Result<Health> {
    let mut connection = Connection::open(door).await?;
    let (status, bytes) = connection.post("/v3/maintenance/status", "{}".to_owned()).await?;
    ensure!(status.is_success(), "a member answers {status}");
    let said: Value = serde_json::from_slice(&bytes)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Health {
        id: text(&said["header"]["member_id"]),
        leader: text(&said["leader"]),
        applied: text(&said["raftAppliedIndex"]).parse().unwrap_or(0),
    })
}

/// Its name and version, as figures call it.
pub(crate) async fn version() -> Result<String> {
    let said = run(tool("etcd", "etcd-server")?, ["--version"]).await?.ended_with(0)?;
    let version = said.out.lines().find_map(|line| line.strip_prefix("etcd Version: "));
    Ok(format!("etcd {}", version.context("etcd does not say its version")?.trim()))
}
