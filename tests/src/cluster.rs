//! Several nodes that make a cluster. When a story ends otherwise than by
//! [`Cluster::end`], the nodes' logs are shown; either way nothing survives it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::api::{Peer, Status};
use crate::node::{Node, Place};
use crate::program::{Finished, weir};
use crate::wait::eventually;

/// How long nodes may take to agree on who leads and who votes.
const SETTLE: Duration = Duration::from_secs(20);

/// See the module.
pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
    voters: usize,
    ended: bool,
}

impl Cluster {
    /// A folder for nodes; none yet.
    ///
    /// # Errors
    /// When there is no room for one.
    pub fn empty() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("weir-story-").tempdir()?;
        Ok(Self { folder, nodes: Vec::new(), voters: 1, ended: false })
    }

    /// One voter, running: `hq1` at HQ.
    ///
    /// # Errors
    /// When it cannot be founded or does not lead.
    pub async fn found(profile: &str) -> Result<Self> {
        let mut cluster = Self::empty()?;
        let mut first = Node::new(cluster.folder(), Place { name: "hq1", site: "HQ" })?;
        first.command(&["init", "--profile", profile]).await?;
        first.spawn()?;
        cluster.nodes.push(first);
        cluster.node("hq1")?.answers().await?;
        cluster.leader(&[]).await?;
        Ok(cluster)
    }

    /// Voters hq1, rc1 and r3, and r5, which listens; all running, all known to
    /// each other.
    ///
    /// # Errors
    /// When they do not come together.
    pub async fn three_voters_and_a_learner(profile: &str) -> Result<Self> {
        let mut cluster = Self::found(profile).await?;
        for (name, site, role) in
            [("rc1", "RC", "voter"), ("r3", "R3", "voter"), ("r5", "R5", "learner")]
        {
            cluster.join(Place { name, site }, role).await?;
        }
        cluster.settled().await?;
        Ok(cluster)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes a node in; its log is shown with the others'.
    pub fn adopt(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// Lets a new node join and runs it.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn join(&mut self, place: Place<'_>, role: &str) -> Result<()> {
        let node = Node::new(self.folder(), place)?;
        self.admit(node, role).await
    }

    /// As [`Self::join`], for a node whose file is written already.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn admit(&mut self, mut node: Node, role: &str) -> Result<()> {
        let token = self.token("hq1", role, None).await?;
        node.command(&["join", "--token", &token, "--role", role]).await?;
        node.spawn()?;
        node.answers().await?;
        self.nodes.push(node);
        self.voters += usize::from(role == "voter");
        Ok(())
    }

    /// A fresh token from `node` for a newcomer in `role`.
    ///
    /// # Errors
    /// When it makes none.
    pub async fn token(&mut self, node: &str, role: &str, ttl_s: Option<u64>) -> Result<String> {
        let ttl = ttl_s.map(|seconds| seconds.to_string());
        let mut words = vec!["token", "create", "--role", role];
        if let Some(ttl) = &ttl {
            words.extend(["--ttl", ttl]);
        }
        let made = self.ask(node, &words).await?.ended_with(0)?;
        Ok(made.out.trim().to_owned())
    }

    /// Runs `weir` with `words` against `node`'s socket.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub async fn ask(&mut self, node: &str, words: &[&str]) -> Result<Finished> {
        let socket = self.node(node)?.socket().to_string_lossy().into_owned();
        weir(words.iter().copied().chain(["-s", &socket])).await
    }

    /// # Errors
    /// When there is no such node.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        node.with_context(|| format!("the story has no node {name}"))
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where every node is spoken to.
    pub fn doors(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(Node::socket).collect()
    }

    /// Waits until a running node outside `except` names a leader that is not
    /// in it either.
    ///
    /// # Errors
    /// When nobody leads in time.
    pub async fn leader(&self, except: &[&str]) -> Result<Status> {
        let well = |name: &str| !except.contains(&name);
        let running = self.nodes.iter().filter(|node| node.runs() && well(&node.name));
        let mut apis: Vec<_> = running.map(Node::api).collect();
        eventually("somebody leads", SETTLE, async || {
            for api in &mut apis {
                let Ok(status) = api.status().await else { continue };
                if status.leader.as_deref().is_some_and(well) {
                    return Ok(status);
                }
            }
            anyhow::bail!("no node knows a leader")
        })
        .await
    }

    /// Waits until every node holds the newest directory that any of them does.
    ///
    /// # Errors
    /// When one does not in time.
    pub async fn directory_everywhere(&self) -> Result<()> {
        let mut apis: Vec<_> = self.nodes.iter().map(Node::api).collect();
        eventually("every node holds the directory", SETTLE, async || {
            let mut versions = Vec::new();
            for api in &mut apis {
                versions.push(api.status().await?.directory_version);
            }
            let newest = versions.iter().max().copied().unwrap_or_default();
            ensure!(versions.iter().all(|one| *one == newest), "they hold {versions:?}");
            Ok(())
        })
        .await
    }

    /// Waits until every node runs, follows the same leader, has what the
    /// others have, and every voter votes.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn settled(&self) -> Result<()> {
        let mut apis: Vec<_> = self.nodes.iter().map(Node::api).collect();
        eventually("every node is well and knows the others", SETTLE, async || {
            let mut seen = Vec::new();
            for api in &mut apis {
                let voting = api.members().await?.iter().filter(|member| member.votes).count();
                ensure!(voting == self.voters, "{voting} of {} vote", self.voters);
                seen.push(api.status().await?);
            }
            let first = seen.first().context("no nodes")?;
            for status in &seen {
                let (node, leader) = (&status.node, &status.leader);
                ensure!(leader.is_some() && *leader == first.leader, "{node} follows {leader:?}");
                let members = status.peers.len() + 1;
                ensure!(members == self.nodes.len(), "{node} knows {members} nodes");
                let led = |peer: &&Peer| Some(&peer.node) == leader.as_ref();
                let apart = status.peers.iter().find(led).is_some_and(|peer| !peer.connected);
                ensure!(!apart, "{node} is not connected to its leader");
                let behind = first.applied.saturating_sub(status.applied);
                ensure!(behind < 500, "{node} is {behind} entries behind");
            }
            Ok(())
        })
        .await
    }

    /// The story is told: every node must have come through without a panic.
    ///
    /// # Errors
    /// When one panicked.
    pub fn end(mut self) -> Result<()> {
        for node in &self.nodes {
            node.did_not_panic()?;
        }
        self.ended = true;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.ended {
            for node in &self.nodes {
                eprintln!("{}", node.tail());
            }
        }
    }
}
