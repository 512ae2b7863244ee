//! What needs agreement. A decision goes through Raft, is stamped by the leader
//! and may be refused; the refusal is as deterministic as the change.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::codec::Stored;
use crate::directory::ChangeSet;
use crate::fact::Head;
use crate::id::{
    ClusterId, Extension, Hash, NodeId, NodeName, PersonId, RequestKey, SiteId, WallMs,
};
use crate::refusal::Refusal;
use crate::state::{Phc, Rendering, SipSecret};

/// How quickly the cluster notices a dead leader; fixed when it is founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Voters within 20 ms of each other (round trip, p99).
    Lan,
    /// Voters within 100 ms of each other.
    Wan,
}

/// What a member does in elections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Voter,
    Learner,
}

/// A node of the cluster. Ids are never used twice, so that a removed node's
/// certificate is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub id: NodeId,
    pub name: NodeName,
    pub site: SiteId,
    pub role: Role,
    /// Where its control connection listens; the other classes follow.
    pub addresses: Vec<SocketAddr>,
    /// Subject public key (DER), which signs its intents.
    pub public_key: Vec<u8>,
    /// Reached over a satellite: other timing, other congestion control.
    pub satellite: bool,
}

/// What a node says of itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub name: NodeName,
    pub site: SiteId,
    pub role: Role,
    pub addresses: Vec<SocketAddr>,
    pub public_key: Vec<u8>,
    pub satellite: bool,
}

impl Candidate {
    pub fn into_member(self, id: NodeId) -> Member {
        let Self { name, site, role, addresses, public_key, satellite } = self;
        Member { id, name, site, role, addresses, public_key, satellite }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// The first decision of all: who we are, and the first member.
    Found {
        cluster: ClusterId,
        profile: Profile,
        first: Candidate,
    },
    /// Lets one node join once, in that role.
    MintToken {
        secret_hash: Hash,
        role: Role,
        expires: WallMs,
    },
    /// A node joins with a token's secret; asking again with the same key gives
    /// the same id.
    Join {
        secret_hash: Hash,
        candidate: Candidate,
    },
    RemoveMember {
        node: NodeId,
    },
    /// A member moved to other addresses.
    MoveMember {
        node: NodeId,
        addresses: Vec<SocketAddr>,
    },
    EditDirectory {
        based_on: u64,
        changes: ChangeSet,
    },
    /// A line of the duty board; an empty text wipes it.
    Post {
        key: String,
        text: String,
    },
    /// How far nodes' journals have come.
    Heads {
        heads: Vec<Head>,
    },
    /// What devices sign in with.
    Secrets {
        secrets: Vec<(Extension, SipSecret)>,
    },
    /// Sounds that were rendered and wait to be fetched.
    Stage {
        renderings: Vec<(Hash, Rendering)>,
    },
    /// A person's password, hashed where it was typed.
    SetPassword {
        person: PersonId,
        phc: Phc,
    },
}

impl Decision {
    /// Whether it says who belongs to the cluster.
    pub fn is_membership(&self) -> bool {
        match self {
            Self::MintToken { .. }
            | Self::Join { .. }
            | Self::RemoveMember { .. }
            | Self::MoveMember { .. } => true,
            Self::Found { .. }
            | Self::EditDirectory { .. }
            | Self::Post { .. }
            | Self::Heads { .. }
            | Self::Secrets { .. }
            | Self::Stage { .. }
            | Self::SetPassword { .. } => false,
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub node: NodeId,
    pub person: Option<PersonId>,
}

/// A decision on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub key: RequestKey,
    /// The index that the proposer had seen when it first sent this key. Older
    /// than what the cluster remembers, and the proposal is refused.
    pub since: u64,
    /// Stamped by the leader.
    pub at: WallMs,
    pub author: Author,
    pub decision: Decision,
}

impl Stored for Proposal {
    const KIND: u8 = 1;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 2 << 20;
    const NAME: &'static str = "proposal";
}

/// What a decision brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Founded { node: NodeId },
    Minted,
    Joined { node: NodeId },
    Removed,
    Moved,
    Directory { version: u64 },
    Posted { revision: u64 },
    Heads,
    Secrets,
    Staged,
    PasswordSet,
}

/// What the proposer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Where in the log it was decided.
    pub index: u64,
    pub result: Result<Outcome, Refusal>,
}

impl Stored for Answer {
    const KIND: u8 = 2;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64 << 10;
    const NAME: &'static str = "answer";
}
