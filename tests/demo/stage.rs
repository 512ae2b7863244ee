//! Sets the demo up: nodes founded and joined, the flood-night directory, secrets
//! of devices, loudspeakers plugged in, sounds where they belong. Refuses to call
//! it ready before every part has said so itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use weir_tests::speakers::Speaker;

use crate::fakes::Fakes;
use crate::folder;
use crate::node::{Node, Terms};
use crate::place::{
    COMMANDER, HQ1, HTTPS, LINK, METRICS, PLACES, R3, R4, R5, RC1, SIP, ZONES, numbers_of,
};
use crate::wait::until;

const DIRECTORY: &str = "ops/deploy/demo/directory.toml";
/// Everybody follows one leader.
const SETTLE: Duration = Duration::from_secs(20);
/// Sounds through the narrower dish.
const STAGED: Duration = Duration::from_secs(75);
const LEADS: Duration = Duration::from_secs(10);
/// A softphone's, in the directory.
const PHONE: &str = "1102";

/// See the module.
pub(crate) struct Stage {
    pub(crate) nodes: [Node; 5],
    pub(crate) fakes: Fakes,
    /// Of [`COMMANDER`], for the console.
    pub(crate) password: String,
    /// An account for a telephone at headquarters: number and password.
    pub(crate) phone: (String, String),
    pub(crate) terms: Terms,
    _folder: TempDir,
}

/// What the caller wishes.
pub(crate) struct Wishes {
    /// Ledgers, recordings and logs go here and stay.
    pub(crate) evidence: PathBuf,
    pub(crate) open_to: Option<std::net::IpAddr>,
    pub(crate) plant: Option<String>,
}

impl Stage {
    /// # Errors
    /// With what is missing, for NOT STARTED.
    pub(crate) async fn set(wishes: Wishes) -> Result<Self> {
        let folder = folder::fresh()?;
        let logs = wishes.evidence.join("logs");
        std::fs::create_dir_all(&logs)?;
        let Wishes { evidence, open_to, plant } = wishes;
        let terms = Terms { folder: folder.path().to_owned(), logs, open_to, plant };
        ports_are_free(&terms)?;
        let node = |at: usize| Node::new(&PLACES[at], &terms);
        let mut nodes = [node(HQ1)?, node(RC1)?, node(R3)?, node(R4)?, node(R5)?];
        assemble(&mut nodes).await?;
        // Sounds go on board while the satellite sites' nodes are still on the
        // bench: over the narrower dish that takes a minute and a half.
        staged(&nodes).await?;
        put_in_place(&mut nodes).await?;
        hq1_leads(&mut nodes).await?;

        let hq1 = &nodes[HQ1];
        let passwords = secrets(hq1).await?;
        let fakes = Fakes::start(&evidence, &speakers(&passwords)?)?;
        let password = word()?;
        hq1.ask_with(&["person", "passwd", COMMANDER], Some(&format!("{password}\n"))).await?;
        let secret = passwords.get(PHONE).with_context(|| format!("no secret for {PHONE}"))?;
        let phone = (PHONE.to_owned(), secret.clone());
        let mut stage = Self { nodes, fakes, password, phone, terms, _folder: folder };
        tokio::try_join!(registered(&mut stage.fakes), staged(&stage.nodes))?;
        settled(&stage.nodes).await?;
        hq1_leads(&mut stage.nodes).await?;
        Ok(stage)
    }

    /// Ends everything, in order, within a few seconds.
    pub(crate) async fn end(mut self) {
        self.fakes.ask_to_end();
        for node in &self.nodes {
            node.ask_to_end();
        }
        // What does not end by then is killed with the stage.
        let _ = until("all end", Duration::from_secs(6), async || {
            for node in &mut self.nodes {
                ensure!(node.pid().is_none() || node.fell()?, "{} still runs", node.name());
            }
            Ok(())
        })
        .await;
    }
}

/// Fixed ports are what a person can be told; a second demo would not fit.
fn ports_are_free(terms: &Terms) -> Result<()> {
    for place in &PLACES {
        let seen = terms.open_to.filter(|_| place.name == "hq1").unwrap_or(place.ip());
        let udp = [place.at(LINK), place.at(LINK + 1), (seen, SIP).into()];
        let tcp = [place.at(METRICS), (seen, HTTPS).into(), (seen, SIP).into()];
        let udp = udp.into_iter().map(|at| (at, UdpSocket::bind(at).map(drop)));
        let tcp = tcp.into_iter().map(|at| (at, TcpListener::bind(at).map(drop)));
        for (at, bound) in udp.chain(tcp) {
            bound.with_context(|| {
                format!("{at} 不可用，是否已有一个演示在运行？ / cannot be used; is another demo running?")
            })?;
        }
    }
    Ok(())
}

/// hq1 founds; the others join while the directory's sounds are made.
async fn assemble(nodes: &mut [Node; 5]) -> Result<()> {
    let [hq1, rc1, r3, r4, r5] = nodes;
    hq1.prepare(&["init", "--profile", "wan"]).await?;
    hq1.start().await?;
    let hq1 = &*hq1;
    until("hq1 leads", LEADS, async || hq1.api().status().await?.leader.context("nobody leads"))
        .await?;
    let directory = hq1.ask(&["apply", "-f", DIRECTORY]);
    let terrestrial = async {
        join(hq1, rc1).await?;
        join(hq1, r3).await
    };
    tokio::try_join!(
        async { directory.await.map(drop) },
        terrestrial,
        join(hq1, r4),
        join(hq1, r5)
    )?;
    settled(nodes).await
}

/// From now on r4 and r5 are behind their dishes.
async fn put_in_place(nodes: &mut [Node; 5]) -> Result<()> {
    let [_, _, _, r4, r5] = nodes;
    let moved = async |node: &mut Node| {
        node.drain().await?;
        node.move_behind_its_dish()?;
        node.start().await.map(drop)
    };
    tokio::try_join!(moved(r4), moved(r5))?;
    settled(nodes).await
}

async fn join(hq1: &Node, node: &mut Node) -> Result<()> {
    let role = node.place.role;
    let token = hq1.ask(&["token", "create", "--role", role]).await?;
    node.prepare(&["join", "--token", token.trim(), "--role", role]).await?;
    node.start().await.map(drop)
}

/// The scene begins with headquarters in the lead; a busy machine may have had
/// other ideas.
async fn hq1_leads(nodes: &mut [Node; 5]) -> Result<()> {
    for _ in 0..4 {
        let leader = nodes[HQ1].api().status().await?.leader.context("nobody leads")?;
        if leader == nodes[HQ1].name() {
            return Ok(());
        }
        let leader = nodes.iter_mut().find(|node| node.name() == leader);
        let leader = leader.context("an unknown leader")?;
        leader.drain().await?;
        leader.start().await?;
        settled(nodes).await?;
    }
    bail!("hq1 没有成为领导 / hq1 does not get the lead")
}

/// Passwords of all devices at sites with a node, by number.
async fn secrets(hq1: &Node) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Made {
        number: String,
        password: String,
    }
    let mut passwords = BTreeMap::new();
    for site in PLACES.iter().map(|place| place.site).filter(|site| *site != "RC") {
        let made = hq1.ask(&["secret", "make", "--site", site, "-o", "json"]).await?;
        let made: Vec<Made> = serde_json::from_str(&made).context("weir secret make")?;
        passwords.extend(made.into_iter().map(|one| (one.number, one.password)));
    }
    Ok(passwords)
}

fn speakers(passwords: &BTreeMap<String, String>) -> Result<Vec<Speaker>> {
    let mut speakers = Vec::new();
    for zone in &ZONES {
        for number in zone.numbers() {
            let password = passwords.get(&number);
            let password = password.with_context(|| format!("no secret for {number}"))?;
            let registrar = PLACES[zone.node].at(SIP);
            speakers.push(Speaker::new(&number, password, registrar, zone.profile));
        }
    }
    Ok(speakers)
}

/// Easy to type, hard to guess.
fn word() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut dice = [0; 12];
    File::open("/dev/urandom")?.read_exact(&mut dice)?;
    let letters = dice.iter().map(|die| char::from(LETTERS[usize::from(die % 32)]));
    let mut word: String = letters.collect();
    word.insert(8, '-');
    word.insert(4, '-');
    Ok(word)
}

async fn registered(fakes: &mut Fakes) -> Result<()> {
    until("every loudspeaker is registered", STAGED, async || {
        fakes.still_run()?;
        let there = fakes.registered()?;
        let all = [R3, R4, R5].into_iter().flat_map(numbers_of);
        let lacking: Vec<String> = all.filter(|number| !there.contains(number)).collect();
        ensure!(lacking.is_empty(), "not registered: {lacking:?}");
        Ok(())
    })
    .await
}

/// Every node that pages holds every sound of the directory, by its own word.
async fn staged(nodes: &[Node; 5]) -> Result<()> {
    until("every sound is staged", STAGED, async || {
        for node in [R3, R4, R5].map(|at| &nodes[at]) {
            let (name, api) = (node.name(), node.api());
            let (sounds, status) = (api.sounds().await?, api.status().await?);
            let staged = sounds.nodes.get(name).with_context(|| format!("{name}: nothing yet"))?;
            let (have, of, version) = (staged.have, staged.of, staged.directory);
            let all = version == status.directory_version && of > 0 && have == of;
            ensure!(all, "{name}: {have} of {of}, directory v{version}");
        }
        Ok(())
    })
    .await
}

/// Every node follows one leader and has the same directory; three vote.
async fn settled(nodes: &[Node; 5]) -> Result<()> {
    until("the nodes agree on a leader", SETTLE, async || {
        let voting = nodes[HQ1].api().members().await?.iter().filter(|one| one.votes).count();
        ensure!(voting == 3, "{voting} of 3 vote");
        let first = nodes[HQ1].api().status().await?;
        for node in nodes {
            let (name, status) = (node.name(), node.api().status().await?);
            ensure!(status.leader.is_some(), "{name} knows no leader");
            ensure!(status.leader == first.leader, "{name} follows {:?}", status.leader);
            let (has, wanted) = (status.directory_version, first.directory_version);
            ensure!(has == wanted && has > 0, "{name} has directory v{has} of v{wanted}");
            let connected = status.peers.iter().filter(|peer| peer.connected).count();
            ensure!(connected > 0, "{name} is connected to nobody");
        }
        Ok(())
    })
    .await
}
