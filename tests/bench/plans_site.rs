//! A cluster of which one site has loudspeakers, and the clicks that page it. It
//! looks at what it waits for no oftener than need be, so as not to disturb what
//! it measures, and it refuses to click while an earlier run goes on.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use weir_tests::api::Api;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::ports::{self, Ports};
use weir_tests::program::demo_directory;
use weir_tests::speakers::{Call, Speaker, Speakers};

use crate::client::PATIENCE as ANSWER;

const PATIENCE: Duration = Duration::from_secs(60);
/// For every sound to reach a site over 128 kbit/s.
const STAGING: Duration = Duration::from_secs(300);
/// Between looks: rare enough that looking costs nothing that is measured.
const LOOK: Duration = Duration::from_millis(200);
const PLAN: &str = "P-38-page";
const COMMANDER: &str = "lin.guodong";

/// What there is before the first click.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// Beside hq1, and without loudspeakers.
    pub(crate) voters: &'static [Place<'static>],
    pub(crate) place: Place<'static>,
    pub(crate) role: &'static str,
    /// First number and how many.
    pub(crate) speakers: &'static [(u32, u32)],
    /// Of the site's node's file.
    pub(crate) tables: &'static str,
    /// Where hq1 and the site's node reach each other; devices are on IPv4.
    pub(crate) links: IpAddr,
}

/// A click and what came of it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Wall clock, just before the request was sent.
    pub(crate) clicked_ms: u64,
    pub(crate) activation: String,
}

/// See the module.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) place: Place<'static>,
    speakers: Speakers,
    numbers: Vec<String>,
}

/// As `eventually`, but looks seldom.
pub(crate) async fn seldom<T>(
    what: &str,
    patience: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing = anyhow!("not looked at even once");
    while Instant::now() < deadline {
        ticks.tick().await;
        match timeout_at(deadline, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => missing = error,
            Err(_) => break,
        }
    }
    Err(missing.context(format!("not within {patience:?}: {what}")))
}

fn wall_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    Ok(u64::try_from(now.as_millis())?)
}

/// Asks for something in the commander's name, on a connection of its own; says
/// when.
async fn order(socket: &Path, path: &str, body: &Value) -> Result<(u64, Value)> {
    let request = Request::post(path)
        .header("host", "weir")
        .header("weir-as", COMMANDER)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let exchange = async {
        let stream = UnixStream::connect(socket).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its error reaches whoever waits for an answer.
            let _ = connection.await;
        });
        sender.ready().await?;
        let clicked_ms = wall_ms()?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let said = String::from_utf8_lossy(&bytes);
        ensure!(status.is_success(), "{path}: {status}: {said}");
        Ok((clicked_ms, serde_json::from_str(&said)?))
    };
    timeout(ANSWER, exchange).await.with_context(|| format!("{path}: no answer in time"))?
}

async fn seen(api: &mut Api, path: &str) -> Result<Value> {
    let (status, said) = api.plain(path).await?;
    ensure!(status.is_success(), "{path}: {status}: {said}");
    Ok(serde_json::from_str(&said)?)
}

async fn json(cluster: &mut Cluster, words: &[&str]) -> Result<Value> {
    let words = [words, &["-o", "json"]].concat();
    let said = cluster.ask("hq1", &words).await?.ended_with(0)?;
    serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
}

/// The flood-night directory with two repeats, as the stories have it.
async fn apply(cluster: &mut Cluster) -> Result<()> {
    let text = std::fs::read_to_string(demo_directory()?)?.replace("repeat = 5", "repeat = 2");
    let file = cluster.folder().join("directory.toml");
    std::fs::write(&file, text)?;
    let file = file.to_string_lossy().into_owned();
    cluster.ask("hq1", &["apply", "-f", &file]).await?.ended_with(0)?;
    cluster.directory_everywhere().await
}

async fn staged(cluster: &mut Cluster) -> Result<()> {
    let nodes: Vec<String> = cluster.nodes().iter().map(|node| node.name.clone()).collect();
    seldom("every node holds every sound", STAGING, async || {
        let said = json(cluster, &["sound", "list"]).await?;
        for node in &nodes {
            let one = &said["nodes"][node];
            ensure!(one["have"] == one["of"] && !one["of"].is_null(), "{node}: {said}");
        }
        Ok(())
    })
    .await
}

impl Scene {
    fn ports(&self) -> Result<Ports> {
        let free = ports::free()?;
        Ok(Ports { listen: SocketAddr::new(self.links, free.listen.port()), ..free })
    }

    /// hq1, which leads.
    async fn found(&self) -> Result<Cluster> {
        let mut cluster = Cluster::empty()?;
        let place = Place { name: "hq1", site: "HQ" };
        let mut first = Node::at(cluster.folder(), place, self.ports()?)?;
        first.command(&["init", "--profile", "lan"]).await?;
        first.start().await?;
        cluster.adopt(first);
        cluster.leader(&[]).await?;
        Ok(cluster)
    }

    async fn node(&self, cluster: &mut Cluster) -> Result<()> {
        let mut node = Node::at(cluster.folder(), self.place, self.ports()?)?;
        node.speaks_sip()?;
        node.configure(self.tables)?;
        let token = cluster.token("hq1", self.role, None).await?;
        node.command(&["join", "--token", &token, "--role", self.role]).await?;
        node.start().await?;
        cluster.adopt(node);
        Ok(())
    }

    /// Every node follows a leader, and every voter votes.
    async fn votes(&self, cluster: &Cluster) -> Result<()> {
        let voters = 1 + self.voters.len() + usize::from(self.role == "voter");
        let mut apis: Vec<Api> = cluster.nodes().iter().map(Node::api).collect();
        seldom("every voter votes", PATIENCE, async || {
            for api in &mut apis {
                let voting = api.members().await?.iter().filter(|member| member.votes).count();
                ensure!(voting == voters, "{voting} of {voters} vote");
                let status = api.status().await?;
                ensure!(status.leader.is_some(), "{} follows nobody", status.node);
            }
            Ok(())
        })
        .await
    }

    async fn loudspeakers(&self, cluster: &mut Cluster) -> Result<(Speakers, Vec<String>)> {
        let site = self.place.site;
        let made = json(cluster, &["secret", "make", "--site", site]).await?;
        let made = made.as_array().context("no secrets")?;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let secrets: BTreeMap<String, String> =
            made.iter().map(|one| (text(one, "number"), text(one, "password"))).collect();
        let registrar = cluster.node(self.place.name)?.ports.sip;
        let rows = self.speakers.iter().flat_map(|(first, count)| *first..first + count);
        let numbers: Vec<String> = rows.map(|number| number.to_string()).collect();
        let speaker = |number: &String| -> Result<Speaker> {
            let password = secrets.get(number).with_context(|| format!("no {number}"))?;
            Ok(Speaker::new(number, password, registrar, "horn-rtcp"))
        };
        let speakers: Vec<Speaker> = numbers.iter().map(speaker).collect::<Result<_>>()?;
        let folder = cluster.folder().join(format!("{site}-speakers"));
        let mut started = Speakers::start(&folder, &speakers, 7)?;
        started.all_registered(PATIENCE).await?;
        Ok((started, numbers))
    }
}

impl Site {
    pub(crate) async fn begin(scene: &Scene) -> Result<Self> {
        let mut cluster = scene.found().await?;
        for place in scene.voters {
            cluster.join(*place, "voter").await?;
        }
        scene.node(&mut cluster).await?;
        scene.votes(&cluster).await?;
        apply(&mut cluster).await?;
        let (speakers, numbers) = scene.loudspeakers(&mut cluster).await?;
        staged(&mut cluster).await?;
        Ok(Self { cluster, place: scene.place, speakers, numbers })
    }

    pub(crate) fn hub(&mut self) -> Result<Api> {
        Ok(self.cluster.node("hq1")?.api())
    }

    pub(crate) fn api(&mut self) -> Result<Api> {
        Ok(self.cluster.node(self.place.name)?.api())
    }

    /// What the home site made of an order that hq1 sent.
    async fn judged(&mut self, sent: Value) -> Result<Value> {
        if sent["delivery"] == "judged" {
            return Ok(sent);
        }
        let path = format!("/api/v1/intents/{}", sent["intent"].as_str().context("no intent")?);
        let mut hub = self.hub()?;
        seldom("the order is judged", PATIENCE, async || {
            let how = seen(&mut hub, &path).await?;
            ensure!(how["delivery"] == "judged", "{how}");
            Ok(how)
        })
        .await
    }

    /// The click at hq1.
    pub(crate) async fn launch(&mut self) -> Result<Run> {
        let socket = self.cluster.node("hq1")?.socket();
        let body = json!({ "site": self.place.site, "mode": "real" });
        let path = format!("/api/v1/plans/{PLAN}/launch");
        let (clicked_ms, sent) = order(&socket, &path, &body).await?;
        let how = self.judged(sent).await?;
        ensure!(how["status"] == "started", "the click started nothing: {how}");
        let activation = how["activation"].as_str().context("no activation")?.to_owned();
        Ok(Run { clicked_ms, activation })
    }

    /// The calls since a click.
    fn calls(&self, run: &Run) -> Result<Vec<Call>> {
        let since = |call: &Call| call.invited_ms >= run.clicked_ms;
        Ok(self.speakers.calls()?.into_iter().filter(since).collect())
    }

    /// Waits until every loudspeaker sounds, each called once since the click.
    pub(crate) async fn all_sound(&self, run: &Run) -> Result<Vec<Call>> {
        let calls = seldom("every loudspeaker sounds", PATIENCE, async || {
            let calls = self.calls(run)?;
            let sound = |number: &&String| {
                calls.iter().any(|call| call.number == **number && call.sounded_ms.is_some())
            };
            let silent: Vec<&String> = self.numbers.iter().filter(|one| !sound(one)).collect();
            ensure!(silent.is_empty(), "silent: {silent:?}");
            Ok(calls)
        })
        .await?;
        ensure!(calls.len() == self.numbers.len(), "somebody was called twice: {calls:?}");
        Ok(calls)
    }

    /// The run as the site itself shows it.
    async fn shown(api: &mut Api, run: &Run) -> Result<Value> {
        let picture = seen(api, "/api/v1/activations").await?;
        let runs = picture["activations"].as_array().context("no runs")?;
        let shown = runs.iter().find(|one| one["id"] == run.activation.as_str());
        Ok(shown.context("no such run")?.clone())
    }

    /// Waits until the first step is done and hq1 holds all that the site
    /// recorded of it.
    pub(crate) async fn first_step_known(&mut self, run: &Run) -> Result<()> {
        let mut api = self.api()?;
        let step = seldom("the first step is over", PATIENCE, async || {
            let step = Self::shown(&mut api, run).await?["steps"][0].clone();
            let state = step["state"].as_str().unwrap_or_default();
            ensure!(!matches!(state, "running" | "pending"), "it is {state}");
            Ok(step)
        });
        let step = step.await?;
        ensure!(step["state"] == "done", "{step}");
        let id = seen(&mut api, "/api/v1/status").await?["id"].to_string();
        let cluster = &mut self.cluster;
        seldom("hq1 holds the record", PATIENCE, async || {
            let here = seen(&mut api, "/api/v1/kept").await?["head"].clone();
            let there = json(cluster, &["journal", "verify", "--node", &id]).await?;
            ensure!(there["head"] == here, "the site has {here}, hq1 {}", there["head"]);
            Ok(())
        })
        .await
    }

    /// Stops the run, and waits until it has ended and every call with it.
    pub(crate) async fn abort(&mut self, run: &Run) -> Result<()> {
        let socket = self.cluster.node("hq1")?.socket();
        let body = json!({ "site": self.place.site, "mode": "real" });
        let path = format!("/api/v1/activations/{}/abort", run.activation);
        let (_, sent) = order(&socket, &path, &body).await?;
        let how = self.judged(sent).await?;
        ensure!(how["status"] == "aborted", "it was not aborted: {how}");
        let mut api = self.api()?;
        seldom("the run has ended, and every call", PATIENCE, async || {
            let shown = Self::shown(&mut api, run).await?;
            ensure!(!shown["ended"].is_null(), "it goes on: {shown}");
            let calls = self.calls(run)?;
            let open: Vec<&Call> = calls.iter().filter(|call| call.over.is_none()).collect();
            ensure!(open.is_empty(), "calls go on: {open:?}");
            Ok(())
        })
        .await
    }

    pub(crate) fn end(self) -> Result<()> {
        self.cluster.end()
    }
}
