//! Sites of the Qinglan basin with telephones, one node each, R5 behind a satellite.
//! It starts them and asks them; it judges nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::people::{Does, People, Person};
use weir_tests::phones::Account;
use weir_tests::wait::eventually_every;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions to a node, each of which is a process, and between two
/// looks at long ledgers.
pub(super) const LOOK: Duration = Duration::from_millis(150);
pub(super) const COMMANDER: &str = "lin.guodong";
/// Half of it one way.
const SATELLITE: &str = "[satellite]\nup_kbps = 512\n[emulate]\nrtt_ms = 600\nup_kbps = 512\n\
                         down_kbps = 256\nloss_ppm = 15000";

/// A site's node, and how its numbers begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) node: &'static str,
    pub(super) id: &'static str,
    pub(super) prefix: char,
    role: &'static str,
    satellite: bool,
}

const fn ground(node: &'static str, id: &'static str, prefix: char) -> Site {
    Site { node, id, prefix, role: "voter", satellite: false }
}

pub(super) const HQ: Site = ground("hq1", "HQ", '1');
pub(super) const RC: Site = ground("rc1", "RC", '2');
pub(super) const R3: Site = ground("r3", "R3", '5');
/// It listens, behind the satellite.
pub(super) const R5: Site =
    Site { node: "r5", id: "R5", prefix: '7', role: "learner", satellite: true };

/// See the module.
pub(super) struct Sites {
    pub(super) cluster: Cluster,
    sites: Vec<Site>,
    passwords: BTreeMap<String, String>,
}

fn prepared(cluster: &Cluster, site: Site, more: &str) -> Result<Node> {
    let node = Node::new(cluster.folder(), Place { name: site.node, site: site.id })?;
    node.speaks_sip()?;
    // baresip 1.0 gives up at a challenge that it cannot answer.
    node.configure("digest = [\"MD5\"]")?;
    if site.satellite {
        node.configure(SATELLITE)?;
    }
    node.configure(more)?;
    Ok(node)
}

impl Sites {
    /// The first of `sites` is founded, the others join it; all hold the directory
    /// and every sound, and every number has a password.
    pub(super) async fn open(sites: &[Site], directory: &str) -> Result<Self> {
        Self::open_in(Cluster::empty()?, sites, directory, |_| String::new()).await
    }

    /// As [`Self::open`], with tables for the node of each site.
    pub(super) async fn open_in(
        mut cluster: Cluster,
        sites: &[Site],
        directory: &str,
        more: impl Fn(&Site) -> String,
    ) -> Result<Self> {
        let (first, others) = sites.split_first().context("no sites")?;
        let node = prepared(&cluster, *first, &more(first))?;
        node.command(&["init", "--profile", "lan"]).await?;
        cluster.adopt(node);
        cluster.node(first.node)?.start().await?;
        cluster.leader(&[]).await?;
        for site in others {
            let node = prepared(&cluster, *site, &more(site))?;
            cluster.admit(node, site.role).await?;
        }
        let file = cluster.folder().join("directory.toml");
        std::fs::write(&file, directory)?;
        let file = file.to_string_lossy().into_owned();
        cluster.ask(first.node, &["apply", "-f", &file]).await?.ended_with(0)?;
        cluster.settled().await?;
        cluster.directory_everywhere().await?;
        let mut open = Self { cluster, sites: sites.to_vec(), passwords: BTreeMap::new() };
        for site in sites {
            open.learn_passwords(site).await?;
            open.holds_every_sound(site).await?;
        }
        Ok(open)
    }

    async fn learn_passwords(&mut self, site: &Site) -> Result<()> {
        let made = self.json(site.node, &["secret", "make", "--site", site.id]).await?;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let made = made.as_array().context("no secrets")?;
        self.passwords.extend(made.iter().map(|one| (text(one, "number"), text(one, "password"))));
        Ok(())
    }

    async fn holds_every_sound(&mut self, site: &Site) -> Result<()> {
        eventually_every(LOOK, &format!("{} holds every sound", site.node), PATIENCE, async || {
            let said = self.json(site.node, &["sound", "list"]).await?;
            let one = &said["nodes"][site.node];
            let nothing_to_hold = said["sounds"].as_array().is_some_and(Vec::is_empty);
            let whole = one["have"] == one["of"] && !one["of"].is_null();
            ensure!(nothing_to_hold || whole, "{said}");
            Ok(())
        })
        .await
    }

    pub(super) async fn json(&mut self, node: &str, words: &[&str]) -> Result<Value> {
        let mut words = words.to_vec();
        words.extend(["-o", "json"]);
        let said = self.cluster.ask(node, &words).await?.ended_with(0)?;
        serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.cluster.folder().join(name)
    }

    fn registrar(&mut self, number: &str) -> Result<SocketAddr> {
        let site = self.sites.iter().find(|site| number.starts_with(site.prefix));
        let node = site.with_context(|| format!("{number} belongs to no site"))?.node;
        Ok(self.cluster.node(node)?.ports.sip)
    }

    pub(super) fn account(&mut self, number: &str) -> Result<Account> {
        let registrar = self.registrar(number)?;
        let password = self.passwords.get(number);
        let password = password.with_context(|| format!("{number} has no password"))?;
        Ok(Account::new(number, password, registrar))
    }

    /// Somebody at a number of the directory, who registers at its site.
    pub(super) fn person(&mut self, number: &str, does: &[Does]) -> Result<Person> {
        let Account { number, password, registrar } = self.account(number)?;
        Ok(Person::new(&number, &password, registrar, does))
    }

    /// All registered; `name` is of a folder of theirs. They listen for `tones` beside
    /// their own.
    pub(super) async fn gather(
        &self,
        name: &str,
        people: &[Person],
        tones: &[u32],
    ) -> Result<People> {
        let folder = self.folder(name);
        let mut people = People::start_listening(&folder, people, &[], 11, tones)?;
        people.all_registered(PATIENCE).await?;
        Ok(people)
    }

    /// Launches a plan for real at a site; the run.
    pub(super) async fn start(&mut self, plan: &str, site: &Site) -> Result<String> {
        let words = ["plan", "start", plan, "--site", site.id, "--mode", "real"];
        let sent = self.json(site.node, &[&words[..], &["--as", COMMANDER]].concat()).await?;
        ensure!(sent["status"] == "started", "{sent}");
        Ok(sent["activation"].as_str().context("no activation")?.to_owned())
    }

    /// A step of a run, once it is over.
    pub(super) async fn over(&mut self, site: &Site, run: &str, id: &str) -> Result<Value> {
        eventually_every(LOOK, &format!("step {id} is over"), PATIENCE * 2, async || {
            let picture = self.json(site.node, &["plan", "status"]).await?;
            let runs = picture["activations"].as_array().context("no runs")?;
            let found = runs.iter().find(|one| one["id"] == run).context("no such run")?;
            let steps = found["steps"].as_array().context("no steps")?;
            let step = steps.iter().find(|step| step["id"] == id).context("no such step")?;
            let state = step["state"].as_str().unwrap_or_default();
            ensure!(!matches!(state, "running" | "pending" | "waiting"), "it is {step}");
            Ok(step.clone())
        })
        .await
    }

    /// The kinds of what a site's own journal says that begin so, in order.
    pub(super) async fn facts(&mut self, site: &Site, kind: &str) -> Result<Vec<String>> {
        let said = self.json(site.node, &["journal", "tail", "--limit", "500"]).await?;
        let facts = said.as_array().with_context(|| format!("no facts: {said}"))?;
        let own = facts.iter().filter(|fact| fact["site"] == site.id);
        let kinds = own.filter_map(|fact| fact["kind"].as_str());
        Ok(kinds.filter(|one| one.starts_with(kind)).map(str::to_owned).collect())
    }

    /// Waits until a site's own journal has so many facts of a kind.
    pub(super) async fn writes(&mut self, site: &Site, kind: &str, count: usize) -> Result<()> {
        let what = format!("{} writes {count} {kind}", site.id);
        eventually_every(LOOK, &what, PATIENCE, async || {
            let facts = self.facts(site, kind).await?;
            ensure!(facts.len() == count, "it shows {facts:?}");
            Ok(())
        })
        .await
    }

    /// Waits until no call is under way at a site.
    pub(super) async fn is_quiet(&mut self, site: &Site) -> Result<()> {
        eventually_every(LOOK, &format!("no call is left at {}", site.id), PATIENCE, async || {
            let calls = self.json(site.node, &["call", "list"]).await?;
            ensure!(calls.as_array().is_some_and(Vec::is_empty), "the node shows {calls}");
            Ok(())
        })
        .await
    }

    pub(super) fn end(self) -> Result<()> {
        self.cluster.end()
    }
}
