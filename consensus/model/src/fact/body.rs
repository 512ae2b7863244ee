//! What a fact can say. Each body is small enough for a satellite and carries
//! the wall-clock stamps that a restart needs; a body never holds an outcome
//! that nobody saw.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CallEnd, Head, LeaveReason};
use crate::directory::{Grade, Level};
use crate::id::{
    ActivationId, CallId, ConferenceId, Extension, Hash, IntentId, PersonId, PlanId, SiteId,
    StepId, WallMs, ZoneId,
};
use crate::intent::{IntentStatus, Mode, SignedIntent};

/// Longest text in a fact, in bytes.
pub const NOTE_MAX_BYTES: usize = 512;

/// What an effect acts on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    Zone(ZoneId),
    /// A member of a roster; who is really called may be one who stands in.
    Person(PersonId),
    /// The number of the room where it is held.
    Conference(Extension),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(zone) => zone.fmt(f),
            Self::Person(person) => person.fmt(f),
            Self::Conference(number) => number.fmt(f),
        }
    }
}

/// Names one effect. The same key is never carried out twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectKey {
    pub activation: ActivationId,
    pub step: StepId,
    pub target: Target,
    /// 1 for the first.
    pub attempt: u16,
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.activation, self.step, self.target, self.attempt)
    }
}

/// Why an attempt is made. A fail-over is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    Plan,
    /// The one repeat of an evacuation page whose outcome nobody knows.
    AfterUnknown,
    /// A person asked for one more.
    Person(IntentId),
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EffectResult {
    /// Carried out; worth only as much as its proof.
    Done,
    Failed {
        why: String,
    },
    Unreachable {
        why: String,
    },
    /// Nobody can say whether it took effect.
    Unknown {
        why: String,
    },
    /// Stopped because it was told to.
    Ceased,
    /// Certainly never begun, for instance fenced.
    NotBegun,
}

/// What was seen of an effect. Never rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The grade that every one of `reached` has; `None` when nothing was seen.
    pub grade: Option<Grade>,
    pub reached: u16,
    pub of: u16,
    /// The built-in siren sounded, because the plan's own sound was missing.
    pub siren: bool,
}

impl Proof {
    /// A person pressed the key that acknowledges.
    pub fn acknowledged() -> Self {
        Self { grade: Some(Grade::Heard), reached: 1, of: 1, siren: false }
    }

    /// Whoever delivers messages took this one.
    pub fn accepted() -> Self {
        Self { grade: Some(Grade::Sent), reached: 1, of: 1, siren: false }
    }
}

/// How a step, or one target of it, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    Pending,
    /// A delay runs, or a person is asked.
    Waiting,
    Running,
    Done,
    Failed,
    Unknown,
    Unreachable,
    Expired,
    Superseded,
    Vetoed,
    Skipped,
}

impl StepState {
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Waiting | Self::Running)
    }
}

/// How an activation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Every step came to an end; each shows its own.
    Completed,
    /// A person answered no.
    Declined,
    /// Nobody answered, and the plan says to stop then.
    Unanswered,
    Aborted {
        intent: IntentId,
    },
    /// A real alarm ended the drill.
    Superseded {
        by: ActivationId,
    },
    /// The plan changed while the node was down; what was left was not begun.
    PlanGone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactBody {
    /// The first fact of an incarnation names the last head known of the one
    /// before.
    Began {
        after: Option<Head>,
    },
    IntentReceived {
        signed: SignedIntent,
    },
    /// What the home site made of an intent that started or joined nothing.
    IntentJudged {
        intent: IntentId,
        status: IntentStatus,
    },
    ActivationStarted {
        activation: ActivationId,
        intent: IntentId,
        /// The first of two launches of a plan that needs two people.
        agreed: Option<IntentId>,
        plan: PlanId,
        version: Hash,
        level: Level,
        mode: Mode,
        who: PersonId,
        since: WallMs,
    },
    ActivationJoined {
        intent: IntentId,
        activation: ActivationId,
        who: PersonId,
    },
    /// A page step became runnable. What may still begin does so by `until`.
    StepOpened {
        activation: ActivationId,
        step: StepId,
        targets: Vec<Target>,
        /// Named by the plan, but driven by another site.
        elsewhere: Vec<Target>,
        until: WallMs,
    },
    /// A delay runs, or a person is asked, until then.
    StepWaits {
        activation: ActivationId,
        step: StepId,
        until: WallMs,
    },
    /// Somebody answered a question, or nobody did in time.
    Confirmed {
        activation: ActivationId,
        step: StepId,
        answer: Option<bool>,
        intent: Option<IntentId>,
        since: WallMs,
    },
    /// The step is over; the next one counts its time from `since`.
    StepChanged {
        activation: ActivationId,
        step: StepId,
        state: StepState,
        since: WallMs,
    },
    /// Written and synced before the effect.
    EffectBegun {
        key: EffectKey,
        epoch: u64,
        why: Why,
        mode: Mode,
        until: WallMs,
    },
    EffectOutcome {
        key: EffectKey,
        epoch: u64,
        result: EffectResult,
        proof: Proof,
        since: WallMs,
    },
    /// The target is over without a further attempt.
    TargetPassed {
        activation: ActivationId,
        step: StepId,
        target: Target,
        state: StepState,
        since: WallMs,
    },
    /// Something ended the activation before its last step.
    ActivationStopped {
        activation: ActivationId,
        how: Ending,
    },
    ActivationEnded {
        activation: ActivationId,
        how: Ending,
        since: WallMs,
    },
    /// How many of the sounds that the directory names lie at this node, checked
    /// by their hashes.
    SoundsStaged {
        directory: u64,
        have: u32,
        of: u32,
    },
    /// A line that a person writes into the journal.
    DutyNote {
        who: Option<PersonId>,
        text: String,
    },
    /// Two telephones talk. Numbers as they were dialled, at most
    /// [`super::NUMBER_MAX_BYTES`] each.
    CallAnswered {
        call: CallId,
        from: String,
        dialled: String,
        /// Which telephone answered.
        by: String,
        emergency: bool,
    },
    CallChanged {
        call: CallId,
        held: bool,
    },
    CallEnded {
        call: CallId,
        from: String,
        dialled: String,
        by: Option<String>,
        why: CallEnd,
        /// `None`: it was never answered.
        talked_ms: Option<u64>,
        emergency: bool,
        /// Nobody spoke to the caller.
        missed: bool,
    },
    /// A person has seen that an emergency call was missed.
    CallSeen {
        call: CallId,
        who: PersonId,
    },
    /// Written before the effect's begun fact: whom this attempt calls, who is
    /// the target or one who stands in.
    PersonCalled {
        key: EffectKey,
        callee: PersonId,
    },
    /// Nobody is called for this member any more: `by`, who stands in, has
    /// acknowledged this very step already.
    MemberCovered {
        activation: ActivationId,
        step: StepId,
        member: PersonId,
        by: PersonId,
        since: WallMs,
    },
    /// A conference is led from this site from now on. Its number is at most
    /// [`super::NUMBER_MAX_BYTES`] long.
    ConferenceOpened {
        conference: ConferenceId,
        number: String,
        /// The run whose step opened it; `None`: a person did.
        by: Option<ActivationId>,
    },
    /// Somebody is in it, at `site`.
    ConferenceJoined {
        conference: ConferenceId,
        /// A person of the directory, or a number; at most
        /// [`super::WHO_MAX_BYTES`] long.
        who: String,
        site: SiteId,
    },
    ConferenceLeft {
        conference: ConferenceId,
        who: String,
        why: LeaveReason,
    },
    /// It is over, or led from this site no more.
    ConferenceEnded {
        conference: ConferenceId,
        /// How many different people were in it.
        joined: u32,
    },
}
