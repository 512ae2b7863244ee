//! The leader dies, again and again, while sixteen clients write: how long until
//! somebody else leads, and whether anything acknowledged was lost or doubled.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use weir_tests::api::Api;
use weir_tests::cluster::Cluster;
use weir_tests::wait::eventually;
use weir_tests::writers::{Writers, shows_each_once};

const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);
/// For one look at a node: far below what is measured.
const LOOK: Duration = Duration::from_millis(100);
/// Between tries of a write that was not answered.
const AGAIN: Duration = Duration::from_millis(20);
/// How many times the leader is killed, unless `WEIR_KILLS` says otherwise.
const KILLS: u32 = 5;

fn kills() -> Result<u32> {
    match std::env::var("WEIR_KILLS") {
        Ok(text) => text.parse().context("WEIR_KILLS is not a number"),
        Err(_) => Ok(KILLS),
    }
}

/// What one kill cost.
struct Outage {
    /// Until a survivor named another leader.
    leader: Duration,
    /// Until a write begun after the kill was acknowledged.
    write: Duration,
}

/// Writes through one survivor until it is acknowledged.
async fn probe(door: PathBuf, key: String, kill: u32, killed: Instant) -> Result<Duration> {
    let mut api = Api::new(door, PATIENCE);
    let mut ticks = interval(AGAIN);
    while killed.elapsed() < PATIENCE {
        ticks.tick().await;
        match api.post(&key, "is anybody there?", &format!("{key}-{kill}")).await {
            Ok(_) => return Ok(killed.elapsed()),
            Err(error) if error.is_open() => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("no write within {PATIENCE:?}")
}

/// Looks at the survivors from the moment of the kill.
async fn watch(
    doors: Vec<PathBuf>,
    dead: String,
    kill: u32,
    killed: Instant,
) -> Result<(Duration, Duration)> {
    let mut tasks = JoinSet::new();
    for (number, door) in doors.iter().cloned().enumerate() {
        tasks.spawn(probe(door, format!("probe-{number}"), kill, killed));
    }
    let mut survivors: Vec<_> = doors.into_iter().map(|door| Api::new(door, LOOK)).collect();
    let leader = eventually("a survivor names another leader", PATIENCE, async || {
        for api in &mut survivors {
            let Ok(status) = api.status().await else { continue };
            if status.leader.is_some_and(|leader| leader != dead) {
                return Ok(killed.elapsed());
            }
        }
        anyhow::bail!("nobody leads")
    })
    .await?;
    let write = tasks.join_next().await.context("no survivors")???;
    Ok((leader, write))
}

/// Kills the leader, measures, and brings it back.
async fn kill_the_leader(cluster: &mut Cluster, number: u32) -> Result<Outage> {
    let dead = cluster.leader(&[]).await?.leader.context("no leader")?;
    let survivors = cluster.nodes().iter().filter(|node| node.name != dead);
    let doors = survivors.map(|node| node.socket()).collect();
    let killed = Instant::now();
    cluster.node(&dead)?.kill()?;
    let (leader, write) = watch(doors, dead.clone(), number, killed).await?;
    println!("  {number:>2} {dead:<4} leader {:>4} ms, write {:>4} ms", ms(leader), ms(write));
    cluster.node(&dead)?.start().await?;
    cluster.settled().await?;
    Ok(Outage { leader, write })
}

fn ms(time: Duration) -> u128 {
    time.as_millis()
}

fn spread(what: &str, mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    let (least, most) = (times.first()?, times.last()?);
    let median = times.get(times.len() / 2)?;
    let [least, median, most_ms] = [least, median, most].map(|time| ms(*time));
    println!("{what}: min {least} ms, median {median} ms, max {most_ms} ms");
    Some(*most)
}

async fn leaders_killed(profile: &str, bound: Duration) -> Result<()> {
    let mut cluster = Cluster::three_voters_and_a_learner(profile).await?;
    let mut writers = Writers::start(CLIENTS, cluster.doors(), 40);
    let mut outages = Vec::new();
    for number in 1..=kills()? {
        writers.progress(10, PATIENCE).await?;
        outages.push(kill_the_leader(&mut cluster, number).await?);
    }
    writers.progress(10, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    for node in cluster.nodes() {
        shows_each_once(node, &written, PATIENCE).await?;
    }
    let writes: u64 = written.iter().map(|one| one.revision).sum();
    let unanswered: u64 = written.iter().map(|one| one.unanswered).sum();
    println!("{profile}: {writes} writes, each there once at 4 nodes; {unanswered} asked again");
    let leader = spread(
        &format!("{profile}: kill to new leader"),
        outages.iter().map(|outage| outage.leader).collect(),
    );
    let write = spread(
        &format!("{profile}: kill to first write"),
        outages.iter().map(|outage| outage.write).collect(),
    );
    ensure!(leader <= Some(bound), "a new leader took {leader:?}, more than {bound:?}");
    ensure!(write <= Some(bound), "the first write took {write:?}, more than {bound:?}");
    cluster.end()
}

mod lan {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dead_leader_is_replaced_within_a_second_and_nothing_is_lost() -> Result<()> {
        leaders_killed("lan", Duration::from_secs(1)).await
    }
}

mod wan {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dead_leader_is_replaced_within_2500_ms_and_nothing_is_lost() -> Result<()> {
        leaders_killed("wan", Duration::from_millis(2500)).await
    }
}
