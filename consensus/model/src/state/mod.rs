//! What the cluster has agreed on. `State::apply` is the only way it changes:
//! no clock, no dice, ordered maps only, so that every node that applies the
//! same log holds the same state, byte for byte. It refuses nothing on the
//! grounds of who asks: rights are judged where the request arrives.

mod answers;
mod apply;
mod passwords;
mod record;
mod sound;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use answers::{ANSWERS_KEPT, ANSWERS_KEPT_MS, Answers};
pub use apply::{Applied, BOARD_LINES, BOARD_NAME_BYTES, BOARD_TEXT_BYTES, MEMBERS, TOKENS};
pub use passwords::{PASSWORDS, PHC_BYTES, Phc};
pub use record::{Pair, Record, RecordError, RecordKey};
pub use sound::{RENDERINGS, Rendering, SECRETS_AT_ONCE, SipSecret};

use crate::decision::{Member, Profile, Role};
use crate::directory::Directory;
use crate::fact::Head;
use crate::id::{ClusterId, Extension, Hash, NodeId, PersonId, WallMs};

/// The cluster as it was founded, and the next free id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub profile: Profile,
    pub founded: WallMs,
    pub next_node: u64,
}

/// A token, known only by the hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenState {
    pub role: Role,
    pub expires: WallMs,
    pub used_by: Option<NodeId>,
}

/// A line of the duty board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardLine {
    pub text: String,
    /// 1 for the first text; every change adds 1, wiping included.
    pub revision: u64,
    /// Hash over every text this line ever held, in order: two copies agree on
    /// it only when none was lost, doubled or swapped.
    pub chain: Hash,
    pub by: Option<PersonId>,
    pub at: WallMs,
}

/// Everything agreed on. Cloning is cheap: a table is copied only when it
/// changes while somebody still reads the old one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub cluster: Option<Cluster>,
    pub members: Arc<BTreeMap<NodeId, Member>>,
    pub tokens: Arc<BTreeMap<Hash, TokenState>>,
    pub directory: Arc<Directory>,
    pub board: Arc<BTreeMap<String, BoardLine>>,
    pub heads: Arc<BTreeMap<NodeId, Head>>,
    /// What devices sign in with.
    pub secrets: Arc<BTreeMap<Extension, SipSecret>>,
    /// By the hash of what is to be heard (`directory::Source::hash`).
    pub renderings: Arc<BTreeMap<Hash, Rendering>>,
    pub passwords: Arc<BTreeMap<PersonId, Phc>>,
    /// The newest leader's stamp applied; stamps never run backwards.
    pub now: WallMs,
}

impl State {
    pub fn member_named(&self, name: &str) -> Option<&Member> {
        self.members.values().find(|member| member.name.as_str() == name)
    }
}
