//! What a satellite carries for one activation: IP packets whole, in a network
//! namespace of one's own, where only the link speaks IPv6, because loudspeakers
//! speak IPv4. It refuses to measure where others send.

use std::net::{Ipv6Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use weir_tests::api::Api;

use crate::plans::{PAIR, float};
use crate::plans_site::{Site, seldom};
use crate::report::{Figure, Report, median};
use crate::settings::Settings;

/// How long the nodes may go on after they have settled.
const SETTLE: Duration = Duration::from_secs(120);
/// Nothing new was agreed on for as long: they are idle.
const QUIET: Duration = Duration::from_secs(15);

/// By which an IPv6 header is longer than an IPv4 header.
const LONGER_BYTES: u64 = 20;

const NOTES: &str = "\
bytes: one voter (hq1) and learner r5 behind the satellite, its 7 loudspeakers beside it. The
  link between hq1 and r5 is on IPv6 and all else on IPv4, so the namespace's IPv6 counters
  are the link's alone: packets whole, IP and UDP headers included, both directions together
  (no link layer: the modem's framing comes on top). Of each packet 20 B are taken off, so
  that the figure is that of IPv4. From the click until the first step (aud-red in both
  zones, 2 repeats) is done and hq1 holds its record; what as long a time costs while idle
  is taken off. Median of the activations. What the emulator drops on r5's way up (1 %) was
  sent by QUIC and is not counted. The API is asked over Unix sockets.";

/// What IPv6 has carried so far, as IPv4 would have, and what QUIC says it sent,
/// without headers.
#[derive(Debug, Clone, Copy)]
struct Carried {
    bytes: u64,
    packets: u64,
    datagrams: u64,
    quic_bytes: u64,
}

/// A counter of the namespace.
fn counter(name: &str) -> Result<u64> {
    let table = std::fs::read_to_string("/proc/net/snmp6").context("no IPv6 here")?;
    let mut lines = table.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let (_, value) = lines.find(|(one, _)| *one == name).with_context(|| format!("no {name}"))?;
    Ok(value.trim().parse()?)
}

/// To be asked before the first node starts.
pub(crate) fn nobody_else_sends() -> Result<()> {
    ensure!(
        counter("Ip6OutOctets")? == 0,
        "请用 make bench-plans 运行 / others send here too: run this in a network namespace of \
         its own, as ops/setup/bench.sh does"
    );
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).context(
        "本机未启用 IPv6，请启用回环设备的 IPv6 / there is no IPv6 here; let the loopback device \
         have it: sysctl net.ipv6.conf.default.disable_ipv6=0",
    )?;
    Ok(())
}

async fn sent_bytes(node: &mut Api) -> Result<u64> {
    let (status, body) = node.plain("/api/v1/status").await?;
    ensure!(status.is_success(), "no status: {status}");
    let said: Value = serde_json::from_str(&body)?;
    let peers = said["peers"].as_array().context("no peers")?;
    Ok(peers.iter().filter_map(|peer| peer["sent_bytes"].as_u64()).sum())
}

impl Carried {
    async fn now(site: &mut Site) -> Result<Self> {
        let quic_bytes = sent_bytes(&mut site.hub()?).await? + sent_bytes(&mut site.api()?).await?;
        let packets = counter("Ip6OutRequests")?;
        let bytes = counter("Ip6OutOctets")?.saturating_sub(packets * LONGER_BYTES);
        Ok(Self { bytes, packets, datagrams: counter("Udp6OutDatagrams")?, quic_bytes })
    }

    fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            packets: self.packets.saturating_sub(before.packets),
            datagrams: self.datagrams.saturating_sub(before.datagrams),
            quic_bytes: self.quic_bytes.saturating_sub(before.quic_bytes),
        }
    }

    fn told(self, what: &str, lasted: Duration) {
        let Self { bytes, packets, datagrams, quic_bytes } = self;
        eprintln!(
            "  {what}, {lasted:.1?}: {bytes} B in {packets} packets ({datagrams} datagrams); QUIC \
             sent {quic_bytes} B, without headers and before emulated loss"
        );
    }
}

/// Waits until nothing new was agreed on for [`QUIET`].
async fn quiet(site: &mut Site) -> Result<()> {
    let (mut hub, mut far) = (site.hub()?, site.api()?);
    let mut last = (0, Instant::now());
    seldom("nothing is left to agree on", SETTLE, async || {
        let (here, there) = (hub.status().await?.applied, far.status().await?.applied);
        ensure!(here == there, "the site has {there} of {here}");
        if here != last.0 {
            last = (here, Instant::now());
        }
        ensure!(last.1.elapsed() >= QUIET, "entry {here} is new");
        Ok(())
    })
    .await
}

/// Bytes a second while nothing happens.
async fn idle(settings: &Settings, site: &mut Site) -> Result<f64> {
    quiet(site).await?;
    let (before, began) = (Carried::now(site).await?, Instant::now());
    let mut end = interval_at(began + settings.idle, settings.idle);
    end.set_missed_tick_behavior(MissedTickBehavior::Delay);
    end.tick().await;
    let (seen, lasted) = (Carried::now(site).await?.since(before), began.elapsed());
    seen.told("idle", lasted);
    ensure!(seen.packets > 0, "nothing was carried: the keep-alive is missing or not counted");
    Ok(float(seen.bytes) / lasted.as_secs_f64())
}

/// What one activation costs beyond `idle` bytes a second.
async fn activation(site: &mut Site, idle: f64) -> Result<f64> {
    quiet(site).await?;
    let (before, began) = (Carried::now(site).await?, Instant::now());
    let run = site.launch().await?;
    site.all_sound(&run).await?;
    site.first_step_known(&run).await?;
    let (seen, lasted) = (Carried::now(site).await?.since(before), began.elapsed());
    seen.told("activation", lasted);
    site.abort(&run).await?;
    Ok(float(seen.bytes) - idle * lasted.as_secs_f64())
}

pub(crate) async fn run(settings: &Settings, clicks: u32, report: &Report) -> Result<()> {
    eprintln!("{NOTES}");
    let mut site = Site::begin(&PAIR).await?;
    let idle = idle(settings, &mut site).await?;
    let mut each = Vec::new();
    for _ in 0..clicks {
        each.push(activation(&mut site, idle).await?);
    }
    eprintln!("  beyond {idle:.0} B/s of idle: {each:.0?} B");
    report.figure(&Figure::alone("plans.satellite.bytes", median(each)?.round(), "B")).await?;
    site.end()
}
