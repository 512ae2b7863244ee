//! A site that the satellite no longer reaches acts alone, and what it did is
//! everybody's when it comes back: once, in order, and provably. The relay box
//! is the judge of what took effect.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::program::{demo_directory, weir};
use weir_tests::relay::Relay;
use weir_tests::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
/// Of the demo directory: who may launch the red page, and where it sounds.
const COMMANDER: &str = "lin.guodong";
const DUTY: &str = "yang.yunfeng";
const ZONES: [&str; 2] = ["7401", "7403"];
const SATELLITE: &str = "[satellite]\nup_kbps = 384\n[emulate]\nrtt_ms = 640\nup_kbps = 384\n\
                         down_kbps = 128\nloss_ppm = 10000\n";

/// Voters hq1, rc1 and r3; r5 listens, behind an emulated satellite, with a
/// relay box. The flood-night directory has arrived everywhere.
async fn flood_night(mute: bool) -> Result<(Cluster, Relay)> {
    let mut cluster = Cluster::found("lan").await?;
    for (name, site) in [("rc1", "RC"), ("r3", "R3")] {
        cluster.join(Place { name, site }, "voter").await?;
    }
    let relay = Relay::start(cluster.folder(), mute)?;
    let mut r5 = Node::new(cluster.folder(), Place { name: "r5", site: "R5" })?;
    let file = std::fs::read_to_string(r5.config())?;
    // Keys of the node itself stand before its tables.
    std::fs::write(r5.config(), format!("{file}relay = \"{}\"\n{SATELLITE}", relay.address))?;
    let token = cluster.token("hq1", "learner", None).await?;
    r5.command(&["join", "--token", &token, "--role", "learner"]).await?;
    r5.start().await?;
    cluster.adopt(r5);
    cluster.ask("hq1", &["apply", "-f", &demo_directory()?]).await?.ended_with(0)?;
    cluster.settled().await?;
    cluster.directory_everywhere().await?;
    Ok((cluster, relay))
}

async fn json(cluster: &mut Cluster, node: &str, words: &[&str]) -> Result<Value> {
    let mut words = words.to_vec();
    words.extend(["-o", "json"]);
    let said = cluster.ask(node, &words).await?.ended_with(0)?;
    serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
}

/// Launches the red page at R5 and says what became of the click.
async fn launch(cluster: &mut Cluster, from: &str, who: &str, more: &[&str]) -> Result<Value> {
    let mut words = vec!["plan", "start", "P-38-page", "--site", "R5", "--as", who];
    words.extend(more);
    json(cluster, from, &words).await
}

/// Waits until each zone was told at least once.
async fn both_zones_sound(relay: &Relay) -> Result<()> {
    eventually("both zones sound", PATIENCE, async || {
        let told: BTreeSet<String> = relay.plays()?.into_iter().map(|play| play.zone).collect();
        ensure!(told == ZONES.map(str::to_owned).into(), "told: {told:?}");
        Ok(())
    })
    .await
}

/// No effect key was ever sent to the box twice.
fn nothing_twice(relay: &Relay) -> Result<()> {
    let plays = relay.plays()?;
    let keys: BTreeSet<&str> = plays.iter().map(|play| play.key.as_str()).collect();
    ensure!(keys.len() == plays.len(), "an effect was carried out twice: {plays:?}");
    Ok(())
}

async fn delivery(cluster: &mut Cluster, node: &str, intent: &Value) -> Result<String> {
    let id = intent["intent"].as_str().context("no intent id")?.to_owned();
    let how = json(cluster, node, &["plan", "delivery", &id]).await?;
    Ok(how["delivery"].as_str().unwrap_or_default().to_owned())
}

/// The duty officer of R5 sounds the alarm while the dish is dead; headquarters
/// clicks too, and its click is void long before the dish is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_site_acts_at_once_and_its_record_is_everybodys_afterwards() -> Result<()> {
    let (mut cluster, relay) = flood_night(false).await?;
    cluster.ask("r5", &["link", "cut"]).await?.ended_with(0)?;
    let real = ["--mode", "real"];
    let started = launch(&mut cluster, "r5", DUTY, &real).await?;
    ensure!(started["status"] == "started", "{started}");
    both_zones_sound(&relay).await?;
    let late =
        launch(&mut cluster, "hq1", COMMANDER, &["--mode", "real", "--not-after", "3"]).await?;
    ensure!(late["delivery"] != "judged", "the cut let a click through: {late}");
    cluster.ask("r5", &["journal", "note", "dish is down"]).await?.ended_with(0)?;
    eventually("the click from headquarters is void", PATIENCE, async || {
        let how = delivery(&mut cluster, "hq1", &late).await?;
        ensure!(how == "not-delivered" || how == "unknown", "it is {how}");
        Ok(())
    })
    .await?;
    let alone = json(&mut cluster, "r5", &["journal", "kept"]).await?;
    ensure!(alone["kept"] == "KeptHere", "kept elsewhere during the cut: {alone}");

    cluster.ask("r5", &["link", "heal"]).await?.ended_with(0)?;
    eventually("the centre holds all that R5 recorded", PATIENCE, async || {
        let here = json(&mut cluster, "r5", &["journal", "kept"]).await?;
        ensure!(here["kept"] == "KeptAtThree", "r5 says {here}");
        let there = json(&mut cluster, "hq1", &["journal", "verify", "--node", "4"]).await?;
        ensure!(there["head"] == here["head"], "hq1 has {there}");
        ensure!(there["broken"].is_null(), "{there}");
        ensure!(here["heads"]["n4"] == here["head"], "not agreed on yet: {here}");
        Ok(())
    })
    .await?;
    let runs = json(&mut cluster, "r5", &["plan", "status"]).await?;
    let runs = runs["activations"].as_array().context("no activations")?.clone();
    ensure!(runs.len() == 1 && runs[0]["launches"].as_array().map(Vec::len) == Some(1));
    ensure!(relay.plays()?.len() == ZONES.len(), "more sounded than was ordered");
    nothing_twice(&relay)?;
    cluster.end()
}

/// Two people click the same plan; it sounds once, and both clicks show.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_joins_the_first() -> Result<()> {
    let (mut cluster, relay) = flood_night(false).await?;
    let first = launch(&mut cluster, "hq1", COMMANDER, &["--mode", "real"]).await?;
    let second = launch(&mut cluster, "r5", DUTY, &["--mode", "real"]).await?;
    ensure!(first["status"] == "started" && second["status"] == "joined", "{first} {second}");
    ensure!(first["activation"] == second["activation"]);
    both_zones_sound(&relay).await?;
    let again = launch(
        &mut cluster,
        "rc1",
        COMMANDER,
        &["--mode", "real", "--idempotency-key", "one click"],
    );
    let again = again.await?;
    let same = launch(
        &mut cluster,
        "rc1",
        COMMANDER,
        &["--mode", "real", "--idempotency-key", "one click"],
    );
    ensure!(again["intent"] == same.await?["intent"], "one click became two");
    ensure!(relay.plays()?.len() == ZONES.len(), "more sounded than was ordered");
    cluster.end()
}

/// The node falls between the order and the answer. Nobody knows whether the
/// sirens sounded, so the evacuation page is repeated once, marked; a second
/// fall repeats nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_end_nobody_saw_is_repeated_once_and_never_again() -> Result<()> {
    let (mut cluster, relay) = flood_night(true).await?;
    let started = launch(&mut cluster, "r5", DUTY, &["--mode", "real"]).await?;
    ensure!(started["status"] == "started", "{started}");
    both_zones_sound(&relay).await?;
    let r5 = cluster.node("r5")?;
    r5.kill()?;
    r5.start().await?;
    let twice = |suffix: &'static str| {
        let relay = &relay;
        async move || {
            let plays = relay.plays()?;
            let marked = plays.iter().filter(|play| play.key.ends_with(suffix)).count();
            ensure!(marked == ZONES.len(), "{plays:?}");
            Ok(())
        }
    };
    eventually("each zone hears it once more, as attempt 2", PATIENCE, twice("/2")).await?;
    let r5 = cluster.node("r5")?;
    r5.kill()?;
    r5.start().await?;
    eventually("both attempts are unknown", PATIENCE, async || {
        let runs = json(&mut cluster, "r5", &["plan", "status"]).await?;
        let step = runs["activations"][0]["steps"][0].clone();
        ensure!(step["state"] == "unknown", "{step}");
        Ok(())
    })
    .await?;
    ensure!(relay.plays()?.len() == 2 * ZONES.len(), "a third attempt: {:?}", relay.plays()?);
    nothing_twice(&relay)?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_reaches_no_device() -> Result<()> {
    let (mut cluster, relay) = flood_night(false).await?;
    let started = launch(&mut cluster, "r5", DUTY, &["--mode", "drill"]).await?;
    ensure!(started["status"] == "started", "{started}");
    let sink = cluster.node("r5")?.data().join("drill.log");
    eventually("the drill sink has both zones", PATIENCE, async || {
        let text = std::fs::read_to_string(&sink).unwrap_or_default();
        let zones = ZONES.iter().filter(|zone| text.contains(**zone)).count();
        ensure!(zones == ZONES.len() && text.contains("演习"), "{text}");
        Ok(())
    })
    .await?;
    ensure!(relay.orders()?.is_empty(), "a drill reached the relay: {:?}", relay.orders()?);
    cluster.end()
}

/// One byte of an exported journal is changed, anywhere but in its last record.
#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_in_a_journal_is_named() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    for number in 0..20 {
        let line = format!("reading {number}");
        cluster.ask("hq1", &["journal", "note", &line]).await?.ended_with(0)?;
    }
    let file = cluster.folder().join("hq1.journal");
    let path = file.to_string_lossy().into_owned();
    cluster.ask("hq1", &["journal", "export", &path]).await?.ended_with(0)?;
    weir(["journal", "verify", &path]).await?.ended_with(0)?;

    let whole = std::fs::read(&file)?;
    let at = spot(&whole, b"reading 7")?;
    let mut bytes = whole.clone();
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes)?;
    let said = weir(["journal", "verify", &path]).await?.ended_with(1)?;
    // The first record says that the journal began; reading 7 is the ninth.
    said.said(&["n1.1.9"])?;
    cluster.end()
}

fn spot(bytes: &[u8], text: &[u8]) -> Result<usize> {
    match bytes.windows(text.len()).position(|window| window == text) {
        Some(at) => Ok(at),
        None => bail!("the journal does not hold what was noted"),
    }
}
