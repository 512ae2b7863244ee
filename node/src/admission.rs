//! Who is let in: members talk, newcomers join with a token. A removed node's
//! certificate is worth nothing, because its id is no longer a member's.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use weir_consensus::Wish;
use weir_consensus::store::AppliedView;
use weir_link::{Admit, Ca, Denied, Token, TokenError};
use weir_model::codec::{self, Stored};
use weir_model::decision::{Author, Candidate, Decision, Member, Outcome, Profile, Role};
use weir_model::id::{ClusterId, Hash, NodeId, RequestKey};

use crate::edge;
use crate::node::Node;

/// How long the cluster may take to admit a node.
const JOIN: Duration = Duration::from_secs(10);

/// Checks connections against the members that were agreed on.
pub(crate) struct Admission {
    view: Arc<OnceLock<watch::Receiver<Arc<AppliedView>>>>,
}

impl Admission {
    pub(crate) fn new(view: Arc<OnceLock<watch::Receiver<Arc<AppliedView>>>>) -> Self {
        Self { view }
    }
}

impl Admit for Admission {
    fn admit(&self, node: NodeId, _leaf: Hash) -> Result<(), Denied> {
        let Some(view) = self.view.get() else { return Ok(()) };
        let view = view.borrow();
        let members = &view.state.members;
        // A newcomer knows no members yet; the CA's word is all there is.
        if members.is_empty() || members.contains_key(&node) {
            return Ok(());
        }
        let issued = view.state.cluster.as_ref().is_some_and(|c| node.0 < c.next_node);
        Err(if issued { Denied::Revoked } else { Denied::NotAMember })
    }
}

/// What `weir join` sends.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct JoinAsk {
    /// The token as the person typed it; it never reaches a log.
    pub(crate) token: String,
    pub(crate) key: RequestKey,
    pub(crate) candidate: Candidate,
}

/// What it gets.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct JoinGrant {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) profile: Profile,
    pub(crate) certificate_der: Vec<u8>,
    pub(crate) ca_der: Vec<u8>,
    /// Voters hold the CA's key, so that nodes can join when others are lost.
    pub(crate) ca_key: Option<Vec<u8>>,
    pub(crate) members: Vec<Member>,
}

impl Stored for JoinAsk {
    const KIND: u8 = 60;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 16 << 10;
    const NAME: &'static str = "join request";
}

impl Stored for JoinGrant {
    const KIND: u8 = 61;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 1 << 20;
    const NAME: &'static str = "join answer";
}

/// Answers a newcomer.
pub(crate) struct Joining<'n> {
    pub(crate) node: &'n Node,
}

impl Joining<'_> {
    /// What the newcomer gets, or what its person is told.
    pub(crate) async fn answer(&self, body: &[u8]) -> Result<Bytes, String> {
        let ask: JoinAsk = codec::decode(body).map_err(|error| error.to_string())?;
        let token: Token = ask.token.parse().map_err(|error: TokenError| error.to_string())?;
        let node = self.node;
        let Some(ca) = &node.ca else {
            return Err(
                "本节点不能签发证书，请用投票节点的令牌 / this node holds no CA key; use a \
                        token made on a voter"
                    .into(),
            );
        };
        if token.cluster != ca.cluster() {
            return Err("令牌属于另一个集群 / the token is another cluster's".into());
        }
        let wish = Wish {
            key: ask.key,
            author: Author { node: node.belonging.node(), person: None },
            decision: Decision::Join {
                secret_hash: token.secret_hash(),
                candidate: ask.candidate.clone(),
            },
        };
        let answer = node.consensus.propose(wish, JOIN).await.map_err(|error| error.to_string())?;
        let id = match answer.result {
            Ok(Outcome::Joined { node }) => node,
            Ok(_) => return Err("意外的答复 / an unexpected answer; report this".into()),
            Err(refusal) => return Err(refusal.to_string()),
        };
        tracing::info!(node = %id, name = %ask.candidate.name, "a node joined / 节点加入");
        let grant = self.grant(ca, id, &ask.candidate)?;
        codec::encode(&grant).map(Bytes::from).map_err(|error| error.to_string())
    }

    fn grant(&self, ca: &Ca, id: NodeId, candidate: &Candidate) -> Result<JoinGrant, String> {
        let certificate_der = ca
            .issue(id, &candidate.name, &candidate.site, &candidate.public_key, edge::wall())
            .map_err(|error| error.to_string())?;
        let state = self.node.consensus.view().borrow().state.clone();
        Ok(JoinGrant {
            node: id,
            cluster: ca.cluster(),
            profile: self.node.belonging.profile,
            certificate_der,
            ca_der: ca.certificate_der().to_vec(),
            ca_key: (candidate.role == Role::Voter).then(|| ca.secret_pkcs8().to_vec()),
            members: state.members.values().cloned().collect(),
        })
    }
}
