//! Questions about the cluster, and small decisions.

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_model::decision::Role;

use crate::api::board::{Line, Post, Posted};
use crate::api::cluster::{MemberAnswer, MintToken, Minted, Removed, Shape, StatusAnswer};
use crate::cli::{Output, Target};
use crate::client::Client;

/// Prints JSON, or what `text` makes of the answer.
pub(super) fn show<T: Serialize>(
    output: Output,
    answer: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<()> {
    match output {
        Output::Json => println!("{}", serde_json::to_string(answer)?),
        Output::Text => println!("{}", text(answer).trim_end()),
    }
    Ok(())
}

async fn get<T: DeserializeOwned>(target: &Target, path: &str) -> Result<T> {
    Ok(Client::new(&target.socket, &target.asking).get(path).await?)
}

pub(super) async fn status(target: &Target) -> Result<()> {
    let status: StatusAnswer = get(target, "/api/v1/status").await?;
    show(target.asking.output, &status, |status| {
        let leader = status.leader.as_deref().unwrap_or("none 无");
        let mut text = format!(
            "{} ({}) {}  leader 领导 {leader}  term {}  applied {}  directory v{}\n",
            status.node,
            status.site,
            status.part,
            status.term,
            status.applied,
            status.directory_version,
        );
        if let Some(why) = &status.stopped {
            text += &format!("CONSENSUS STOPPED 共识停止: {why}\n");
        }
        for peer in &status.peers {
            let link = if peer.connected { "up 通" } else { "down 断" };
            let rtt = peer.rtt_ms.map_or("-".into(), |rtt| format!("{rtt} ms"));
            let heard =
                peer.heard_ms_ago.map_or("never".into(), |ago| format!("{} s ago", ago / 1000));
            text += &format!("  {:<12} {link:<6} rtt {rtt:<8} heard {heard}\n", peer.node);
        }
        text
    })
}

pub(super) async fn members(target: &Target) -> Result<()> {
    let members: Vec<MemberAnswer> = get(target, "/api/v1/members").await?;
    show(target.asking.output, &members, |members| {
        let line = |m: &MemberAnswer| {
            let role = format!("{:?}", m.role).to_lowercase();
            let votes = if m.votes { "votes" } else { "listens" };
            let path = if m.satellite { "satellite" } else { "terrestrial" };
            let at = m.addresses.join(" ");
            format!(
                "{:<12} n{:<4} {:<8} {role:<8} {votes:<8} {path:<12} {at}\n",
                m.name, m.id, m.site
            )
        };
        members.iter().map(line).collect()
    })
}

pub(super) async fn remove(target: &Target, name: &str) -> Result<()> {
    let path = format!("/api/v1/members/{name}");
    let removed: Removed = Client::new(&target.socket, &target.asking).delete(&path).await?;
    show(target.asking.output, &removed, |_| format!("{name} removed / 已移除"))
}

pub(super) async fn create_token(target: &Target, role: Role, ttl_s: Option<u64>) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let minted: Minted = client.post("/api/v1/tokens", &MintToken { role, ttl_s }).await?;
    show(target.asking.output, &minted, |minted| minted.token.clone())
}

pub(super) async fn board(target: &Target) -> Result<()> {
    let lines: Vec<Line> = get(target, "/api/v1/board").await?;
    show(target.asking.output, &lines, |lines| {
        let line = |l: &Line| {
            let by = l.line.by.as_deref().unwrap_or("-");
            format!("{:<20} {}  ({by}, r{})\n", l.key, l.line.text, l.line.revision)
        };
        lines.iter().map(line).collect()
    })
}

pub(super) async fn post(target: &Target, key: String, text: String) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let posted: Posted = client.post("/api/v1/board", &Post { key, text }).await?;
    show(target.asking.output, &posted, |posted| format!("revision {}", posted.revision))
}

pub(super) async fn shape(target: &Target, cut: bool) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let shape: Shape = client.post("/api/v1/link", &Shape { cut }).await?;
    show(target.asking.output, &shape, |shape| {
        if shape.cut {
            "link cut / 链路已断开".into()
        } else {
            "link healed / 链路已恢复".into()
        }
    })
}
