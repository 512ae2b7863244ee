//! What requests are told apart by, and how long a message is repeated over a
//! wire that may lose it. It refuses to send: devices do.

use std::time::Duration;

use rsip::Request;
use tokio::time::Instant;

use super::message;

/// First and longest pause between two copies of an answer (RFC 3261 §13.3.1.4).
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Without an ACK for so long there is no call.
const GIVE_UP: Duration = Duration::from_secs(32);

/// A message that is sent again until its receipt is known.
#[derive(Debug)]
pub struct Repeat {
    resend: Instant,
    gap: Duration,
    give_up: Instant,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    NotYet,
    Again,
    GiveUp,
}

impl Repeat {
    pub fn new(now: Instant) -> Self {
        Self { resend: now + T1, gap: T1, give_up: now + GIVE_UP }
    }

    pub fn due(&self) -> Instant {
        self.resend.min(self.give_up)
    }

    pub fn turn(&mut self, now: Instant) -> Turn {
        if self.give_up <= now {
            return Turn::GiveUp;
        }
        if now < self.resend {
            return Turn::NotYet;
        }
        self.gap = (self.gap * 2).min(T2);
        self.resend = now + self.gap;
        Turn::Again
    }
}

/// What tells one INVITE from another. Copies share it, whichever way they
/// came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub call_id: String,
    pub from_tag: Option<String>,
    pub sequence: u32,
}

impl Key {
    pub fn of(request: &Request) -> Self {
        Self {
            call_id: message::call_id(request),
            from_tag: message::from_tag(request),
            sequence: message::sequence(request),
        }
    }

    /// Whether both belong to one call.
    pub fn same_call(&self, other: &Self) -> bool {
        self.call_id == other.call_id && self.from_tag == other.from_tag
    }
}
