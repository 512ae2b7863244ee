//! What a satellite site costs while nothing happens: one voter and one learner
//! behind an emulated satellite, alone in a network namespace, whose loopback
//! device counts every IP packet whole. It refuses to measure where others send.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use weir_tests::api::Api;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::wait::eventually;

use crate::report::{Figure, Report};
use crate::settings::Settings;

/// The satellite of the stories.
const SATELLITE: &str = "[satellite]\nup_kbps = 384\n[emulate]\nrtt_ms = 640\nup_kbps = 384\n\
                         down_kbps = 128\nloss_ppm = 10000\n";
/// IPv4 and UDP, of each datagram.
const HEADERS_BYTES: u64 = 28;
/// For one question to a node.
const ASK: Duration = Duration::from_secs(5);
/// How long the nodes may go on after they have settled.
const SETTLE: Duration = Duration::from_secs(120);
/// Nothing new was agreed on for as long: they are idle.
const QUIET: Duration = Duration::from_secs(15);

const NOTES: &str = "\
satellite: one voter (hq1) and one learner (r5) behind 640 ms, 384/128 kbit/s, 1 % loss; both
  directions together, IPv4 and UDP headers included as the loopback device of a namespace of
  their own counts them (no link layer: the modem's framing comes on top). The API is asked
  over Unix sockets, which no device carries. What the emulator drops on r5's way up was
  sent by QUIC and is not on the device. 1 MB is 1,000,000 B.";

/// What the loopback device and UDP have carried so far.
#[derive(Debug, Clone, Copy)]
struct Carried {
    /// IP packets, whole.
    bytes: u64,
    packets: u64,
    datagrams: u64,
    /// What QUIC says it sent, without headers.
    up_bytes: u64,
    down_bytes: u64,
}

/// Bytes and packets received on loopback, which is all that was sent there.
fn loopback() -> Result<(u64, u64)> {
    let table = std::fs::read_to_string("/proc/self/net/dev")?;
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix("lo:"));
    let mut columns = line.context("no loopback device")?.split_whitespace();
    let mut next = || columns.next().context("a column is missing")?.parse().context("no number");
    Ok((next()?, next()?))
}

fn datagrams() -> Result<u64> {
    let table = std::fs::read_to_string("/proc/self/net/snmp")?;
    let mut udp = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (udp.next().context("no UDP")?, udp.next().context("no UDP")?);
    let mut columns = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = columns.find(|(name, _)| *name == "OutDatagrams").context("no datagrams")?;
    Ok(value.parse()?)
}

/// Of all its connections, as the node's status has it.
async fn sent_bytes(node: &mut Api) -> Result<u64> {
    let (status, body) = node.plain("/api/v1/status").await?;
    ensure!(status.is_success(), "no status: {status}");
    let said: Value = serde_json::from_str(&body)?;
    let peers = said["peers"].as_array().context("no peers")?;
    Ok(peers.iter().filter_map(|peer| peer["sent_bytes"].as_u64()).sum())
}

async fn carried(hub: &mut Api, site: &mut Api) -> Result<Carried> {
    let (bytes, packets) = loopback()?;
    let datagrams = datagrams()?;
    let (up_bytes, down_bytes) = (sent_bytes(site).await?, sent_bytes(hub).await?);
    Ok(Carried { bytes, packets, datagrams, up_bytes, down_bytes })
}

impl Carried {
    fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            packets: self.packets.saturating_sub(before.packets),
            datagrams: self.datagrams.saturating_sub(before.datagrams),
            up_bytes: self.up_bytes.saturating_sub(before.up_bytes),
            down_bytes: self.down_bytes.saturating_sub(before.down_bytes),
        }
    }
}

async fn satellite_site() -> Result<Cluster> {
    let mut cluster = Cluster::found("lan").await?;
    let mut site = Node::new(cluster.folder(), Place { name: "r5", site: "R5" })?;
    let file = std::fs::read_to_string(site.config())?;
    std::fs::write(site.config(), format!("{file}{SATELLITE}"))?;
    let token = cluster.token("hq1", "learner", None).await?;
    site.command(&["join", "--token", &token, "--role", "learner"]).await?;
    site.start().await?;
    cluster.adopt(site);
    cluster.settled().await?;
    Ok(cluster)
}

/// Waits until nothing new was agreed on for [`QUIET`].
async fn idle(hub: &mut Api, site: &mut Api) -> Result<()> {
    let mut last = (0, Instant::now());
    eventually("nothing is left to agree on", SETTLE, async || {
        let (here, there) = (hub.status().await?.applied, site.status().await?.applied);
        ensure!(here == there, "r5 has {there} of {here}");
        if here != last.0 {
            last = (here, Instant::now());
        }
        ensure!(last.1.elapsed() >= QUIET, "entry {here} is new");
        Ok(())
    })
    .await
}

fn float(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

pub(crate) async fn run(settings: &Settings, report: &Report) -> Result<()> {
    let (_, already) = loopback()?;
    ensure!(
        already == 0,
        "请用 make bench-consensus 运行 / others send here too: run this in a network namespace \
         of its own, as ops/setup/bench.sh does"
    );
    eprintln!("{NOTES}");
    let mut cluster = satellite_site().await?;
    let mut hub = Api::new(cluster.node("hq1")?.socket(), ASK);
    let mut site = Api::new(cluster.node("r5")?.socket(), ASK);
    idle(&mut hub, &mut site).await?;

    let (before, began) = (carried(&mut hub, &mut site).await?, Instant::now());
    let mut end = interval_at(began + settings.idle, settings.idle);
    end.set_missed_tick_behavior(MissedTickBehavior::Delay);
    end.tick().await;
    let (seen, lasted) = (carried(&mut hub, &mut site).await?.since(before), began.elapsed());

    let Carried { bytes, packets, datagrams, up_bytes, down_bytes } = seen;
    let headers = packets * HEADERS_BYTES;
    eprintln!(
        "  {lasted:.1?}: {packets} packets ({datagrams} datagrams) of {bytes} B, {headers} B of it \
         headers; QUIC sent {up_bytes} B up and {down_bytes} B down, emulated loss included"
    );
    // A node that was in truth not idle, or not counted.
    ensure!(packets > 0, "nothing was carried: the keep-alive is missing or was not counted");
    let per_hour = float(bytes) * 3600.0 / lasted.as_secs_f64() / 1e6;
    report.figure(&Figure::alone("consensus.satellite.idle", per_hour, "MB/h")).await?;
    cluster.end()
}
