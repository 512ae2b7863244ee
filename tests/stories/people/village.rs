//! A village at Qingfeng reservoir: one node, people with telephones of the site
//! and behind its trunk, a gateway for messages. It starts them and reads what
//! the plan says; it judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::people::{Call, Does, People, Person, Trunk};
use weir_tests::sms::{Gateway, Sms};
use weir_tests::wait::eventually_every;

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions to the node: each is a process.
const LOOK: Duration = Duration::from_millis(150);
pub(super) const COMMANDER: &str = "lin.guodong";
pub(super) const CHIEF: &str = "zhao.wenhui";
pub(super) const SITE: &str = "R3";
pub(super) const NODE: &str = "r3";
pub(super) const TRUNK: &str = "5290";
const LINES: usize = 16;
pub(super) const TOKEN: &str = "a-token-of-the-gateway";
/// What `aud-call` says.
pub(super) const CALL: &str = "洪水红色预警，请立即转移。";
/// The village's directory but for people, rosters and plans.
const HEAD: &str = r#"
[[site]]
id = "R3"
name_zh = "青峰水库"
name_en = "Qingfeng reservoir"
prefix = "5"
class = "reservoir"
nodes = ["r3"]

[[person]]
id = "lin.guodong"
name = "林国栋"
roles = [{ role = "commander", sites = "all" }]

[[person]]
id = "zhao.wenhui"
name = "赵文慧"
roles = [{ role = "chief_dispatcher", sites = "all" }]

[[extension]]
number = "5290"
site = "R3"
kind = "trunk"

[[audio]]
id = "aud-call"
lang = "zh-CN"
text = "洪水红色预警，请立即转移。"
"#;

/// Who there is and what they do.
pub(super) struct Cast {
    directory: String,
    telephones: Vec<(String, Vec<Does>)>,
    outside: Vec<(String, Vec<Does>)>,
    pub(super) gateway: Gateway,
}

impl Cast {
    /// In a directory that is there already.
    pub(super) fn of(directory: String) -> Self {
        let (telephones, outside) = (Vec::new(), Vec::new());
        Self { directory, telephones, outside, gateway: Gateway::new(TOKEN) }
    }

    /// With nobody yet; `plans` are rosters and plans as a directory has them.
    pub(super) fn of_plans(plans: &str) -> Self {
        Self::of(format!("{HEAD}\n{plans}"))
    }

    /// Somebody of the directory at a telephone of the site.
    pub(super) fn telephone(mut self, number: &str, does: &[Does]) -> Self {
        self.telephones.push((number.to_owned(), does.to_vec()));
        self
    }

    /// Somebody of the directory behind the trunk.
    pub(super) fn behind(mut self, number: &str, does: &[Does]) -> Self {
        self.outside.push((number.to_owned(), does.to_vec()));
        self
    }

    /// A new person at a new telephone of the site.
    pub(super) fn at(self, id: &str, number: &str, does: &[Does]) -> Self {
        self.absent(id, number).telephone(number, does)
    }

    /// A new person behind the trunk.
    pub(super) fn outside(mut self, id: &str, number: &str, does: &[Does]) -> Self {
        self.person(id, &format!("{{ mobile = {number:?} }}"));
        self.behind(number, does)
    }

    /// A new person whose telephone is never plugged in.
    pub(super) fn absent(mut self, id: &str, number: &str) -> Self {
        self.person(id, &format!("{{ extension = {number:?} }}"));
        self.directory += &format!(
            "\n[[extension]]\nnumber = {number:?}\nsite = \"{SITE}\"\nkind = \"desk_phone\"\n"
        );
        self
    }

    /// A new person without any number.
    pub(super) fn unreachable(mut self, id: &str) -> Self {
        self.person(id, "{}");
        self
    }

    fn person(&mut self, id: &str, contacts: &str) {
        let record = format!("\n[[person]]\nid = {id:?}\nname = {id:?}\ncontacts = {contacts}\n");
        self.directory += &record;
    }
}

/// See the module.
pub(super) struct Village {
    pub(super) cluster: Cluster,
    pub(super) people: People,
    pub(super) sms: Sms,
}

/// One node that rings, with the gateway's address in its file.
async fn cluster(sms: &Sms, mut cluster: Cluster) -> Result<Cluster> {
    let mut node = Node::new(cluster.folder(), Place { name: NODE, site: SITE })?;
    let token = cluster.folder().join("sms.token");
    std::fs::write(&token, format!("{TOKEN}\n"))?;
    node.speaks_sip()?;
    node.configure(&format!("[sms]\nurl = \"{}/messages\"\ntoken = {token:?}", sms.url()))?;
    node.command(&["init", "--profile", "lan"]).await?;
    node.start().await?;
    cluster.adopt(node);
    cluster.leader(&[]).await?;
    Ok(cluster)
}

impl Village {
    /// Everybody is there, every telephone registered, every sound spoken.
    pub(super) async fn gather(cast: Cast) -> Result<Self> {
        let empty = Cluster::empty()?;
        let sms = Sms::start(&empty.folder().join("gateway"), &cast.gateway).await?;
        let mut cluster = cluster(&sms, empty).await?;
        let file = cluster.folder().join("directory.toml");
        std::fs::write(&file, &cast.directory)?;
        let file = file.to_string_lossy().into_owned();
        cluster.ask(NODE, &["apply", "-f", &file]).await?.ended_with(0)?;
        let made = json(&mut cluster, &["secret", "make", "--site", SITE]).await?;
        let secrets = passwords(&made)?;
        let password = |number: &str| secrets.get(number).map(String::as_str).unwrap_or_default();
        let registrar = cluster.node(NODE)?.ports.sip;
        let phones = cast.telephones.iter();
        let people: Vec<Person> = phones
            .map(|(number, does)| Person::new(number, password(number), registrar, does))
            .collect();
        let trunk = Trunk::new(TRUNK, password(TRUNK), registrar, LINES);
        let trunk =
            cast.outside.iter().fold(trunk, |trunk, (number, does)| trunk.with(number, does));
        let folder = cluster.folder().join("people");
        let mut people = People::start(&folder, &people, &[trunk], 11)?;
        people.all_registered(PATIENCE).await?;
        let mut village = Self { cluster, people, sms };
        let phones = cast.telephones.iter().map(|(number, _)| number.as_str());
        village.kept(&phones.chain([TRUNK]).collect::<Vec<_>>()).await?;
        village.staged().await?;
        Ok(village)
    }

    /// The node has written down who is registered: it would know after a restart.
    async fn kept(&mut self, numbers: &[&str]) -> Result<()> {
        let file = self.cluster.node(NODE)?.data().join("bindings.json");
        eventually_every(LOOK, "the node keeps every registration", PATIENCE, async || {
            let kept = std::fs::read_to_string(&file)?;
            let lacks = |number: &&&str| !kept.contains(&format!("{number:?}"));
            let lacking: Vec<_> = numbers.iter().filter(lacks).collect();
            ensure!(lacking.is_empty(), "not there: {lacking:?}");
            Ok(())
        })
        .await
    }

    async fn staged(&mut self) -> Result<()> {
        eventually_every(LOOK, "the node holds every sound", PATIENCE, async || {
            let said = self.ask(&["sound", "list"]).await?;
            let one = &said["nodes"][NODE];
            ensure!(one["have"] == one["of"] && !one["of"].is_null(), "{said}");
            Ok(())
        })
        .await
    }

    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Value> {
        json(&mut self.cluster, words).await
    }

    /// What a launch is answered with.
    pub(super) async fn launch(&mut self, plan: &str, mode: &str, who: &str) -> Result<Value> {
        self.ask(&["plan", "start", plan, "--site", SITE, "--mode", mode, "--as", who]).await
    }

    /// Launches for real; the run.
    pub(super) async fn start(&mut self, plan: &str) -> Result<String> {
        let sent = self.launch(plan, "real", COMMANDER).await?;
        ensure!(sent["status"] == "started", "{sent}");
        Ok(sent["activation"].as_str().context("no activation")?.to_owned())
    }

    pub(super) async fn run(&mut self, activation: &str) -> Result<Value> {
        let picture = self.ask(&["plan", "status"]).await?;
        let runs = picture["activations"].as_array().context("no runs")?;
        let run = runs.iter().find(|run| run["id"] == activation);
        Ok(run.context("no such run")?.clone())
    }

    pub(super) async fn step(&mut self, activation: &str, id: &str) -> Result<Value> {
        let run = self.run(activation).await?;
        let steps = run["steps"].as_array().context("no steps")?;
        Ok(steps.iter().find(|step| step["id"] == id).context("no such step")?.clone())
    }

    /// A step, once it is over.
    pub(super) async fn over(&mut self, activation: &str, id: &str) -> Result<Value> {
        self.step_where(activation, id, |step| {
            let state = step["state"].as_str().unwrap_or_default();
            ensure!(!matches!(state, "running" | "pending" | "waiting"), "it is {step}");
            Ok(())
        })
        .await
    }

    /// A step, once it `fits`.
    pub(super) async fn step_where(
        &mut self,
        activation: &str,
        id: &str,
        fits: impl Fn(&Value) -> Result<()>,
    ) -> Result<Value> {
        eventually_every(LOOK, &format!("step {id}"), PATIENCE, async || {
            let step = self.step(activation, id).await?;
            fits(&step)?;
            Ok(step)
        })
        .await
    }

    /// A run, once it has ended.
    pub(super) async fn ended(&mut self, activation: &str) -> Result<Value> {
        eventually_every(LOOK, "the run ends", PATIENCE, async || {
            let run = self.run(activation).await?;
            ensure!(!run["ended"].is_null(), "it goes on: {run}");
            Ok(run)
        })
        .await
    }

    /// The only call that ever came to a number.
    pub(super) fn only_call(&self, number: &str) -> Result<Call> {
        let mut calls = self.people.calls_to(number)?;
        ensure!(calls.len() == 1, "{number} was called {} times: {calls:?}", calls.len());
        calls.pop().context("no call")
    }

    /// Nobody's telephone was called while it was being called, and every number
    /// exactly as often as listed; numbers that are not listed, never.
    pub(super) fn called_exactly(&self, listed: &[(&str, usize)]) -> Result<()> {
        let calls = self.people.calls()?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, call) in calls.iter().enumerate() {
            *counts.entry(&call.invite.to).or_default() += 1;
            let again = calls[at + 1..]
                .iter()
                .find(|other| other.invite.to == call.invite.to && other.overlaps(call));
            ensure!(again.is_none(), "rung while being rung: {call:?} {again:?}");
            ensure!(call.invite.attempt > 0, "there was no line for {call:?}");
        }
        let listed: BTreeMap<&str, usize> =
            listed.iter().copied().filter(|(_, count)| *count > 0).collect();
        ensure!(counts == listed, "calls by number: {counts:?}, expected {listed:?}");
        Ok(())
    }

    pub(super) fn end(self) -> Result<()> {
        self.cluster.end()
    }
}

async fn json(cluster: &mut Cluster, words: &[&str]) -> Result<Value> {
    let mut words = words.to_vec();
    words.extend(["-o", "json"]);
    let said = cluster.ask(NODE, &words).await?.ended_with(0)?;
    serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
}

fn passwords(made: &Value) -> Result<BTreeMap<String, String>> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let made = made.as_array().context("no secrets")?;
    Ok(made.iter().map(|one| (text(one, "number"), text(one, "password"))).collect())
}

/// A member of a roster in a step.
pub(super) fn member<'a>(step: &'a Value, person: &str) -> Result<&'a Value> {
    let targets = step["targets"].as_array().context("no targets")?;
    let found = targets.iter().find(|one| one["target"]["Person"] == person);
    found.with_context(|| format!("no {person} in {step}"))
}

/// Whom each attempt at a member called, and how it ended, in a word.
pub(super) fn attempts(member: &Value) -> Result<Vec<(String, String)>> {
    let attempts = member["attempts"].as_array().context("no attempts")?;
    let attempt = |one: &Value| {
        let callee = one["callee"].as_str().unwrap_or("nobody").to_owned();
        let result = &one["result"];
        let word = match (result.as_str(), result["Failed"]["why"].as_str()) {
            (Some(word), _) => word.to_lowercase(),
            (None, Some(why)) => why.to_owned(),
            (None, None) if result.get("Unreachable").is_some() => "unreachable".to_owned(),
            (None, None) if result.get("Unknown").is_some() => "unknown".to_owned(),
            (None, None) => "under way".to_owned(),
        };
        (callee, word)
    };
    Ok(attempts.iter().map(attempt).collect())
}

/// How a member stands: its state, who acknowledged, and every attempt.
pub(super) fn stands(
    step: &Value,
    person: &str,
    (state, by): (&str, Option<&str>),
    expected: &[(&str, &str)],
) -> Result<()> {
    let one = member(step, person)?;
    ensure!(one["state"] == state, "{person} should be {state}: {one}");
    ensure!(one["by"].as_str() == by, "{person} should be acknowledged by {by:?}: {one}");
    let attempts = attempts(one)?;
    let same = attempts.len() == expected.len()
        && attempts.iter().zip(expected).all(|(is, be)| (&*is.0, &*is.1) == *be);
    ensure!(same, "{person}: {attempts:?}, expected {expected:?}");
    Ok(())
}

/// Done by the member in person, at the first attempt.
pub(super) fn acknowledged_at_once(step: &Value, person: &str) -> Result<()> {
    stands(step, person, ("done", Some(person)), &[(person, "done")])?;
    let proof = &member(step, person)?["attempts"][0]["proof"];
    ensure!(proof["grade"] == "heard", "{person}: {proof}");
    Ok(())
}
