//! `weir init` and `weir join`: how a node gets its identity.

use std::time::Duration;

use anyhow::Result;
use weir_link::{Ca, Identity, IdentityParts, JoinError, Token, TokenError, join as ask_to_join};
use weir_model::codec;
use weir_model::decision::{Candidate, Profile, Role};
use weir_model::id::{ClusterId, NodeId};

use crate::admission::{JoinAsk, JoinGrant};
use crate::config::Config;
use crate::edge;
use crate::folder::{Belonging, DataFolder};

/// How long one try to join may take.
const JOIN: Duration = Duration::from_secs(30);

/// The token, as the person typed it, is not one.
#[derive(Debug, thiserror::Error)]
#[error("{} / {error}", error.zh())]
pub(super) struct BadToken {
    error: TokenError,
}

/// No node let us in.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotJoined {
    /// The cluster's own words are in both languages already.
    #[error("集群拒绝 / the cluster refused: {0}")]
    Denied(String),
    #[error("{} / {}", .0.zh(), .0)]
    Otherwise(JoinError),
}

impl From<JoinError> for NotJoined {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Denied(reason) => Self::Denied(reason),
            other => Self::Otherwise(other),
        }
    }
}

impl NotJoined {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Denied(_)
            | Self::Otherwise(JoinError::WrongCa { .. } | JoinError::Refused { .. }) => 3,
            Self::Otherwise(JoinError::Unknown { .. }) => 4,
            Self::Otherwise(JoinError::NoAnswer { .. } | JoinError::NoAddress) => 5,
            Self::Otherwise(_) => 1,
        }
    }
}

pub(super) fn init(config: &Config, profile: Profile) -> Result<()> {
    let folder = DataFolder::new(&config.data);
    folder.must_be_empty()?;
    let cluster = ClusterId(edge::mint()?);
    let now = edge::wall();
    let ca = Ca::create(cluster, now)?;
    let key = Identity::create_key()?;
    let node = NodeId(1);
    let spki = key.public().to_spki_der();
    let certificate_der = ca.issue(node, &config.name, &config.site, &spki, now)?;
    let identity = Identity::new(IdentityParts {
        node,
        name: config.name.clone(),
        site: config.site.clone(),
        cluster,
        certificate_der,
        ca_der: ca.certificate_der().to_vec(),
        key,
    })?;
    ca.save(&folder.ca())?;
    identity.save(&folder.identity())?;
    folder.save(&Belonging {
        cluster: cluster.to_string(),
        node: node.0,
        profile,
        founder: true,
        members: Vec::new(),
    })?;
    println!("集群 {cluster} 已建立；请执行 weir run / cluster {cluster} founded; now weir run");
    Ok(())
}

pub(super) async fn join(config: &Config, token: &str, role: Role) -> Result<()> {
    let folder = DataFolder::new(&config.data);
    folder.must_be_empty()?;
    let parsed: Token = token.trim().parse().map_err(|error| BadToken { error })?;
    let key = Identity::create_key()?;
    let candidate = Candidate {
        name: config.name.clone(),
        site: config.site.clone(),
        role,
        addresses: config.advertised(),
        public_key: key.public().to_spki_der(),
        satellite: config.satellite.is_some(),
    };
    let ask = JoinAsk { token: token.trim().to_owned(), key: edge::request_key()?, candidate };
    let body = codec::encode(&ask)?;
    let answer = ask_to_join(&parsed, body.into(), JOIN).await.map_err(NotJoined::from)?;
    let grant: JoinGrant = codec::decode(&answer)?;
    if let Some(secret) = &grant.ca_key {
        Ca::from_parts(grant.cluster, &grant.ca_der, secret)?.save(&folder.ca())?;
    }
    let identity = Identity::new(IdentityParts {
        node: grant.node,
        name: config.name.clone(),
        site: config.site.clone(),
        cluster: grant.cluster,
        certificate_der: grant.certificate_der,
        ca_der: grant.ca_der,
        key,
    })?;
    identity.save(&folder.identity())?;
    folder.save(&Belonging {
        cluster: grant.cluster.to_string(),
        node: grant.node.0,
        profile: grant.profile,
        founder: false,
        members: grant.members,
    })?;
    println!("已加入为 {0}；请执行 weir run / joined as {0}; now weir run", grant.node);
    Ok(())
}
