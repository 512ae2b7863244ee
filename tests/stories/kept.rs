//! What was acknowledged is kept: through a kill, through an orderly stop, and
//! never by two processes at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::cluster::Cluster;
use weir_tests::node::{DRAIN, Node, Place};
use weir_tests::writers::{Writers, shows_each_once};

const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_in_mid_stream_keeps_everything_acknowledged_once() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 40);
    for _ in 0..5 {
        writers.progress(40, PATIENCE).await?;
        let node = cluster.node("hq1")?;
        node.kill()?;
        node.start().await?;
    }
    writers.progress(40, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    cluster.node("hq1")?.kill()?;
    cluster.node("hq1")?.start().await?;
    shows_each_once(cluster.node("hq1")?, &written, PATIENCE).await?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_drains_and_ends_well_under_load() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 40);
    writers.progress(20, PATIENCE).await?;
    let ended = cluster.node("hq1")?.terminate().await?;
    ensure!(ended.success(), "it ended with {ended}");
    ensure!(cluster.node("hq1")?.log()?.contains("draining"), "it did not say so");
    cluster.node("hq1")?.start().await?;
    writers.progress(20, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    shows_each_once(cluster.node("hq1")?, &written, PATIENCE).await?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_told_to_stop_hands_over_before_it_ends() -> Result<()> {
    let mut cluster = Cluster::three_voters_and_a_learner("lan").await?;
    let leader = cluster.leader(&[]).await?.leader.context("no leader")?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 40);
    writers.progress(20, PATIENCE).await?;
    let ended = cluster.node(&leader)?.terminate().await?;
    ensure!(ended.success(), "{leader} ended with {ended}");
    cluster.leader(&[&leader]).await?;
    writers.progress(20, PATIENCE).await?;
    cluster.node(&leader)?.start().await?;
    let written = writers.finish(PATIENCE).await?;
    for node in cluster.nodes() {
        shows_each_once(node, &written, PATIENCE).await?;
    }
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_folder_is_turned_away() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let first = cluster.node("hq1")?;
    let (data, ports) = (first.data(), first.ports);
    // The same folder; other ports, so that only the folder can be the reason.
    let other = tempfile::tempdir()?;
    let mut second = Node::new(other.path(), Place { name: "hq1", site: "HQ" })?;
    let text = std::fs::read_to_string(second.config())?;
    let (own, taken) = (format!("{:?}", second.data()), format!("{data:?}"));
    std::fs::write(second.config(), text.replace(&own, &taken))?;
    ensure!(second.ports.listen != ports.listen, "the ports should differ");
    second.spawn()?;
    let ended = second.ended(DRAIN).await?;
    ensure!(!ended.success(), "it ended well");
    let said = second.log()?;
    ensure!(said.contains("is another weir running on it?"), "{said}");
    ensure!(said.contains("是否有另一个 weir 在运行"), "{said}");
    second.did_not_panic()?;

    // The first is none the worse for it.
    cluster.ask("hq1", &["board", "set", "gate", "30%"]).await?.ended_with(0)?;
    cluster.end()
}
