//! A time-out is unknown, never an error and never a success; asked again with
//! the same key it becomes one of them, once.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use weir_tests::api::{Api, ApiError};
use weir_tests::cluster::Cluster;
use weir_tests::wait::eventually;

/// Longer than a node takes to say that an outcome is unknown.
const ANSWER: Duration = Duration::from_secs(20);
const TEXT: &str = "open gate 3 to 30 %";
const PATIENCE: Duration = Duration::from_secs(30);

/// Freezes two of three voters, writes through the third, thaws them and asks
/// again.
async fn write_without_quorum(
    leader_stays: bool,
    once: Option<&str>,
    allowed: &[&str],
) -> Result<()> {
    let mut cluster = Cluster::three_voters_and_a_learner("lan").await?;
    let leader = cluster.leader(&[]).await?.leader.context("no leader")?;
    let followers: Vec<&str> =
        ["hq1", "rc1", "r3"].into_iter().filter(|name| *name != leader).collect();
    let (left, frozen) = match leader_stays {
        true => (leader.as_str(), followers.clone()),
        false => (followers[0], vec![leader.as_str(), followers[1]]),
    };
    for name in &frozen {
        cluster.node(name)?.freeze().await?;
    }

    let mut api = Api::new(cluster.node(left)?.socket(), ANSWER);
    let first = match once {
        Some(once) => api.post("gate", TEXT, once).await,
        None => api.post_without_key("gate", TEXT).await,
    };
    let Err(ApiError::Problem(problem)) = &first else {
        bail!("without a quorum the answer was {first:?}")
    };
    ensure!(allowed.contains(&problem.name()), "{problem:?}");
    let named = problem.idempotency_key.clone();
    ensure!(named.is_some() == (problem.name() == "outcome-unknown"), "{problem:?}");
    // Who gave no key asks again with the one that the problem names.
    let once = once.map(str::to_owned).or(named).context("no key to ask again with")?;
    ensure!(problem.detail.contains('，') || problem.detail.contains('：'), "{problem:?}");

    for name in &frozen {
        cluster.node(name)?.thaw().await?;
    }
    let again = eventually("the same key is answered", PATIENCE, async || {
        Ok(api.post("gate", TEXT, &once).await?)
    })
    .await?;
    ensure!(again.revision == 1, "carried out {} times", again.revision);
    let third = api.post("gate", TEXT, &once).await?;
    ensure!(third == again, "asked again, another answer: {third:?} after {again:?}");
    cluster.settled().await?;
    for node in cluster.nodes() {
        let api = &mut node.api();
        eventually("the write is there once", PATIENCE, async || {
            let board = api.board().await?;
            let revisions: Vec<u64> = board.iter().map(|line| line.revision).collect();
            ensure!(revisions == [1], "{} shows {board:?}", node.name);
            Ok(())
        })
        .await?;
    }
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_its_followers_calls_a_write_unknown() -> Result<()> {
    write_without_quorum(true, None, &["outcome-unknown"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_left_alone_claims_neither_success_nor_refusal() -> Result<()> {
    write_without_quorum(false, Some("gate-1"), &["outcome-unknown", "no-leader"]).await
}
