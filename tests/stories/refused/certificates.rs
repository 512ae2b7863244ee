//! Nodes that are not who they claim, were taken out, or belong elsewhere: the
//! others refuse to speak to them, and say why.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::cluster::Cluster;
use weir_tests::node::{DRAIN, Node, Place};
use weir_tests::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `node` says that it does not speak with `peer`, because `why`.
async fn refuses(node: &Node, peer: &str, why: &str) -> Result<()> {
    let mut api = node.api();
    eventually(&format!("{} says of {peer}: {why}", node.name), PATIENCE, async || {
        let status = api.status().await?;
        let found = status.peers.iter().find(|found| found.node == peer);
        let found = found.with_context(|| format!("no {peer} in {status:?}"))?;
        ensure!(!found.connected, "it is connected");
        let failure = found.last_failure.clone().unwrap_or_default();
        ensure!(failure.contains(why), "it says {failure:?}");
        Ok(())
    })
    .await
}

fn swap(one: &Path, other: &Path) -> Result<()> {
    let aside = one.with_extension("aside");
    fs::rename(one, &aside)?;
    fs::rename(other, one)?;
    Ok(fs::rename(aside, other)?)
}

/// The learner r5 is joined by a second learner, r6, beside the voter hq1.
async fn with_two_learners() -> Result<Cluster> {
    let mut cluster = Cluster::found("lan").await?;
    for (name, site) in [("r5", "R5"), ("r6", "R6")] {
        cluster.join(Place { name, site }, "learner").await?;
    }
    cluster.settled().await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_in_anothers_place_is_refused_by_all() -> Result<()> {
    let mut cluster = with_two_learners().await?;
    let (r5, r6) = (cluster.node("r5")?.data(), cluster.node("r6")?.data());
    cluster.node("r5")?.kill()?;
    cluster.node("r6")?.kill()?;
    // r6's whole life in r5's place: its certificate is good, but not r5's.
    swap(&r5, &r6)?;
    cluster.node("r5")?.start().await?;
    let why = "another node answers at this address or claims this id";
    refuses(cluster.node("hq1")?, "r5", why).await?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_anothers_certificate_does_not_start() -> Result<()> {
    let mut cluster = with_two_learners().await?;
    let (r5, r6) = (cluster.node("r5")?.data(), cluster.node("r6")?.data());
    cluster.node("r5")?.kill()?;
    cluster.node("r6")?.kill()?;
    swap(&r5.join("identity"), &r6.join("identity"))?;
    let node = cluster.node("r5")?;
    node.spawn()?;
    let ended = node.ended(DRAIN).await?;
    ensure!(!ended.success(), "it ended well");
    let said = node.log()?;
    ensure!(said.contains("belongs to n3") && said.contains("属于 n3"), "{said}");

    // Renamed to fit, the certificate still says whose it is.
    let leaf = r5.join("identity/node.pem");
    let text = fs::read_to_string(&leaf)?;
    ensure!(text.contains("node: 3"), "how does it name its node? {text}");
    fs::write(&leaf, text.replace("node: 3", "node: 2"))?;
    let node = cluster.node("r5")?;
    node.spawn()?;
    ensure!(!node.ended(DRAIN).await?.success(), "it ended well");
    let said = node.log()?;
    ensure!(said.contains("its lines name another node"), "{said}");
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_finds_no_way_back() -> Result<()> {
    let mut cluster = with_two_learners().await?;
    cluster.node("r5")?.kill()?;
    cluster.ask("hq1", &["member", "remove", "r5"]).await?.ended_with(0)?;
    let before = cluster.node("hq1")?.api().status().await?;
    cluster.node("r5")?.start().await?;
    let why = "removed or its certificate revoked";
    refuses(cluster.node("r5")?, "hq1", why).await?;
    // It hears of nothing decided since, and can decide nothing.
    cluster.ask("hq1", &["board", "set", "gate", "30%"]).await?.ended_with(0)?;
    let board = cluster.node("r5")?.api().board().await?;
    ensure!(board.is_empty(), "the removed node sees {board:?}");
    let after = cluster.node("hq1")?.api().status().await?;
    ensure!(after.term == before.term, "it disturbed the leader: {before:?}, {after:?}");
    let connected = after.peers.iter().filter(|peer| peer.connected);
    let connected: Vec<_> = connected.map(|peer| peer.node.as_str()).collect();
    ensure!(connected == ["r6"], "{:?}", after.peers);
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_removed_while_it_runs_is_cut_off_at_once() -> Result<()> {
    let mut cluster = with_two_learners().await?;
    cluster.ask("hq1", &["member", "remove", "r5"]).await?.ended_with(0)?;
    // Whatever it asks for now is turned away, and it can say why.
    cluster.ask("r5", &["board", "set", "gate", "30%"]).await?.ended_with(5)?;
    refuses(cluster.node("r5")?, "hq1", "removed or its certificate revoked").await?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_in_our_place_is_refused() -> Result<()> {
    let mut cluster = with_two_learners().await?;
    cluster.node("r5")?.kill()?;
    let ports = cluster.node("r5")?.ports;
    let mut theirs = Cluster::empty()?;
    let node = Node::at(theirs.folder(), Place { name: "r5", site: "R5" }, ports)?;
    node.command(&["init", "--profile", "lan"]).await?;
    theirs.adopt(node);
    theirs.node("r5")?.start().await?;
    refuses(cluster.node("hq1")?, "r5", "signed by another cluster's CA").await?;
    theirs.end()?;
    cluster.end()
}
