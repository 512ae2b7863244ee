//! The intents that a site remembers, so that one sent again is answered again
//! and not carried out again. What it forgets is certainly too late.

use super::Home;
use crate::id::{ActivationId, Hash, IntentId, WallMs};
use crate::intent::{Intent, IntentStatus};

/// Most intents remembered.
pub const INTENTS_MAX: usize = 4_096;
/// Of these, kept free for real warnings and for what steers a run.
pub const RESERVED_INTENTS: usize = 256;
/// How long an intent is remembered at least, in milliseconds.
pub const REMEMBERED_MS: u64 = crate::intent::WINDOW_MAX_MS;

#[derive(Debug, Clone)]
pub(super) struct Remembered {
    pub(super) intent: Intent,
    /// Of the signed bytes.
    pub(super) hash: Hash,
    pub(super) received: WallMs,
    /// `None`: received, but the node fell before it was judged.
    pub(super) status: Option<IntentStatus>,
}

impl Home {
    /// Whether there is room for one more, after forgetting what may be
    /// forgotten.
    pub(super) fn room_for_intent(&mut self, now: WallMs, reserved: bool) -> Result<(), usize> {
        let most = if reserved { INTENTS_MAX } else { INTENTS_MAX - RESERVED_INTENTS };
        if self.intents.len() >= most {
            self.forget(now);
        }
        if self.intents.len() < most { Ok(()) } else { Err(most) }
    }

    /// A forgotten intent would be expired if it came again: its window, never
    /// longer than a day, is over.
    pub(super) fn forget(&mut self, now: WallMs) {
        let running = |activation: &ActivationId| {
            self.activations.get(activation).is_some_and(|run| !run.is_over())
        };
        let old: Vec<IntentId> = self
            .intents
            .iter()
            .filter(|(_, known)| known.intent.not_after < now)
            .filter(|(_, known)| now.since(known.received) > REMEMBERED_MS)
            .filter(|(_, known)| match &known.status {
                Some(
                    IntentStatus::Started { activation } | IntentStatus::Joined { activation },
                ) => !running(activation),
                Some(_) => true,
                None => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.intents.remove(&id);
        }
    }
}
