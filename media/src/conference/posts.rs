//! What one other site is still to be told, one thing at a time: its part of the
//! order, a trunk that is closed, orders of people, and the newest picture. What
//! got no answer is said again, ever more seldom, while the site can be reached;
//! an order of a person is not carried out long after it was given.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use weir_signaling::focus::Picture;

use super::wire::{self, Answer, Open, Request};

const ORDERS_MAX: usize = 32;
/// A person who ordered something waits no longer.
const ORDER_LASTS: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: u32 = 5;

#[derive(Debug, Clone)]
struct Ordered {
    order: wire::Order,
    rank: u8,
    until: Instant,
}

/// What is on its way and not answered.
#[derive(Debug)]
enum Flight {
    Open,
    Closed(u16),
    Order(Ordered),
    Tell(Box<Picture>),
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It takes part from now on.
    Opened,
    /// It has heard the end.
    KnowsEnd,
    /// It knows of no such conference.
    Unknown,
    Nothing,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) up: bool,
    /// It takes part, as far as is known. A root always does.
    pub(super) opened: bool,
    pub(super) knows_end: bool,
    picture: Option<Box<Picture>>,
    closed: Option<u16>,
    orders: VecDeque<Ordered>,
    flight: Option<Flight>,
    again: Option<Instant>,
    tries: u32,
}

impl Post {
    pub(super) fn new(opened: bool, up: bool) -> Self {
        Self { opened, up, ..Self::default() }
    }

    /// The newest replaces what is unsent.
    pub(super) fn tell(&mut self, picture: Box<Picture>) {
        self.picture = Some(picture);
    }

    /// Nobody listens at this channel of ours any more.
    pub(super) fn trunk_closed(&mut self, channel: u16) {
        self.closed = Some(channel);
    }

    pub(super) fn order(&mut self, now: Instant, order: wire::Order, rank: u8) {
        if self.orders.len() < ORDERS_MAX {
            self.orders.push_back(Ordered { order, rank, until: now + ORDER_LASTS });
        }
    }

    /// The way is there again: at once.
    pub(super) fn hurry(&mut self) {
        (self.again, self.tries) = (None, 0);
    }

    pub(super) fn is_flying(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether nothing more is to be said.
    pub(super) fn is_idle(&self) -> bool {
        let waits = self.picture.is_some() || self.closed.is_some() || !self.orders.is_empty();
        self.opened && !waits && self.flight.is_none()
    }

    /// When to ask for [`Self::next`] again.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = self.up && self.flight.is_none() && !self.knows_end && !self.is_idle();
        self.again.filter(|_| waits)
    }

    /// What to send now. `open` makes the site's part of the order.
    pub(super) fn next(
        &mut self,
        now: Instant,
        room: u64,
        open: impl FnOnce() -> Option<Open>,
    ) -> Option<Request> {
        self.orders.retain(|ordered| now < ordered.until);
        if !self.up || self.flight.is_some() || self.again.is_some_and(|again| now < again) {
            return None;
        }
        if !self.opened {
            let open = open()?;
            self.flight = Some(Flight::Open);
            return Some(Request::Open(Box::new(open)));
        }
        if let Some(channel) = self.closed.take() {
            self.flight = Some(Flight::Closed(channel));
            return Some(Request::TrunkClosed { room, channel });
        }
        if let Some(ordered) = self.orders.pop_front() {
            let Ordered { order, rank, .. } = ordered.clone();
            self.flight = Some(Flight::Order(ordered));
            return Some(Request::Order { room, order, rank });
        }
        let picture = self.picture.take()?;
        let told = wire::Picture::of((*picture).clone());
        self.flight = Some(Flight::Tell(picture));
        Some(Request::Tell(Box::new(told)))
    }

    pub(super) fn answered(&mut self, now: Instant, answer: &Result<Answer, String>) -> Said {
        let Some(flight) = self.flight.take() else { return Said::Nothing };
        match answer {
            Ok(Answer::Done) => {
                self.hurry();
                self.done(&flight)
            }
            Ok(Answer::Unknown) => {
                self.hurry();
                self.closed = None;
                if let Flight::Order(ordered) = flight {
                    self.orders.push_front(ordered);
                }
                Said::Unknown
            }
            Ok(Answer::Refused { .. } | Answer::Trunk { .. }) | Err(_) => {
                self.again = Some(now + AGAIN * (1 << self.tries.min(AGAIN_MAX)));
                self.tries = self.tries.saturating_add(1);
                self.put_back(flight);
                Said::Nothing
            }
        }
    }

    fn done(&mut self, flight: &Flight) -> Said {
        match flight {
            Flight::Open => {
                self.opened = true;
                Said::Opened
            }
            Flight::Tell(picture) if picture.rules.ended => Said::KnowsEnd,
            Flight::Closed(_) | Flight::Order(_) | Flight::Tell(_) => Said::Nothing,
        }
    }

    fn put_back(&mut self, flight: Flight) {
        match flight {
            Flight::Open => {}
            Flight::Closed(channel) => _ = self.closed.get_or_insert(channel),
            Flight::Order(ordered) => self.orders.push_front(ordered),
            Flight::Tell(picture) => _ = self.picture.get_or_insert(picture),
        }
    }
}
