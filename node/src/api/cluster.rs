//! Nodes: who there is, how each is doing, letting new ones in, and taking
//! lost ones out.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_link::Token;
use weir_model::decision::{Decision, Member, Profile, Role};

use super::{Problem, Shared, decide};
use crate::edge;
use crate::node::Node;

/// How long a token may wait to be used, unless said otherwise.
const TOKEN_TTL_S: u64 = 3600;
/// Longest life of a token.
const TOKEN_TTL_MAX_S: u64 = 7 * 24 * 3600;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusAnswer {
    pub(crate) node: String,
    pub(crate) id: u64,
    pub(crate) site: String,
    pub(crate) cluster: String,
    pub(crate) profile: Profile,
    pub(crate) version: String,
    pub(crate) part: String,
    pub(crate) leader: Option<String>,
    pub(crate) term: u64,
    pub(crate) last_log: u64,
    pub(crate) committed: u64,
    pub(crate) applied: u64,
    pub(crate) directory_version: u64,
    /// Why consensus stopped, if it did; calls and pages go on.
    pub(crate) stopped: Option<String>,
    pub(crate) peers: Vec<PeerAnswer>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerAnswer {
    pub(crate) node: String,
    pub(crate) id: u64,
    pub(crate) connected: bool,
    pub(crate) rtt_ms: Option<u64>,
    pub(crate) heard_ms_ago: Option<u64>,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) last_failure: Option<String>,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn peers(node: &Node) -> Vec<PeerAnswer> {
    let members = node.consensus.view().borrow().state.members.clone();
    let name = |id| members.get(&id).map_or_else(|| id.to_string(), |m| m.name.to_string());
    let statuses = node.link.peers().into_iter();
    statuses
        .map(|peer| PeerAnswer {
            node: name(peer.node),
            id: peer.node.0,
            connected: peer.connected,
            rtt_ms: peer.rtt.map(ms),
            heard_ms_ago: peer.last_heard.map(|at| ms(at.elapsed())),
            sent_bytes: peer.traffic.sent_bytes,
            received_bytes: peer.traffic.received_bytes,
            last_failure: peer.last_failure.map(|error| error.to_string()),
        })
        .collect()
}

pub(crate) async fn status(State(node): Shared) -> Json<StatusAnswer> {
    let status = node.consensus.status();
    let view = node.consensus.view().borrow().clone();
    let members = &view.state.members;
    let name = |id| members.get(&id).map_or_else(|| format!("n{}", id.0), |m| m.name.to_string());
    Json(StatusAnswer {
        node: node.config.name.to_string(),
        id: status.node.0,
        site: node.config.site.to_string(),
        cluster: node.belonging.cluster.clone(),
        profile: node.belonging.profile,
        version: env!("CARGO_PKG_VERSION").into(),
        part: format!("{:?}", status.part).to_lowercase(),
        leader: status.leader.map(name),
        term: status.term,
        last_log: status.last_log,
        committed: status.committed,
        applied: view.applied,
        directory_version: view.state.directory.version,
        stopped: status.stopped,
        peers: peers(&node),
    })
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberAnswer {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) site: String,
    pub(crate) role: Role,
    /// What it does in Raft now; a new voter first listens.
    pub(crate) votes: bool,
    pub(crate) satellite: bool,
    pub(crate) addresses: Vec<String>,
}

pub(crate) async fn members(State(node): Shared) -> Json<Vec<MemberAnswer>> {
    let view = node.consensus.view().borrow().clone();
    let answer = |member: &Member| MemberAnswer {
        name: member.name.to_string(),
        id: member.id.0,
        site: member.site.to_string(),
        role: member.role,
        votes: view.voters.contains(&member.id),
        satellite: member.satellite,
        addresses: member.addresses.iter().map(ToString::to_string).collect(),
    };
    Json(view.state.members.values().map(answer).collect())
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Removed {
    pub(crate) index: u64,
}

pub(crate) async fn remove(
    State(node): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Removed>, Problem> {
    let members = node.consensus.view().borrow().state.members.clone();
    let member = members.values().find(|member| member.name.as_str() == name);
    let Some(id) = member.map(|member| member.id) else {
        let detail = format!("没有节点 {name} / there is no node {name}; see weir member list");
        return Err(Problem::bad_request(detail));
    };
    let (index, _) = decide(&node, &headers, Decision::RemoveMember { node: id }).await?;
    Ok(Json(Removed { index }))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MintToken {
    pub(crate) role: Role,
    pub(crate) ttl_s: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Minted {
    pub(crate) token: String,
    pub(crate) expires_ms: u64,
}

pub(crate) async fn mint_token(
    State(node): Shared,
    headers: HeaderMap,
    Json(mint): Json<MintToken>,
) -> Result<Json<Minted>, Problem> {
    let ca = node.ca.as_ref().ok_or_else(Problem::no_ca)?;
    let ttl_s = mint.ttl_s.unwrap_or(TOKEN_TTL_S);
    if ttl_s == 0 || ttl_s > TOKEN_TTL_MAX_S {
        let most = TOKEN_TTL_MAX_S;
        let detail = format!("令牌有效期须为 1 至 {most} 秒 / a token lives 1 to {most} seconds");
        return Err(Problem::bad_request(detail));
    }
    let expires = edge::wall().plus_ms(ttl_s * 1000);
    let mut addresses = node.config.advertised();
    let members = node.consensus.view().borrow().state.members.clone();
    let me = node.belonging.node();
    let voters = members.values().filter(|m| m.role == Role::Voter && m.id != me);
    addresses.extend(voters.flat_map(|voter| voter.addresses.iter().copied()));
    addresses.truncate(weir_link::TOKEN_ADDRESSES_MAX);
    let token = Token::create(ca.cluster(), ca.fingerprint(), addresses, expires)
        .map_err(|error| Problem::internal(error.to_string()))?;
    let decision =
        Decision::MintToken { secret_hash: token.secret_hash(), role: mint.role, expires };
    decide(&node, &headers, decision).await?;
    Ok(Json(Minted { token: token.to_string(), expires_ms: expires.0 }))
}

/// Changes the emulated link of this node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) cut: bool,
}

pub(crate) async fn shape(
    State(node): Shared,
    Json(shape): Json<Shape>,
) -> Result<Json<Shape>, Problem> {
    let control = node.shaper.as_ref().ok_or_else(Problem::no_emulation)?;
    control.set_cut(shape.cut);
    tracing::warn!(cut = shape.cut, "the emulated link was changed / 模拟链路已更改");
    Ok(Json(shape))
}
