//! Why numbers did not answer, and what the caller is told when none did (RFC
//! 3261 §16.7). Refuses to pass on what only concerned our own INVITE: a
//! challenge, a redirection, a time-out on the way.

use super::order::NotPlaced;
use super::record::Why;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    NotPlaced(NotPlaced),
    Refused {
        code: u16,
    },
    /// It rang, or nothing was heard, until time was up.
    Silent,
}

impl Failure {
    /// What the caller is told.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::NotPlaced(NotPlaced::UnknownNumber) => 404,
            Self::NotPlaced(NotPlaced::NotRegistered | NotPlaced::Unreachable) => 480,
            Self::NotPlaced(NotPlaced::Full) => 503,
            Self::Silent => 480,
            Self::Refused { code } => match code {
                403 | 404 | 410 | 480 | 484 | 486 | 488 => code,
                600 | 603 | 604 | 606 => code,
                500..=599 => 500,
                600..=699 => 603,
                _ => 480,
            },
        }
    }

    pub(super) fn why(self) -> Why {
        match self {
            Self::NotPlaced(NotPlaced::UnknownNumber) => Why::UnknownNumber,
            Self::NotPlaced(NotPlaced::NotRegistered | NotPlaced::Unreachable) => {
                Why::NotRegistered
            }
            Self::NotPlaced(NotPlaced::Full) => Why::Refused { code: 503 },
            Self::Refused { code: 486 | 600 } => Why::Busy,
            Self::Refused { code: 408 } | Self::Silent => Why::NoAnswer,
            Self::Refused { code } => Why::Refused { code },
        }
    }

    /// Lower is better: 6xx speaks for the person, then the lowest class. Within
    /// 4xx what tells the caller most: busy, rang in vain, refused, not there.
    fn rank(self) -> u8 {
        match (self, self.code()) {
            (_, 600..) => 0,
            (_, 486) => 1,
            (Self::Silent, _) => 2,
            (Self::Refused { .. }, 404) => 5,
            (Self::Refused { .. }, 400..=499) => 3,
            (Self::NotPlaced(NotPlaced::NotRegistered | NotPlaced::Unreachable), _) => 4,
            (Self::NotPlaced(NotPlaced::UnknownNumber), _) => 5,
            (Self::NotPlaced(NotPlaced::Full) | Self::Refused { .. }, _) => 6,
        }
    }
}

/// The better of both; of equals, the first.
pub(super) fn better(best: Option<Failure>, next: Failure) -> Failure {
    match best {
        Some(best) if best.rank() <= next.rank() => best,
        _ => next,
    }
}

/// The reason phrase of a final refusal.
pub(super) fn words(code: u16) -> &'static str {
    match code {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "没有这个号码，请核对 / Not Found: there is no such number; check it",
        410 => "Gone",
        413 => "Request Entity Too Large",
        480 => {
            "对方话机未登录或不可达，请稍后再拨 / Temporarily Unavailable: the telephone cannot be \
             reached; try again later"
        }
        484 => "Address Incomplete",
        486 => "Busy Here",
        488 => "Not Acceptable Here",
        500 => "Server Internal Error",
        503 => "线路已满，请稍后再拨 / Service Unavailable: all lines are taken; try again later",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Refused",
    }
}

/// How a refused change is passed on: 408 and 481 would end the dialog of the
/// one who asked (RFC 3261 §12.2.1.2), and it cannot answer our challenge.
pub(super) fn declined(code: u16) -> u16 {
    match code {
        408 | 481 => 500,
        401 | 407 => 488,
        400..=699 => code,
        _ => 488,
    }
}
