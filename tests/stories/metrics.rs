//! What Prometheus reads off a node.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_tests::capability;
use weir_tests::cluster::Cluster;
use weir_tests::program::run;

const PATIENCE: Duration = Duration::from_secs(10);

/// As a scraper does: over TCP, from the metrics address.
pub(crate) async fn scrape(at: std::net::SocketAddr, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(at).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        anyhow::Ok(text)
    };
    timeout(PATIENCE, exchange).await.context("no answer to a scrape")?
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_say_about_a_running_node() -> Result<()> {
    let promtool = capability::tool("promtool", "prometheus")?;
    let mut cluster = Cluster::three_voters_and_a_learner("lan").await?;
    cluster.ask("r5", &["board", "set", "gate", "30%"]).await?.ended_with(0)?;
    let answer = scrape(cluster.node("r5")?.metrics(), "/metrics").await?;
    let (head, text) = answer.split_once("\r\n\r\n").context("no body")?;
    ensure!(head.starts_with("HTTP/1.1 200") && !head.contains("chunked"), "{head}");
    for series in [
        "weir_raft_leader_known 1",
        "weir_journal_seq 1",
        "weir_journal_unrecorded 0",
        "weir_proposals_total{outcome=\"decided\"} 1",
        "weir_link_connected{peer=\"hq1\"} 1",
    ] {
        ensure!(text.lines().any(|line| line == series), "no {series} in {text}");
    }
    let file = cluster.folder().join("metrics.txt");
    std::fs::write(&file, text)?;
    let judge = "exec \"$0\" check metrics < \"$1\"";
    let words = ["-c", judge, &promtool.to_string_lossy(), &file.to_string_lossy()];
    let judged = run("sh", words).await?.ended_with(0)?;
    ensure!(judged.err.is_empty() && judged.out.is_empty(), "{judged:?}");

    // What changes something is not to be had from there.
    let answer = scrape(cluster.node("r5")?.metrics(), "/api/v1/board").await?;
    ensure!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    cluster.end()
}
