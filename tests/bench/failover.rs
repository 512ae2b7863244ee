//! From the kill of a leader to the first write that a survivor acknowledges,
//! under sixteen writers, Weir beside etcd in blocks. The same probe asks both.
//! It refuses a write that began before the kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use weir_tests::wait::eventually;
use weir_tests::writers::{Writers, shows_each_once};

use crate::client::{Connection, Door};
use crate::etcd::{self, Etcd, Timers};
use crate::report::{Both, Figure, Report, median};
use crate::settings::Settings;
use crate::store::{Store, VALUE_BYTES};
use crate::write::three_voters;

const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);
/// For one try of a probe or writer: a write handed to a dead leader may never
/// be answered.
const TRY: Duration = Duration::from_secs(2);
/// Between tries of a probe at each survivor, whether or not earlier ones were
/// answered; also between a writer's.
const AGAIN: Duration = Duration::from_millis(20);
/// Writes at one member before the next is its turn.
const TURN: u64 = 16;
/// Of the probe; the writers' are below it.
const PROBE: usize = 999;

const NOTES: &str = "\
failover: SIGKILL of the leader, 16 writers over all nodes; a probe at each survivor begins a
  write every 20 ms, each with 2 s of patience, and the first acknowledged one counts. Weir's
  profile lan: heartbeat 50 ms, election 150 to 300 ms. The peer in consensus.failover has
  its defaults (100 ms, 1000 ms), which trade speed for calm; in consensus.failover.tuned it
  has 50 ms and 250 ms, the shortest that it takes with that heartbeat.";

/// Begins and ends one write.
async fn try_once(store: Store, door: Door, client: usize, number: u64) -> bool {
    let put = store.put(client, number);
    let tried = timeout(TRY, async {
        let mut connection = Connection::open(&door).await?;
        let (status, _) = connection.post(put.path, put.body).await?;
        anyhow::Ok(status.is_success())
    });
    matches!(tried.await, Ok(Ok(true)))
}

/// How long after `killed` a survivor acknowledged a write.
async fn first_write(store: Store, survivors: &[Door], killed: Instant) -> Result<Duration> {
    // Never more than patience allows: TRY / AGAIN at each survivor.
    let mut tries = JoinSet::new();
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while killed.elapsed() < PATIENCE {
        tokio::select! {
            biased;
            Some(ended) = tries.join_next() => {
                if ended? {
                    return Ok(killed.elapsed());
                }
            }
            _ = ticks.tick() => {
                number += 1;
                for door in survivors {
                    tries.spawn(try_once(store, door.clone(), PROBE, number));
                }
            }
        }
    }
    bail!("{}: no write within {PATIENCE:?}", store.name())
}

/// Writers at etcd as [`Writers`] are at Weir: on to the next member after some
/// writes, and at once when one stays without an answer.
struct PeerWriters {
    acknowledged: Vec<Arc<AtomicU64>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl PeerWriters {
    fn start(doors: &[Door]) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut acknowledged = Vec::new();
        for number in 0..CLIENTS {
            let count = Arc::new(AtomicU64::new(0));
            acknowledged.push(count.clone());
            let (doors, stop) = (doors.to_vec(), stop.clone());
            tasks.spawn(async move { write(number, &doors, &stop, &count).await });
        }
        Self { acknowledged, stop, tasks }
    }

    async fn progress(&self, more: u64) -> Result<()> {
        let read = || -> Vec<u64> {
            self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect()
        };
        let before = read();
        eventually("every client goes on writing", PATIENCE, async || {
            let behind = before.iter().zip(read()).any(|(then, now)| now < then + more);
            ensure!(!behind, "some clients of etcd wait for an answer");
            Ok(())
        })
        .await
    }

    async fn finish(mut self) -> Result<()> {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        timeout(PATIENCE, all).await.context("some writers of etcd did not end")
    }
}

async fn write(number: usize, doors: &[Door], stop: &CancellationToken, count: &AtomicU64) {
    let mut turn = number;
    let mut connection = None;
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        let written = count.load(Ordering::SeqCst);
        let Some(door) = doors.get(turn % doors.len().max(1)) else { return };
        let put = Store::Etcd.put(number, written);
        let tried = timeout(TRY, async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(door).await?,
            };
            let (status, _) = open.post(put.path, put.body).await?;
            anyhow::Ok((open, status.is_success()))
        });
        match tried.await {
            Ok(Ok((open, true))) => {
                count.store(written + 1, Ordering::SeqCst);
                if (written + 1).is_multiple_of(TURN) {
                    turn += 1;
                } else {
                    connection = Some(open);
                }
            }
            _ => {
                turn += 1;
                ticks.tick().await;
            }
        }
    }
}

fn show(what: &str, number: u32, outage: Duration) -> f64 {
    let ms = outage.as_secs_f64() * 1000.0;
    eprintln!("  {what} kill {number:>2}: first write after {ms:>6.0} ms");
    ms
}

async fn weir_block(kills: u32, outages: &mut Vec<f64>) -> Result<()> {
    let mut cluster = three_voters().await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), VALUE_BYTES);
    for number in 1..=kills {
        writers.progress(10, PATIENCE).await?;
        let dead = cluster.leader(&[]).await?.leader.context("no leader")?;
        let survivors = cluster.nodes().iter().filter(|node| node.name != dead);
        let survivors: Vec<_> = survivors.map(|node| Door::Unix(node.socket())).collect();
        let killed = Instant::now();
        cluster.node(&dead)?.kill()?;
        let outage = first_write(Store::Weir, &survivors, killed).await?;
        outages.push(show("weir", number, outage));
        cluster.node(&dead)?.start().await?;
        cluster.settled().await?;
    }
    let written = writers.finish(PATIENCE).await?;
    for node in cluster.nodes() {
        shows_each_once(node, &written, PATIENCE).await?;
    }
    cluster.end()
}

async fn etcd_block(timers: Timers, kills: u32, outages: &mut Vec<f64>) -> Result<()> {
    let mut etcd = Etcd::start(timers).await?;
    let writers = PeerWriters::start(&etcd.doors());
    let what = format!("etcd {}/{} ms", timers.heartbeat_ms, timers.election_ms);
    for number in 1..=kills {
        writers.progress(10).await?;
        let dead = etcd.leader().await?;
        let mut survivors = etcd.doors();
        survivors.remove(dead);
        let killed = Instant::now();
        etcd.kill(dead)?;
        let outage = first_write(Store::Etcd, &survivors, killed).await?;
        outages.push(show(&what, number, outage));
        etcd.restart(dead).await?;
    }
    writers.finish().await
}

pub(crate) async fn run(settings: &Settings, report: &Report) -> Result<()> {
    let peer = etcd::version().await?;
    eprintln!("{NOTES}");
    let (mut ours, mut theirs, mut tuned) = (Vec::new(), Vec::new(), Vec::new());
    let first = settings.kills.div_ceil(2);
    let second = settings.kills - first;
    weir_block(first, &mut ours).await?;
    etcd_block(Timers::DEFAULT, first, &mut theirs).await?;
    etcd_block(Timers::TUNED, first, &mut tuned).await?;
    if second > 0 {
        etcd_block(Timers::TUNED, second, &mut tuned).await?;
        etcd_block(Timers::DEFAULT, second, &mut theirs).await?;
        weir_block(second, &mut ours).await?;
    }
    let ours = median(ours)?;
    let Timers { heartbeat_ms, election_ms } = Timers::TUNED;
    let quick = format!("{peer}, heartbeat {heartbeat_ms} ms, election {election_ms} ms");
    let peers = [("consensus.failover", peer, theirs), ("consensus.failover.tuned", quick, tuned)];
    for (name, peer, theirs) in peers {
        let both = Both { peer, ours, theirs: median(theirs)? };
        report.figure(&Figure::less_is_better(name.into(), "ms", both)).await?;
    }
    Ok(())
}
