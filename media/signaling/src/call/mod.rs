//! One call from INVITE to the last BYE: who is rung, who has answered, what
//! each side is told of the other, where the relay sends. One input in, outputs
//! out. It refuses to answer a caller twice, to leave a device ringing that was
//! not chosen, to aim sound by what was not agreed, and to say anything after
//! [`Output::Over`].

mod failure;
mod order;
mod party;
mod record;
mod ringing;
mod talking;
#[cfg(test)]
mod tests;
mod turn;

pub use order::{
    Addresses, Aim, Dial, Event, Group, Ids, Input, Leg, LegId, Limits, NotPlaced, Output, PlaceId,
    Route, Side,
};
pub use record::{Record, Why};
pub use ringing::LEGS_MAX;

use party::Party;
use ringing::Ringing;
use talking::Talking;
use turn::Shared;

#[derive(Debug, Clone)]
enum State {
    New {
        offer: String,
        callee: Box<Party>,
    },
    Ringing(Box<Ringing>),
    Talking(Box<Talking>),
    /// Over, but for calls that are still being placed.
    Ending {
        until_ms: u64,
    },
    Over,
}

/// How a call is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Ringing,
    Talking,
    Held,
    Over,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Bridge {
    shared: Shared,
    state: State,
}

impl Bridge {
    /// `offer` is the caller's SDP, empty if none came; `now_ms` counts from
    /// anywhere and never goes back.
    pub fn new(
        route: Route,
        offer: String,
        addresses: Addresses,
        ids: Ids,
        limits: Limits,
        now_ms: u64,
    ) -> Self {
        let caller = Party::new(ids.a, addresses.a);
        let callee = Box::new(Party::new(ids.b, addresses.b));
        let shared = Shared::new(route, limits, caller, now_ms);
        Self { shared, state: State::New { offer, callee } }
    }

    /// Takes one input.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        let shared = &mut self.shared;
        shared.now_ms = shared.now_ms.max(now_ms);
        let state = match std::mem::replace(&mut self.state, State::Over) {
            State::New { offer, callee } => ringing::begin(shared, &offer, *callee),
            state => state,
        };
        self.state = match state {
            State::Ringing(ringing) => ringing.step(shared, input),
            State::Talking(talking) => talking.step(shared, input),
            State::Ending { until_ms } => ending(shared, until_ms, input),
            state @ (State::New { .. } | State::Over) => state,
        };
        shared.take()
    }

    /// When to send an [`Input::Tick`] at the latest.
    pub fn next_ms(&self) -> Option<u64> {
        match &self.state {
            State::New { .. } => Some(self.shared.now_ms),
            State::Ringing(ringing) => Some(ringing.next_ms(&self.shared)),
            State::Talking(talking) => Some(talking.next_ms(&self.shared)),
            State::Ending { until_ms } => Some(*until_ms),
            State::Over => None,
        }
    }

    pub fn shown(&self) -> Shown {
        match &self.state {
            State::New { .. } | State::Ringing(_) => Shown::Ringing,
            State::Talking(talking) if talking.is_held(&self.shared) => Shown::Held,
            State::Talking(_) => Shown::Talking,
            State::Ending { .. } | State::Over => Shown::Over,
        }
    }

    /// The number that picked up, while both talk.
    pub fn by(&self) -> Option<&str> {
        match &self.state {
            State::Talking(talking) => Some(talking.by()),
            State::New { .. } | State::Ringing(_) | State::Ending { .. } | State::Over => None,
        }
    }

    /// Since when it rings, or since when both talk.
    pub fn since_ms(&self) -> u64 {
        match &self.state {
            State::Talking(talking) => talking.since_ms(),
            State::New { .. } | State::Ringing(_) | State::Ending { .. } | State::Over => {
                self.shared.began_ms
            }
        }
    }
}

/// All is said; what is still being placed must be hung up before it is over.
fn end(shared: &mut Shared) -> State {
    if shared.placing.is_empty() {
        shared.push(Output::Over);
        return State::Over;
    }
    State::Ending { until_ms: shared.after(shared.limits.stray_ms) }
}

fn ending(shared: &mut Shared, until_ms: u64, input: Input) -> State {
    match input {
        Input::Placed { place, legs } => stray(shared, place, legs),
        Input::NotPlaced { place, .. } => {
            shared.placing.remove(&place);
        }
        Input::Begin
        | Input::Heard { .. }
        | Input::HangUp
        | Input::MediaLost
        | Input::Stop
        | Input::Tick => {}
    }
    if shared.now_ms >= until_ms {
        shared.placing.clear();
    }
    if shared.placing.is_empty() { end(shared) } else { State::Ending { until_ms } }
}

/// On their way when nobody wanted them any more.
fn stray(shared: &mut Shared, place: PlaceId, legs: Vec<LegId>) {
    if shared.placing.remove(&place) {
        legs.into_iter().for_each(|leg| shared.hang_up(Leg::Callee(leg)));
    }
}
