//! Writes a second, three voters of Weir beside three members of etcd, by turns.
//! Each client has one connection to the leader and one key of its own, and sends
//! its next write when the last was answered. It refuses to count what was not
//! acknowledged, and checks at the end that what was counted is there.

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use weir_tests::cluster::Cluster;
use weir_tests::node::Place;

use crate::client::{Connection, Door, PATIENCE};
use crate::etcd::{self, Etcd, Timers};
use crate::report::{Both, Figure, Report, median};
use crate::settings::Settings;
use crate::store::Store;

const CLIENTS: [usize; 3] = [1, 64, 256];
/// Writes of one client in one round that may stay without a clear answer, as
/// after a change of leader.
const OPEN_MAX: u64 = 20;

/// Said once: what stands behind the two columns.
const NOTES: &str = "\
write: clients and both stores share this machine's cores; no network, no other load is meant
  to be there. Weir: 3 voters, profile lan, mutual TLS 1.3 between nodes, the leader's Unix
  socket (no TCP), an idempotency key each (made by the node), RocksDB with group commit.
  etcd: 3 members, no TLS, the leader's JSON gateway over TCP, which decodes base64 and calls
  its own gRPC port over loopback: a hop that etcd's gRPC clients do not pay. Both sync to
  the same disk before they answer; while one is measured the other only idles. The ratio
  therefore compares two stores by the HTTP API that each offers, not two Rafts.";

/// When a round counts.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// What became of one client's writes, counted or not.
#[derive(Debug, Default)]
struct Writes {
    /// Of those acknowledged within the window, in microseconds.
    latencies_us: Vec<u32>,
    acknowledged: u64,
    /// Perhaps written, perhaps not.
    open: u64,
}

/// Three voters, all running.
pub(crate) async fn three_voters() -> Result<Cluster> {
    let mut cluster = Cluster::found("lan").await?;
    for (name, site) in [("rc1", "RC"), ("r3", "R3")] {
        cluster.join(Place { name, site }, "voter").await?;
    }
    cluster.settled().await?;
    Ok(cluster)
}

async fn client(store: Store, door: Door, number: usize, window: Window) -> Result<Writes> {
    let mut writes = Writes::default();
    let mut connection = Connection::open(&door).await?;
    loop {
        let sent = Instant::now();
        if sent >= window.until {
            return Ok(writes);
        }
        let put = store.put(number, writes.acknowledged);
        match connection.post(put.path, put.body).await {
            Ok((status, _)) if status.is_success() => {
                let done = Instant::now();
                writes.acknowledged += 1;
                if done >= window.from && done <= window.until {
                    let us = u32::try_from((done - sent).as_micros()).unwrap_or(u32::MAX);
                    writes.latencies_us.push(us);
                }
            }
            Ok((status, _)) if status.is_server_error() => writes.open += 1,
            Ok((status, body)) => {
                bail!("{} answers {status}: {}", store.name(), String::from_utf8_lossy(&body))
            }
            Err(_) => {
                writes.open += 1;
                connection = Connection::open(&door).await?;
            }
        }
        ensure!(writes.open <= OPEN_MAX, "{} leaves too much open", store.name());
    }
}

/// What one client of a store was told so far, over all rounds.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    acknowledged: u64,
    open: u64,
}

/// One store and what it said.
struct Side {
    store: Store,
    told: Vec<Told>,
    /// Writes a second of each round at the present number of clients.
    rates: Vec<f64>,
}

impl Side {
    fn new(store: Store) -> Self {
        let most = CLIENTS.into_iter().max().unwrap_or(0);
        Self { store, told: vec![Told::default(); most], rates: Vec::new() }
    }

    async fn round(&mut self, door: &Door, clients: usize, settings: &Settings) -> Result<()> {
        let from = Instant::now() + settings.warm_up;
        let window = Window { from, until: from + settings.measured };
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let task = client(self.store, door.clone(), number, window);
            tasks.spawn(async move { (number, task.await) });
        }
        let mut latencies = Vec::new();
        let mut open = 0;
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                let (number, writes) = ended?;
                let writes = writes?;
                let told = self.told.get_mut(number).context("no such client")?;
                told.acknowledged += writes.acknowledged;
                told.open += writes.open;
                open += writes.open;
                latencies.extend(writes.latencies_us);
            }
            anyhow::Ok(())
        };
        let patience = settings.warm_up + settings.measured + 3 * PATIENCE;
        timeout(patience, all).await.context("a round did not end")??;
        latencies.sort_unstable();
        let rate = count(latencies.len()) / settings.measured.as_secs_f64();
        let [half, most] = [50, 99].map(|percent| percentile_ms(&latencies, percent));
        self.rates.push(rate);
        eprintln!(
            "  {clients:>3} clients {} {rate:>8.0} ops/s, p50 {half:>7.2} ms, p99 {most:>7.2} ms, \
             {open} open",
            self.store.name()
        );
        Ok(())
    }

    /// Every key was written as often as was acknowledged; what stayed open may
    /// have been written too.
    async fn kept(&self, door: &Door) -> Result<()> {
        let written = self.store.written(door).await?;
        for (number, told) in self.told.iter().enumerate() {
            let key = self.store.key(number);
            let found = written.get(&key).copied().unwrap_or(0);
            let (least, most) = (told.acknowledged, told.acknowledged + told.open);
            ensure!(
                (least..=most).contains(&found),
                "{}: {key} was written {found} times, and {least} to {most} were acknowledged",
                self.store.name()
            );
        }
        let all: u64 = self.told.iter().map(|told| told.acknowledged).sum();
        eprintln!("  {}: {all} writes acknowledged, each there once", self.store.name());
        Ok(())
    }
}

/// Counts here are far below what a float holds exactly.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let at = sorted_us.len().saturating_sub(1) * percent / 100;
    sorted_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
}

async fn leader_door(cluster: &mut Cluster) -> Result<Door> {
    let leader = cluster.leader(&[]).await?.leader.context("no leader")?;
    Ok(Door::Unix(cluster.node(&leader)?.socket()))
}

pub(crate) async fn run(settings: &Settings, report: &Report) -> Result<()> {
    let peer = etcd::version().await?;
    eprintln!("{NOTES}");
    let mut cluster = three_voters().await?;
    let etcd = Etcd::start(Timers::DEFAULT).await?;
    let (mut ours, mut theirs) = (Side::new(Store::Weir), Side::new(Store::Etcd));
    for clients in CLIENTS {
        for round in 0..settings.rounds {
            // Whoever leads now: it may have changed.
            let doors = (leader_door(&mut cluster).await?, etcd.leader_door().await?);
            if round.is_multiple_of(2) {
                ours.round(&doors.0, clients, settings).await?;
                theirs.round(&doors.1, clients, settings).await?;
            } else {
                theirs.round(&doors.1, clients, settings).await?;
                ours.round(&doors.0, clients, settings).await?;
            }
        }
        let both = Both {
            peer: peer.clone(),
            ours: median(std::mem::take(&mut ours.rates))?,
            theirs: median(std::mem::take(&mut theirs.rates))?,
        };
        let name = format!("consensus.write.c{clients}");
        report.figure(&Figure::more_is_better(name, "ops/s", both)).await?;
    }
    ours.kept(&leader_door(&mut cluster).await?).await?;
    theirs.kept(&etcd.leader_door().await?).await?;
    cluster.end()
}
