//! Disks at their worst: the power fails, the disk is full. Both on a small
//! ext4 image that the node has to itself.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use weir_tests::api::{Api, ApiError};
use weir_tests::capability;
use weir_tests::cluster::Cluster;
use weir_tests::disk;
use weir_tests::node::{Node, Place};
use weir_tests::wait::eventually;
use weir_tests::writers::{Writers, shows_each_once};

const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a node takes to say that an outcome is unknown.
const ANSWER: Duration = Duration::from_secs(20);
const CUTS: u32 = 4;
const IMAGE_MIB: u64 = 192;

/// One node on an image of its own, running.
async fn on_an_image(cluster: &mut Cluster) -> Result<()> {
    capability::loop_mounts().await?;
    let image = disk::image(&cluster.folder().join("disk-0.ext4"), IMAGE_MIB).await?;
    let mut node = Node::new(cluster.folder(), Place { name: "hq1", site: "HQ" })?;
    node.live_on(image);
    node.command(&["init", "--profile", "lan"]).await?;
    cluster.adopt(node);
    cluster.node("hq1")?.start().await?;
    cluster.leader(&[]).await?;
    Ok(())
}

/// The node stands still while its disk is copied, so that the copy is what the
/// disk held at one moment; everything acknowledged was so before that moment.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_everything_acknowledged_is_there_once() -> Result<()> {
    let mut cluster = Cluster::empty()?;
    on_an_image(&mut cluster).await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 200);
    for cut in 0..CUTS {
        writers.progress(60, PATIENCE).await?;
        let image = |number| cluster.folder().join(format!("disk-{number}.ext4"));
        let (before, after) = (image(cut), image(cut + 1));
        let node = cluster.node("hq1")?;
        // Written and not synced: a real power cut loses it.
        let (name, text) = (format!("witness-{cut}"), "not synced ".repeat(8192));
        std::fs::write(node.disk().join(&name), &text)?;
        node.freeze().await?;
        disk::copy(&before, &after).await?;
        node.kill()?;
        std::fs::remove_file(before)?;

        node.live_on(after);
        node.start().await?;
        let left = std::fs::read_to_string(node.disk().join(&name)).unwrap_or_default();
        ensure!(left != text, "the copy holds what was never synced: this was no power cut");
        writers.redirect(cluster.doors());
    }
    writers.progress(60, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    shows_each_once(cluster.node("hq1")?, &written, PATIENCE).await?;
    cluster.end()
}

/// Writes until the node says, in its own words, that it cannot.
async fn turned_away(api: &mut Api) -> Result<ApiError> {
    eventually("a write is turned away", PATIENCE, async || {
        for number in 0_u32.. {
            let once = format!("full-{number}");
            if let Err(error) = api.post("full", &"x".repeat(1000), &once).await {
                return Ok(error);
            }
        }
        bail!("every write was taken")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_says_so_and_loses_nothing() -> Result<()> {
    let mut cluster = Cluster::empty()?;
    on_an_image(&mut cluster).await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 1000);
    writers.progress(20, PATIENCE).await?;
    let node = cluster.node("hq1")?;
    disk::fill(&node.disk().join("filler"))?;
    let mut api = Api::new(node.socket(), ANSWER);
    let refusal = turned_away(&mut api).await?;
    let acknowledged = writers.acknowledged();

    // The first may be unknown; from then on it is clear, and at once.
    ensure!(refusal.is_open(), "the first answer was {refusal}");
    let refusal = api.post("full", "after", "full-after").await;
    let problem = refusal.as_ref().err().and_then(|error| error.problem());
    let problem = problem.with_context(|| format!("no problem but: {refusal:?}"))?;
    ensure!(problem.name() == "storage-stopped" && problem.status == 503, "{problem:?}");
    ensure!(problem.detail.contains("restart"), "it does not say what to do: {problem:?}");
    // The node itself is well, and says what is not.
    let (live, _) = api.plain("/livez").await?;
    ensure!(live.is_success(), "livez says {live}");
    let (ready, text) = api.plain("/readyz?verbose").await?;
    ensure!(ready.as_u16() == 503 && text.contains("consensus failed"), "{ready}: {text}");
    let why = api.status().await?.stopped;
    ensure!(why.is_some(), "the status does not say that consensus stopped");
    let log = cluster.node("hq1")?.log()?;
    ensure!(log.contains("No space left on device"), "the log does not say why");

    let node = cluster.node("hq1")?;
    node.kill()?;
    node.spawn_after("rm \"$1/filler\"")?;
    node.answers().await?;
    writers.redirect(cluster.doors());
    writers.progress(20, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    let revisions = written.iter().map(|one| one.revision).sum::<u64>();
    ensure!(revisions > acknowledged, "nothing was written after the restart");
    shows_each_once(cluster.node("hq1")?, &written, PATIENCE).await?;
    cluster.end()
}
