//! One click reaches the loudspeakers: the right words, in the right zones, and
//! nowhere else, whoever dies meanwhile. The loudspeakers' own ledgers and what
//! they played are the judge.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::capability;
use weir_tests::cluster::Cluster;
use weir_tests::disk;
use weir_tests::hearing;
use weir_tests::node::{Node, Place};
use weir_tests::program::demo_directory;
use weir_tests::speakers::{Fault, Over, Speaker, Speakers};
use weir_tests::spoken;
use weir_tests::wait::eventually;
use weir_tests::writers::Writers;

const PATIENCE: Duration = Duration::from_secs(60);
const COMMANDER: &str = "lin.guodong";
/// What `aud-red` of the demo directory says.
const RED: &str = "洪水红色预警，请立即向安置点转移，不要返回。";
/// Longest missing audio that nobody would call a gap.
const GAP_MS: u64 = 60;
/// R3's zones: the crest, below the gates, the villages.
const R3: [(&str, u32, u32); 3] = [("5401", 5411, 4), ("5402", 5431, 4), ("5403", 5451, 9)];

/// Voters hq1, rc1 and r3, and r5, which listens; R3's and R5's loudspeakers.
struct Night {
    cluster: Cluster,
    r3: Speakers,
    r5: Speakers,
    red: Vec<i16>,
}

fn r3_numbers() -> Vec<String> {
    let zone = |&(_, first, count): &(&str, u32, u32)| first..first + count;
    R3.iter().flat_map(zone).map(|number| number.to_string()).collect()
}

async fn json(cluster: &mut Cluster, node: &str, words: &[&str]) -> Result<Value> {
    let mut words = words.to_vec();
    words.extend(["-o", "json"]);
    let said = cluster.ask(node, &words).await?.ended_with(0)?;
    serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
}

/// The flood-night directory with shorter repeats, so that a story ends.
async fn apply(cluster: &mut Cluster) -> Result<()> {
    let text = std::fs::read_to_string(demo_directory()?)?;
    let text = text.replace("repeat = 5", "repeat = 2").replace("s = 20\n", "s = 1\n");
    let file = cluster.folder().join("directory.toml");
    std::fs::write(&file, text)?;
    let file = file.to_string_lossy().into_owned();
    cluster.ask("hq1", &["apply", "-f", &file]).await?.ended_with(0)?;
    Ok(())
}

/// Passwords for a site's devices, as an installer would get them.
async fn secrets(cluster: &mut Cluster, site: &str) -> Result<BTreeMap<String, String>> {
    let made = json(cluster, "hq1", &["secret", "make", "--site", site]).await?;
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let made = made.as_array().context("no secrets")?;
    Ok(made.iter().map(|one| (text(one, "number"), text(one, "password"))).collect())
}

async fn loudspeakers(
    cluster: &mut Cluster,
    node: &str,
    site: &str,
    numbers: &[String],
    faults: &[(&str, Fault)],
) -> Result<Speakers> {
    let secrets = secrets(cluster, site).await?;
    let registrar = cluster.node(node)?.ports.sip;
    let speakers: Vec<Speaker> = numbers
        .iter()
        .map(|number| {
            let password = secrets.get(number).map(String::as_str).unwrap_or_default();
            let speaker = Speaker::new(number, password, registrar, "horn-rtcp");
            match faults.iter().find(|(at, _)| at == number) {
                Some((_, fault)) => speaker.with(*fault),
                None => speaker,
            }
        })
        .collect();
    let folder = cluster.folder().join(format!("{site}-speakers"));
    let mut started = Speakers::start(&folder, &speakers, 7)?;
    started.all_registered(PATIENCE).await?;
    Ok(started)
}

/// Waits until every node holds every sound.
async fn staged(cluster: &mut Cluster, nodes: &[&str]) -> Result<()> {
    eventually("every node holds every sound", PATIENCE, async || {
        let said = json(cluster, "hq1", &["sound", "list"]).await?;
        for node in nodes {
            let one = &said["nodes"][node];
            ensure!(one["have"] == one["of"] && !one["of"].is_null(), "{node}: {said}");
        }
        Ok(())
    })
    .await
}

async fn night(faults: &[(&str, Fault)]) -> Result<Night> {
    night_with(faults, None).await
}

/// `r3_disk_mib`: R3's node lives on a disk of its own, so small.
async fn night_with(faults: &[(&str, Fault)], r3_disk_mib: Option<u64>) -> Result<Night> {
    let mut cluster = Cluster::found("lan").await?;
    cluster.join(Place { name: "rc1", site: "RC" }, "voter").await?;
    for (name, site, role) in [("r3", "R3", "voter"), ("r5", "R5", "learner")] {
        let mut node = Node::new(cluster.folder(), Place { name, site })?;
        node.speaks_sip()?;
        if let (Some(mib), "r3") = (r3_disk_mib, name) {
            capability::loop_mounts().await?;
            node.live_on(disk::image(&cluster.folder().join("r3.img"), mib).await?);
        }
        let token = cluster.token("hq1", role, None).await?;
        node.command(&["join", "--token", &token, "--role", role]).await?;
        node.start().await?;
        cluster.adopt(node);
    }
    apply(&mut cluster).await?;
    cluster.directory_everywhere().await?;
    let r3 = loudspeakers(&mut cluster, "r3", "R3", &r3_numbers(), faults).await?;
    let numbers: Vec<String> = [7411, 7412, 7451].map(|n: u32| n.to_string()).to_vec();
    let r5 = loudspeakers(&mut cluster, "r5", "R5", &numbers, &[]).await?;
    staged(&mut cluster, &["hq1", "rc1", "r3", "r5"]).await?;
    let red = spoken::chinese(cluster.folder(), RED).await?;
    Ok(Night { cluster, r3, r5, red })
}

async fn launch(night: &mut Night, from: &str, mode: &str) -> Result<String> {
    let words = ["plan", "start", "P-38-page", "--site", "R3", "--mode", mode, "--as", COMMANDER];
    let sent = json(&mut night.cluster, from, &words).await?;
    ensure!(sent["status"] == "started", "{sent}");
    Ok(sent["activation"].as_str().context("no activation")?.to_owned())
}

/// The first step of the run, once it is over.
async fn first_step(night: &mut Night, activation: &str) -> Result<Value> {
    let mut found = Value::Null;
    eventually("the first step is over", PATIENCE, async || {
        let picture = json(&mut night.cluster, "r3", &["plan", "status"]).await?;
        let runs = picture["activations"].as_array().context("no runs")?;
        let run = runs.iter().find(|run| run["id"] == activation).context("no such run")?;
        let step = run["steps"][0].clone();
        let state = step["state"].as_str().unwrap_or_default();
        ensure!(!matches!(state, "running" | "pending"), "it is {state}");
        found = step;
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Each of these heard the red words, whole, twice in a row, in one call, and
/// nothing else.
fn heard_red_twice(night: &Night, numbers: &[String]) -> Result<()> {
    for number in numbers {
        let calls = night.r3.calls_of(number)?;
        ensure!(calls.len() == 1, "{number} was called {} times", calls.len());
        let call = &calls[0];
        ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{number}: {call:?}");
        ensure!(call.longest_gap_ms() <= GAP_MS, "{number} missed {} ms", call.longest_gap_ms());
        let pcm = call.heard()?;
        let times = hearing::heard(&pcm, &night.red);
        ensure!(hearing::in_a_row(&times, &night.red, 1_500) == 2, "{number} heard {times:?}");
        let strange = hearing::strange(&pcm, &[&night.red]);
        ensure!(strange.is_empty(), "{number} heard something else: {strange:?}");
    }
    Ok(())
}

/// The red page at R3 while its cluster loses its leader: seventeen loudspeakers
/// hear the right words twice, without a gap, and R5's hear nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_right_words_at_the_right_speakers_though_the_leader_dies() -> Result<()> {
    let mut night = night(&[]).await?;
    let leader = night.cluster.leader(&[]).await?.leader.context("no leader")?;
    ensure!(leader != "r3", "the story wants its leader elsewhere");
    let activation = launch(&mut night, "rc1", "real").await?;
    let numbers = r3_numbers();
    for number in &numbers {
        night.r3.answered(number, PATIENCE).await?;
    }
    night.cluster.node(&leader)?.kill()?;
    let step = first_step(&mut night, &activation).await?;
    ensure!(step["state"] == "done", "{step}");
    for target in step["targets"].as_array().context("no targets")? {
        let attempts = target["attempts"].as_array().context("no attempts")?;
        ensure!(attempts.len() == 1, "{target}");
        let proof = &attempts[0]["proof"];
        ensure!(proof["grade"] == "receiving" && proof["reached"] == proof["of"], "{target}");
        ensure!(proof["siren"] == false, "{target}");
    }
    heard_red_twice(&night, &numbers)?;
    ensure!(night.r5.calls()?.is_empty(), "R5's loudspeakers were called");
    night.cluster.node(&leader)?.start().await?;
    night.cluster.end()
}

/// The node that pages dies in the middle. Back within the window, it ends what
/// it left, says that the outcome is unknown, and repeats once, marked.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_node_died_is_repeated_once_and_marked() -> Result<()> {
    let mut night = night(&[]).await?;
    let activation = launch(&mut night, "rc1", "real").await?;
    let numbers = r3_numbers();
    for number in &numbers {
        night.r3.answered(number, PATIENCE).await?;
    }
    night.cluster.node("r3")?.kill()?;
    night.cluster.node("r3")?.start().await?;
    let step = first_step(&mut night, &activation).await?;
    ensure!(step["state"] == "done", "{step}");
    for target in step["targets"].as_array().context("no targets")? {
        let attempts = target["attempts"].as_array().context("no attempts")?;
        ensure!(attempts.len() == 2, "{target}");
        // Nobody saw the first one end, so nobody says how.
        ensure!(attempts[0]["result"].get("Unknown").is_some(), "{target}");
        ensure!(attempts[1]["why"] == "AfterUnknown", "{target}");
    }
    for number in &numbers {
        let calls = night.r3.calls_of(number)?;
        let picked_up = calls.iter().filter(|call| call.answered_ms.is_some()).count();
        ensure!(picked_up == 2, "{number}: {calls:?}");
        // The first call was ended by the node that came back, not by chance.
        ensure!(calls[0].over.is_some_and(|(how, _)| how == Over::ByeIn), "{number}: {calls:?}");
        let last = calls.last().context("no call")?.heard()?;
        let times = hearing::heard(&last, &night.red);
        ensure!(hearing::in_a_row(&times, &night.red, 1_500) == 2, "{number} heard {times:?}");
    }
    night.cluster.end()
}

/// A loudspeaker that only rings is a failed one: the plan says so, and the
/// others sound all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_speaker_that_only_rings_fails_its_zone_and_silences_nobody() -> Result<()> {
    let mut night = night(&[("5453", Fault::Ringing)]).await?;
    let activation = launch(&mut night, "hq1", "real").await?;
    let step = first_step(&mut night, &activation).await?;
    ensure!(step["state"] == "failed", "{step}");
    let targets = step["targets"].as_array().context("no targets")?;
    let village = targets.iter().find(|one| one["target"]["Zone"] == "5403");
    let attempt = &village.context("no 5403")?["attempts"][0];
    ensure!(attempt["proof"]["reached"] == 8 && attempt["proof"]["of"] == 9, "{attempt}");
    let why = attempt["result"]["Failed"]["why"].as_str().unwrap_or_default();
    ensure!(why.contains("5403-03"), "it does not name the speaker: {attempt}");
    let well: Vec<String> = r3_numbers().into_iter().filter(|number| number != "5453").collect();
    heard_red_twice(&night, &well)?;
    night.cluster.end()
}

/// The staged file rots on R3's disk: the built-in siren sounds in its place,
/// and the outcome says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_sound_is_replaced_by_the_siren_and_says_so() -> Result<()> {
    let mut night = night(&[]).await?;
    let said = json(&mut night.cluster, "r3", &["sound", "list"]).await?;
    let sounds = said["sounds"].as_array().context("no sounds")?;
    let red = sounds.iter().find(|sound| sound["name"] == "aud-red").context("no aud-red")?;
    let file = red["file"].as_str().context("not rendered")?.to_owned();
    let path = night.cluster.node("r3")?.data().join("sounds").join(file);
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes)?;
    let activation = launch(&mut night, "hq1", "real").await?;
    let step = first_step(&mut night, &activation).await?;
    let target = &step["targets"][0];
    ensure!(target["attempts"][0]["proof"]["siren"] == true, "it does not say so: {target}");
    let call = night.r3.over("5411", PATIENCE).await?;
    let pcm = call.heard()?;
    ensure!(hearing::heard(&pcm, &night.red).is_empty(), "the corrupt file was played");
    ensure!(!hearing::strange(&pcm, &[]).is_empty(), "nothing sounded");
    night.cluster.end()
}

/// A drill goes the same way and ends in the drill sink: no device is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_reaches_the_drill_sink_and_no_device() -> Result<()> {
    let mut night = night(&[]).await?;
    let activation = launch(&mut night, "hq1", "drill").await?;
    let step = first_step(&mut night, &activation).await?;
    ensure!(step["state"] == "done", "{step}");
    ensure!(night.r3.calls()?.is_empty(), "a drill called a device");
    let log = std::fs::read_to_string(night.cluster.node("r3")?.data().join("drill.log"))?;
    let marked = log.lines().filter(|line| line.contains("演习")).count();
    ensure!(marked >= 6 && marked == log.lines().count(), "the sink holds:\n{log}");
    night.cluster.end()
}

/// A page outside any plan, and its stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_paged_by_hand_and_stopped() -> Result<()> {
    let mut night = night(&[]).await?;
    let words = ["page", "5401", "--audio", "aud-red", "--repeat", "9", "--mode", "real"];
    let words = [&words[..], &["--as", COMMANDER]].concat();
    let sent = json(&mut night.cluster, "rc1", &words).await?;
    ensure!(sent["status"] == "started", "{sent}");
    let activation = sent["activation"].as_str().context("no activation")?.to_owned();
    for number in ["5411", "5412", "5413", "5414"] {
        night.r3.answered(number, PATIENCE).await?;
    }
    let words = ["plan", "abort", &activation, "--site", "R3", "--mode", "real"];
    let words = [&words[..], &["--as", COMMANDER]].concat();
    let stopped = json(&mut night.cluster, "rc1", &words).await?;
    ensure!(stopped["status"] == "aborted", "{stopped}");
    for number in ["5411", "5412", "5413", "5414"] {
        let call = night.r3.over(number, PATIENCE).await?;
        ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{call:?}");
    }
    let elsewhere = night.r3.calls()?.into_iter().find(|call| !call.number.starts_with("541"));
    ensure!(elsewhere.is_none(), "another zone was called: {elsewhere:?}");
    night.cluster.end()
}

/// R3's disk is full: its node votes and records no more, says so, and the red
/// page sounds all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_silences_no_siren() -> Result<()> {
    let mut night = night_with(&[], Some(192)).await?;
    let filler = night.cluster.node("r3")?.disk().join("filler");
    disk::fill(&filler)?;
    // What the database had set aside for itself is used up too.
    let doors = vec![night.cluster.node("hq1")?.socket(), night.cluster.node("rc1")?.socket()];
    let writers = Writers::start(32, doors, 1_000);
    let mut r3 = night.cluster.node("r3")?.api();
    eventually("R3's storage stops", PATIENCE, async || {
        r3.status().await?.stopped.context("it still writes")
    })
    .await?;
    writers.finish(PATIENCE).await?;
    let activation = launch(&mut night, "hq1", "real").await?;
    let step = first_step(&mut night, &activation).await?;
    ensure!(step["state"] == "done", "{step}");
    heard_red_twice(&night, &r3_numbers())?;
    let kept = json(&mut night.cluster, "r3", &["journal", "kept"]).await?;
    ensure!(kept["unrecorded"] == true, "it does not say that nothing is recorded: {kept}");
    night.cluster.end()
}
