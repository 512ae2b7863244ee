//! The home site's machine: what a site does with the intents that reach it and
//! the plans it runs. One input in, a list of outputs out; the driver carries
//! the outputs out strictly in order and syncs every `Journal` before anything
//! after it. The machine asks nobody: no quorum, no other site, no clock. It
//! refuses to order anything late, twice, or without having written it down.

mod activation;
mod calls;
mod clock;
mod conference;
mod conferences;
mod fence;
mod fold;
mod judge;
mod mirror;
mod moves;
mod order;
mod page;
mod people;
mod picture;
#[cfg(feature = "planted")]
mod planted;
mod recover;
mod remembered;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use activation::{ACTIVATIONS_MAX, ACTIVATIONS_SHOWN, LAUNCHES_SHOWN, RESERVED_ACTIVATIONS};
pub use calls::{
    CallsPicture, ENDED_CALLS_SHOWN, EndedCall, LIVE_CALLS_MAX, LiveCall, MISSED_CALLS_MAX,
};
pub use clock::Now;
pub use conference::CONFERENCE_GRACE_MS;
pub use conferences::{
    ConferencesPicture, ENDED_CONFERENCES_SHOWN, EndedConference, LIVE_CONFERENCES_MAX,
    LiveConference, PRESENT_SHOWN, Present,
};
pub use fence::Fenced;
pub use mirror::Mirror;
pub use order::{EffectAction, EffectOrder, Event, Input, Output};
pub use page::PAGE_PREFIX;
pub use people::{CALL_AGAIN_MS, IN_FLIGHT_MAX, NO_NUMBER, dedupe, message_pause_ms};
pub use picture::{
    ActivationPicture, AttemptPicture, AwaitingPicture, Picture, StepPicture, TargetPicture,
};
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use remembered::{INTENTS_MAX, REMEMBERED_MS, RESERVED_INTENTS};
pub use step::{
    ASK_MS, ATTEMPTS_MAX, MESSAGE_ATTEMPTS_MAX, OVERDUE_MS, PERSON_OVERDUE_MS, TARGETS_MAX,
};

use crate::directory::Directory;
use crate::fact::{EffectKey, EffectResult, FactBody, Proof};
use crate::id::{ActivationId, IntentId, NodeId, SiteId, WallMs};
use crate::intent::IntentStatus;
use activation::Activation;
use calls::CallLog;
use clock::Clock;
use conferences::ConferenceLog;
use remembered::Remembered;

/// Whether the machine's times are those of this life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Read from the journal: times are wall-clock stamps.
    Replayed,
    Live,
}

/// What one node of a site knows of its site's intents and activations, and
/// what it does about them.
#[derive(Debug, Clone)]
pub struct Home {
    site: SiteId,
    node: NodeId,
    /// Raised when another node of the site takes over, or this one restarts.
    epoch: u64,
    intents: BTreeMap<IntentId, Remembered>,
    activations: BTreeMap<ActivationId, Activation>,
    calls: CallLog,
    conferences: ConferenceLog,
    life: Life,
    /// The newest wall-clock time known from the journal; time never starts
    /// earlier.
    floor: WallMs,
    #[cfg(feature = "planted")]
    planted: Planted,
}

/// One turn of the machine: its time, its directory and what comes out.
struct Turn<'a> {
    now: Clock,
    directory: &'a Directory,
    out: Vec<Output>,
}

impl Home {
    pub fn new(site: SiteId, node: NodeId, epoch: u64) -> Self {
        Self {
            site,
            node,
            epoch,
            intents: BTreeMap::new(),
            activations: BTreeMap::new(),
            calls: CallLog::default(),
            conferences: ConferenceLog::default(),
            life: Life::Live,
            floor: WallMs(0),
            #[cfg(feature = "planted")]
            planted: Planted::default(),
        }
    }

    #[cfg(feature = "planted")]
    pub fn plant(&mut self, planted: Planted) {
        self.planted = planted;
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What became of an intent, as long as it is remembered.
    pub fn status(&self, intent: &IntentId) -> Option<&IntentStatus> {
        self.intents.get(intent).and_then(|known| known.status.as_ref())
    }

    /// Takes one input. The first input after a replay also makes things so, as
    /// [`Input::Recovered`] does.
    pub fn step(&mut self, now: Now, directory: &Directory, input: Input) -> Vec<Output> {
        let now = Clock::of(now, self.floor);
        let mut turn = Turn { now, directory, out: Vec::new() };
        if self.life == Life::Replayed {
            self.recover(&mut turn);
        }
        match input {
            Input::Arrived { signed, signature } => self.arrived(&mut turn, signed, &signature),
            Input::Outcome { key, epoch, result, proof } => {
                self.reported(&mut turn, key, epoch, result, proof);
            }
            Input::Epoch { epoch } => self.raise_epoch(&mut turn, epoch),
            Input::Merged { fact } => self.merged(&mut turn, &fact),
            Input::Tick | Input::Recovered => {}
        }
        self.reconcile(&mut turn);
        if let Some(mono_ms) = self.next_deadline(turn.now) {
            turn.out.push(Output::WakeAt { mono_ms });
        }
        turn.out
    }

    /// Writes a fact down and lets it change the state, in one.
    fn fact(&mut self, turn: &mut Turn<'_>, body: FactBody) {
        self.fold(turn.now, turn.directory, &body);
        turn.out.push(Output::Journal(body));
    }

    /// The driver says how an effect ended.
    fn reported(
        &mut self,
        turn: &mut Turn<'_>,
        key: EffectKey,
        epoch: u64,
        result: EffectResult,
        proof: Proof,
    ) {
        match self.may_report(&key, epoch, &result) {
            Ok(()) => {
                self.outcome(turn, key.clone(), result, proof, turn.now.wall);
                self.needless_call(turn, &key);
            }
            Err(why) => turn.out.push(Output::Event(Event::OutcomeRefused { key, epoch, why })),
        }
    }

    /// Another node's fact changes what is shown, and nothing else.
    fn merged(&self, turn: &mut Turn<'_>, fact: &crate::fact::Fact) {
        if fact.id.node == self.node {
            return;
        }
        #[cfg(feature = "planted")]
        if self.planted.merge_reexecutes {
            self.obey_foreign(turn, fact);
        }
        turn.out.push(Output::Event(Event::Elsewhere(fact.id)));
    }
}
