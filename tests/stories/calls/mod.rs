//! Telephones call each other through a node: baresip, PJSIP and sipp, none of
//! which knows Weir. What they say and what they heard is the judge.

mod emergency;
mod many;
mod refused;
mod stranger;
mod talk;
mod without_weir;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::cluster::Cluster;
use weir_tests::hearing::{Tone, tone};
use weir_tests::node::{Node, Place};
use weir_tests::phones::{Account, Answers, Baresip, Codec, Conduct, Pjsua, User, Wave};
use weir_tests::wait::{eventually, eventually_every};

const PATIENCE: Duration = Duration::from_secs(15);
/// What every telephone plays.
const TONE_HZ: f64 = 440.0;
/// Longest missing audio that nobody would call a gap.
const GAP_MS: u64 = 60;
/// Between two looks at a node, where looking costs it a question.
const LOOK: Duration = Duration::from_millis(50);
const G722: &str = "G722/16000/1";
const PCMA: &str = "PCMA/8000/1";

/// One site and its two people on duty, best first.
const DIRECTORY: &str = r#"
[[site]]
id = "R3"
name_zh = "青峰水库"
name_en = "Qingfeng reservoir"
prefix = "5"
class = "reservoir"
nodes = ["r3"]

[[person]]
id = "li.qingsong"
name = "李青松"
roles = [{ role = "site_duty", sites = ["R3"] }]
contacts = { extension = "5001" }

[[person]]
id = "gao.yanfei"
name = "高燕飞"
roles = [{ role = "site_duty", sites = ["R3"] }]
rank = 5
contacts = { extension = "5101" }
"#;

/// A node at R3 with desk telephones 5001 and 5101 to 5199.
struct Site {
    cluster: Cluster,
    passwords: BTreeMap<String, String>,
}

impl Site {
    async fn open() -> Result<Self> {
        let mut cluster = Cluster::empty()?;
        let node = Node::new(cluster.folder(), Place { name: "r3", site: "R3" })?;
        node.speaks_sip()?;
        // baresip 1.0 gives up at a challenge that it cannot answer, though the next
        // one is MD5.
        node.configure("digest = [\"MD5\"]")?;
        node.command(&["init", "--profile", "lan"]).await?;
        cluster.adopt(node);
        cluster.node("r3")?.start().await?;
        cluster.leader(&[]).await?;
        let mut site = Self { cluster, passwords: BTreeMap::new() };
        site.apply().await?;
        let made = site.json(&["secret", "make", "--site", "R3"]).await?;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let made = made.as_array().context("no secrets")?;
        site.passwords =
            made.iter().map(|one| (text(one, "number"), text(one, "password"))).collect();
        Ok(site)
    }

    async fn apply(&mut self) -> Result<()> {
        let mut text = DIRECTORY.to_owned();
        for number in std::iter::once(5001).chain(5101..=5199) {
            let owner = match number {
                5001 => "owner = \"li.qingsong\"\n",
                5101 => "owner = \"gao.yanfei\"\n",
                _ => "",
            };
            text += &format!(
                "\n[[extension]]\nnumber = \"{number}\"\nsite = \"R3\"\nkind = \"desk_phone\"\n\
                 {owner}"
            );
        }
        let file = self.cluster.folder().join("directory.toml");
        std::fs::write(&file, text)?;
        let file = file.to_string_lossy().into_owned();
        self.cluster.ask("r3", &["apply", "-f", &file]).await?.ended_with(0)?;
        Ok(())
    }

    async fn json(&mut self, words: &[&str]) -> Result<Value> {
        let mut words = words.to_vec();
        words.extend(["-o", "json"]);
        let said = self.cluster.ask("r3", &words).await?.ended_with(0)?;
        serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
    }

    fn sip(&mut self) -> Result<SocketAddr> {
        Ok(self.cluster.node("r3")?.ports.sip)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.cluster.folder().join(name)
    }

    fn user(&self, number: &str) -> Result<User> {
        let password = self.passwords.get(number);
        let password = password.with_context(|| format!("{number} has no password"))?.clone();
        Ok(User { number: number.to_owned(), password })
    }

    fn account(&mut self, number: &str) -> Result<Account> {
        let sip = self.sip()?;
        Ok(Account::new(number, &self.user(number)?.password, sip))
    }

    async fn baresip(&mut self, number: &str, answers: Answers) -> Result<Baresip> {
        self.baresip_in(number, answers, Codec::Pcma).await
    }

    async fn baresip_in(
        &mut self,
        number: &str,
        answers: Answers,
        codec: Codec,
    ) -> Result<Baresip> {
        let account = self.account(number)?;
        let folder = self.folder(number);
        let mut phone = Baresip::start(&folder, &account, answers, codec).await?;
        phone.registered(PATIENCE).await?;
        Ok(phone)
    }

    async fn pjsua(&mut self, number: &str, conduct: &Conduct) -> Result<Pjsua> {
        let account = self.account(number)?;
        let phone = Pjsua::start(&self.folder(number), &account, conduct).await?;
        phone.registered(PATIENCE).await?;
        Ok(phone)
    }

    /// The calls under way, as `weir call list` shows them.
    async fn calls(&mut self) -> Result<Vec<Value>> {
        let said = self.json(&["call", "list"]).await?;
        Ok(said.as_array().with_context(|| format!("no list: {said}"))?.clone())
    }

    /// Waits until one call is under way and in this state.
    async fn call_is(&mut self, state: &str) -> Result<Value> {
        eventually_every(LOOK, &format!("the call is {state}"), PATIENCE, async || {
            let mut calls = self.calls().await?;
            ensure!(calls.len() == 1 && calls[0]["state"] == state, "the node shows {calls:?}");
            Ok(calls.remove(0))
        })
        .await
    }

    /// Waits until no call is under way.
    async fn is_quiet(&mut self) -> Result<()> {
        eventually_every(LOOK, "no call is left", PATIENCE, async || {
            let calls = self.calls().await?;
            ensure!(calls.is_empty(), "the node shows {calls:?}");
            Ok(())
        })
        .await
    }

    /// The kinds of what the journal says of calls, in order.
    async fn call_facts(&mut self) -> Result<Vec<String>> {
        let said = self.json(&["journal", "tail", "--limit", "500"]).await?;
        let facts = said.as_array().with_context(|| format!("no facts: {said}"))?;
        let kinds = facts.iter().filter_map(|fact| fact["kind"].as_str());
        Ok(kinds.filter(|kind| kind.starts_with("Call")).map(str::to_owned).collect())
    }

    /// Waits until so many ended calls are written down.
    async fn ended_facts(&mut self, calls: usize) -> Result<Vec<String>> {
        eventually_every(LOOK, "the end of every call is written down", PATIENCE, async || {
            let facts = self.call_facts().await?;
            let ended = facts.iter().filter(|kind| *kind == "CallEnded").count();
            ensure!(ended == calls, "the journal shows {facts:?}");
            Ok(facts)
        })
        .await
    }
}

/// Waits until a telephone has heard so much.
pub(crate) async fn hears(what: &str, seconds: f64, heard: impl Fn() -> Result<f64>) -> Result<()> {
    let patience = PATIENCE + Duration::from_secs_f64(seconds);
    eventually(&format!("{what} hears {seconds} s"), patience, async || {
        let heard = heard()?;
        ensure!(heard >= seconds, "{heard} s");
        Ok(())
    })
    .await
}

/// How much a baresip decoded so far.
pub(crate) fn decoded_s(phone: &Baresip) -> Result<f64> {
    Ok(phone.heard()?.iter().map(Wave::seconds).sum())
}

/// What was heard is the tone, whole.
pub(crate) fn is_the_tone(who: &str, samples: &[i16], rate: u32, seconds: f64) -> Result<Tone> {
    let heard = tone(samples, rate, TONE_HZ);
    let whole = heard.longest_gap_ms <= GAP_MS && heard.seconds >= seconds;
    ensure!(heard.ratio >= 0.95 && whole, "{who} heard {heard:?}, not {seconds} s of the tone");
    Ok(heard)
}

/// A baresip heard the tone in one stretch, and no packet was left out.
pub(crate) fn heard_all(phone: &Baresip, seconds: f64) -> Result<()> {
    let heard = phone.heard()?;
    ensure!(heard.len() == 1, "{} heard {} stretches", phone.number, heard.len());
    let tone = is_the_tone(&phone.number, &heard[0].samples, heard[0].rate, seconds)?;
    ensure!(tone.breaks == 0, "{}: packets are missing: {tone:?}", phone.number);
    Ok(())
}
