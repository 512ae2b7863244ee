//! Mistakes made on purpose, one a run, in what surrounds the shipped code: its
//! disk, its transport, its clients; or switched on in the home machine, which
//! has them behind the feature `planted` only. A simulation that does not notice
//! them notices nothing.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Planted {
    /// A vote is answered before it is durable.
    VoteUnsynced,
    /// An append is reported durable at once.
    AcknowledgedBeforeSync,
    /// Last-applied is written before, not with, the state.
    AppliedTorn,
    /// The answers to proposals are remembered in memory only.
    AnswersForgotten,
    /// A retry goes out under a new key.
    RetryRekeyed,
    /// A time-out is taken for a success.
    TimeoutTakenForSuccess,
    /// The transport says "surely not sent" of what it gave up waiting for.
    TimeoutTakenForFailure,
    /// Raft's membership is not kept with the state.
    VotersForgotten,
    /// A snapshot's records are not installed, only its position.
    SnapshotPositionOnly,
    /// A fact is said to be synced before it is.
    FactUnsynced,
    /// A late intent is carried out all the same.
    ExpiryIgnored,
    /// An intent that comes again is carried out again.
    DedupeDropped,
    /// Nobody asks whether an effect may still begin.
    FenceRemoved,
    /// An effect begins without having been written down.
    BegunNotJournaled,
    /// An unknown page is repeated however often it stays unknown.
    RepeatUnbounded,
    /// A second launch runs beside the first.
    JoinDropped,
    /// What another node did is done here too.
    MergeReexecutes,
    /// Causal depth is left out of the order of facts.
    WrongFactOrder,
    /// After a crash, what is not known is taken for done.
    OutcomeClaimed,
    /// A person or a message of whom nobody knows is tried again.
    UnknownRetried,
    /// Who acknowledged is called again for somebody else.
    AcknowledgedForgotten,
    /// A conference of which nobody knows is opened again.
    ConferenceReopened,
    /// Too few in a conference are taken for enough.
    JoinedRoundedUp,
}

impl Planted {
    pub const CLUSTER: [Self; 9] = [
        Self::VoteUnsynced,
        Self::AcknowledgedBeforeSync,
        Self::AppliedTorn,
        Self::AnswersForgotten,
        Self::RetryRekeyed,
        Self::TimeoutTakenForSuccess,
        Self::TimeoutTakenForFailure,
        Self::VotersForgotten,
        Self::SnapshotPositionOnly,
    ];

    pub const SITES: [Self; 14] = [
        Self::FactUnsynced,
        Self::ExpiryIgnored,
        Self::DedupeDropped,
        Self::FenceRemoved,
        Self::BegunNotJournaled,
        Self::RepeatUnbounded,
        Self::JoinDropped,
        Self::MergeReexecutes,
        Self::WrongFactOrder,
        Self::OutcomeClaimed,
        Self::UnknownRetried,
        Self::AcknowledgedForgotten,
        Self::ConferenceReopened,
        Self::JoinedRoundedUp,
    ];

    /// What to call it on a command line.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::CLUSTER.into_iter().chain(Self::SITES);
        all.find(|planted| planted.name().eq_ignore_ascii_case(name))
    }

    pub fn is_of_sites(self) -> bool {
        Self::SITES.contains(&self)
    }

    /// The switch of the home machine that makes this mistake, if it has one.
    #[cfg(feature = "planted")]
    pub(crate) fn home(self) -> weir_model::home::Planted {
        weir_model::home::Planted {
            expiry_ignored: self == Self::ExpiryIgnored,
            dedupe_dropped: self == Self::DedupeDropped,
            // The fence alone would stop a merge from doing harm.
            fence_removed: matches!(self, Self::FenceRemoved | Self::MergeReexecutes),
            begun_not_journaled: self == Self::BegunNotJournaled,
            repeat_unbounded: self == Self::RepeatUnbounded,
            join_dropped: self == Self::JoinDropped,
            merge_reexecutes: self == Self::MergeReexecutes,
            wrong_fact_order: self == Self::WrongFactOrder,
            outcome_claimed: self == Self::OutcomeClaimed,
            unknown_retried: self == Self::UnknownRetried,
            acknowledged_forgotten: self == Self::AcknowledgedForgotten,
            conference_reopened: self == Self::ConferenceReopened,
            joined_rounded_up: self == Self::JoinedRoundedUp,
        }
    }
}
