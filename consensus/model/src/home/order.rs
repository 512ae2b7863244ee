//! What goes into the machine and what comes out.

use super::fence::Fenced;
use crate::directory::{Attendee, Confirm, Contact, Evidence, Sound};
use crate::fact::{EffectKey, EffectResult, Fact, FactBody, FactId, Proof, Why};
use crate::id::{ActivationId, ConferenceId, IntentId, PersonId, StepId, WallMs, ZoneId};
use crate::intent::{IntentStatus, Mode, Priority, Signature, SignedIntent};

#[derive(Debug, Clone)]
pub enum Input {
    /// An intent reached this site, by any path.
    Arrived {
        signed: SignedIntent,
        signature: Signature,
    },
    /// How an effect ended, or what its device says when asked.
    Outcome {
        key: EffectKey,
        epoch: u64,
        result: EffectResult,
        proof: Proof,
    },
    /// This node took over from its partner: what older epochs began is not
    /// its own any more.
    Epoch {
        epoch: u64,
    },
    /// Another node's fact was merged.
    Merged {
        fact: Box<Fact>,
    },
    Tick,
    /// The journal has been replayed; make what should be so.
    Recovered,
}

/// Something to be done at a device, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectOrder {
    pub key: EffectKey,
    pub epoch: u64,
    /// Swaps the sinks, at the very edge.
    pub mode: Mode,
    pub priority: Priority,
    pub why: Why,
    pub action: EffectAction,
    /// It must begin by then, or not at all.
    pub window_ends_mono_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectAction {
    Page {
        zone: ZoneId,
        sound: Sound,
        /// How many times it is played.
        repeat: u32,
        /// The grade wanted, and how soon.
        evidence: Option<Evidence>,
    },
    /// Rings one person and plays them something until the key is pressed. Done
    /// only with [`crate::fact::Proof::acknowledged`]; otherwise it failed, and
    /// why is one of `no_answer`, `busy`, `not_acknowledged`, `wrong_key`,
    /// `no_number` and `refused` with a code.
    Call {
        /// Who is rung: the member, or one who stands in.
        person: PersonId,
        member: PersonId,
        /// Where, the best first; at least one.
        numbers: Vec<Contact>,
        sound: Sound,
        /// The key that acknowledges, 0 to 9.
        ack: u8,
        ring_s: u32,
    },
    /// Sends one text. Done is [`crate::fact::Proof::accepted`]; *unreachable*
    /// says that it was surely not accepted, and is tried again.
    Message {
        person: PersonId,
        to: Contact,
        text: String,
        /// The same for every attempt that is meant to be the same message, so
        /// that the gateway drops the second.
        dedupe: String,
        not_after: WallMs,
    },
    /// Opens a conference and rings everybody in it at once. Done, with
    /// [`crate::fact::Proof::joined`], as soon as `min_join` people are in it,
    /// whoever they are; after `wait_s` without them it is
    /// [`EffectResult::too_few`]; *unreachable* says that no room was opened.
    /// A conference goes on after either until its people end it, and so it does
    /// after [`Output::Cease`]: that ends the step, which is then *ceased*, and
    /// takes the word from nobody. Where this number's room is in use already,
    /// those who are missing are rung into it.
    Confer {
        conference: ConferenceId,
        /// What others dial to come in.
        number: String,
        members: Vec<Attendee>,
        min_join: u32,
        wait_s: u32,
        /// The key that lets in who has answered; `None`: at once.
        confirm: Option<u8>,
    },
}

/// Carried out strictly in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Sync it before anything that follows.
    Journal(FactBody),
    /// Ask [`super::Home::may_execute`] immediately before doing it.
    Effect(EffectOrder),
    /// Stop it, wherever it stands.
    Cease {
        key: EffectKey,
    },
    /// Ask the device whether it took effect; the answer is an
    /// [`Input::Outcome`]. Without one by then, the rule goes on.
    Ask {
        key: EffectKey,
        until_mono_ms: u64,
    },
    /// `None`: the intent's id could not be read.
    Answer {
        intent: Option<IntentId>,
        status: IntentStatus,
    },
    /// Send a [`Input::Tick`] then; replaces the one before.
    WakeAt {
        mono_ms: u64,
    },
    Event(Event),
}

/// For the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A person is asked; also said again after a restart.
    Question {
        activation: ActivationId,
        step: StepId,
        confirm: Confirm,
    },
    OutcomeRefused {
        key: EffectKey,
        epoch: u64,
        why: Fenced,
    },
    /// Another node's fact was merged.
    Elsewhere(FactId),
}
