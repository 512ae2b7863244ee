//! Which of two contradictory orders in one zone stands. Contradiction fails
//! towards warning: whoever is wrong about a warning costs a walk up the hill.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::directory::Level;
use crate::id::PersonId;

/// What an order does to the people of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Nature {
    Drill,
    AllClear,
    Abort,
    /// Water is coming or may come.
    Warning,
    /// Leave now.
    Evacuation,
}

impl Nature {
    pub fn of(level: Level, mode: Mode) -> Self {
        match (mode, level) {
            (Mode::Drill | Mode::Test, _) => Self::Drill,
            (Mode::Real, Level::Clear) => Self::AllClear,
            (Mode::Real, Level::Blue | Level::Yellow | Level::Orange) => Self::Warning,
            (Mode::Real, Level::Red) => Self::Evacuation,
        }
    }

    pub fn warns(self) -> bool {
        matches!(self, Self::Warning | Self::Evacuation)
    }
}

/// Whose word counts, between contradictory orders in one zone only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Standing {
    Other,
    ChiefDispatcher,
    Commander,
    /// Sees the water.
    OnTheSpot,
}

/// One order, as it bears on a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    pub nature: Nature,
    pub standing: Standing,
    pub who: &'a PersonId,
}

/// Whether `one` stands against `other` when both cannot. A warning outranks an
/// all-clear and a drill whoever gives it. An abort ends a mere warning; an
/// evacuation it ends only when given by the person who ordered it, by someone
/// on the spot, or by someone of higher standing. Between orders of one nature
/// the standing decides.
pub fn outranks(one: &Claim<'_>, other: &Claim<'_>) -> bool {
    match (one.nature, other.nature) {
        (one_is, other_is) if one_is == other_is => one.standing > other.standing,
        (Nature::Abort, Nature::Evacuation) => may_withdraw(one, other),
        (Nature::Evacuation, Nature::Abort) => !may_withdraw(other, one),
        (Nature::Abort, _) => true,
        (_, Nature::Abort) => false,
        (one, other) if one.warns() != other.warns() => one.warns(),
        (one, other) => one > other,
    }
}

fn may_withdraw(abort: &Claim<'_>, evacuation: &Claim<'_>) -> bool {
    abort.who == evacuation.who
        || abort.standing == Standing::OnTheSpot
        || abort.standing > evacuation.standing
}
