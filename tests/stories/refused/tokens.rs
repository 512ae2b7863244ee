//! Tokens that do not open: each refusal says which it is and what to do.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_link::Token;
use weir_tests::cluster::Cluster;
use weir_tests::node::{Node, Place};
use weir_tests::program::{Finished, weir};
use weir_tests::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

/// `weir join` with a token, as a node of its own.
async fn join(cluster: &Cluster, name: &str, token: &str) -> Result<Finished> {
    let node = Node::new(cluster.folder(), Place { name, site: "R3" })?;
    let config = node.config().to_string_lossy().into_owned();
    let done = weir(["join", "-c", &config, "--token", token]).await?;
    if done.code != Some(0) {
        ensure!(!node.data().join("cluster.json").exists(), "{name} joined although refused");
    }
    Ok(done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_once() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let token = cluster.token("hq1", "learner", None).await?;
    join(&cluster, "first", &token).await?.ended_with(0)?;
    let second = join(&cluster, "second", &token).await?.ended_with(3)?;
    second.said(&["the token was used by n2", "create another", "每个令牌只能用一次"])?;
    let members = cluster.node("hq1")?.api().members().await?;
    ensure!(members.len() == 2, "{members:?}");
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_does_not_open() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let token = cluster.token("hq1", "learner", Some(1)).await?;
    let expires = token.parse::<Token>()?.expires.0;
    // The cluster's time is its leader's stamps: it must have agreed on one
    // that is later.
    let (mut api, mut written) = (cluster.node("hq1")?.api(), 0);
    eventually("the cluster's clock is past the token's end", PATIENCE, async || {
        written += 1;
        api.post("clock", "tick", &format!("clock-{written}")).await?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        ensure!(now.as_millis() > u128::from(expires) + 1, "not yet");
        Ok(())
    })
    .await?;
    let late = join(&cluster, "late", &token).await?.ended_with(3)?;
    late.said(&["the token expired", "weir token create again", "令牌已过期"])?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_token_is_noticed_before_anybody_is_asked() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let token = cluster.token("hq1", "learner", None).await?;
    let (cut, foreign) = (&token[..token.len() - 4], "please let me in");
    let mistyped = match token.as_bytes()[40] {
        b'A' => token[..40].to_owned() + "B" + &token[41..],
        _ => token[..40].to_owned() + "A" + &token[41..],
    };
    for damaged in [cut, &mistyped] {
        let refused = join(&cluster, "garbled", damaged).await?.ended_with(3)?;
        refused.said(&["damaged or incomplete", "令牌损坏或不完整"])?;
    }
    let refused = join(&cluster, "garbled", foreign).await?.ended_with(3)?;
    refused.said(&["weir1-", "copy the whole line", "请复制"])?;
    // It is still good for the one who copies it whole.
    join(&cluster, "whole", &token).await?.ended_with(0)?;
    cluster.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_cluster_does_not_open() -> Result<()> {
    let (mut ours, mut theirs) = (Cluster::found("lan").await?, Cluster::found("lan").await?);
    let our: Token = ours.token("hq1", "learner", None).await?.parse()?;
    let their: Token = theirs.token("hq1", "learner", None).await?.parse()?;

    // Our token led astray: who answers there does not have our CA.
    let astray = Token { addresses: their.addresses.clone(), ..our.clone() };
    let refused = join(&ours, "astray", &astray.to_string()).await?.ended_with(3)?;
    refused.said(&["does not have the CA the token names"])?;

    // Theirs, forged to trust our CA: our cluster never made its secret.
    let forged = Token { secret: their.secret, ..our.clone() };
    let refused = join(&ours, "forged", &forged.to_string()).await?.ended_with(3)?;
    refused.said(&["unknown token", "令牌无效"])?;

    // Right CA, right secret, another cluster's id.
    let foreign = Token { cluster: their.cluster, ..our };
    let refused = join(&ours, "foreign", &foreign.to_string()).await?;
    ensure!(refused.code != Some(0), "{refused:?}");
    refused.said(&["invalid peer certificate"])?;
    ensure!(ours.node("hq1")?.api().members().await?.len() == 1, "somebody got in");
    theirs.end()?;
    ours.end()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_nodes_are_gone_says_what_was_tried() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let token = cluster.token("hq1", "learner", None).await?;
    let at = cluster.node("hq1")?.ports.listen.to_string();
    cluster.node("hq1")?.kill()?;
    let unheard = join(&cluster, "early", &token).await?.ended_with(5)?;
    unheard.said(&["no node of the token answered", &at, "check network and firewall"])?;
    cluster.end()
}
