//! What waits for the site's task.

use tokio::sync::oneshot;
use weir_model::fact::{EffectKey, EffectResult, Fact, FactBody, Head, Proof};
use weir_model::id::{Hash, NodeId, SiteId};
use weir_model::intent::{IntentStatus, Signature, SignedIntent};

/// The site has more to do than it can hold; the sender tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("本站任务已满，请稍后重试 / the site is busy; try again shortly")]
pub struct Full;

/// How far another node's journal is kept here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptHere {
    pub(super) head: Option<Head>,
    /// Why the rest was not kept, if it was not.
    pub(super) refused: Option<String>,
}

#[derive(Debug)]
pub(super) enum Mail {
    Intent {
        signed: SignedIntent,
        signature: Signature,
        answer: oneshot::Sender<IntentStatus>,
    },
    Outcome {
        key: EffectKey,
        epoch: u64,
        result: EffectResult,
        proof: Proof,
    },
    /// Facts that another node shipped, decoded, oldest first.
    Shipped {
        from: NodeId,
        site: Option<SiteId>,
        facts: Vec<(Fact, Vec<u8>, Hash)>,
        answer: oneshot::Sender<KeptHere>,
    },
    /// How far this node's facts are kept at another site.
    Acknowledged {
        site: SiteId,
        head: Head,
    },
    /// Others know more of this node than it does.
    RolledBack {
        known: Head,
    },
    /// How many sounds lie at this node.
    Sounds {
        directory: u64,
        have: u32,
        of: u32,
    },
    /// What happened to a telephone call.
    Call(FactBody),
    /// A line that a person writes.
    Note {
        who: Option<weir_model::id::PersonId>,
        text: String,
        answer: oneshot::Sender<Option<Head>>,
    },
}
