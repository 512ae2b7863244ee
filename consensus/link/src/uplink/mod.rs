//! The scheduler above all connections of an uplink: one [`Uplink`] for each
//! satellite path, shared by every class and connection on it. It decides by the
//! rules of `meter`, `admission` and `estimate` and keeps them together under one
//! short lock. It refuses to look at paths on the ground.

mod admission;
mod estimate;
mod meter;
mod routes;
mod socket;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use admission::Book;
pub use admission::{Kind, NotAdmitted};
pub(crate) use estimate::Acked;
use estimate::Estimate;
pub(crate) use meter::Lane;
use meter::{Meter, Verdict};
pub(crate) use routes::Uplinks;
pub(crate) use socket::MeteredSocket;

use crate::config::Satellite;

/// Of the measured rate: what stands in the modem drains.
const METERED_PERCENT: u64 = 97;
/// Of that, what speech may take at most: control has the rest.
const VOICE_PERCENT: u64 = 85;
/// Packets whose wait at the meter is remembered, of one connection.
const WAITS_MAX: usize = 256;
const CONNECTIONS_MAX: usize = 4_096;
/// Shorter waits are the host's.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Which connection: each is driven by a task of its own.
pub(crate) type ConnectionKey = Option<tokio::task::Id>;

/// What our own meter added to the round trips of a connection.
#[derive(Debug, Default)]
struct Waits {
    /// When QUIC believes to have sent what it last handed over.
    stamped: Option<Instant>,
    by_stamp: BTreeMap<Instant, Duration>,
}

#[derive(Debug)]
struct State {
    meter: Meter<SocketAddr>,
    estimate: Estimate,
    book: Book,
    waits: HashMap<ConnectionKey, Waits>,
}

/// One satellite path, and what is known of it.
#[derive(Debug)]
pub(crate) struct Uplink {
    state: Mutex<State>,
}

/// What a path is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathState {
    /// What it carries towards the peer; of a path on the ground, what QUIC would
    /// have under way in a round trip.
    pub rate_bps: u64,
    /// Round trip, smoothed.
    pub rtt: Duration,
    /// Packets lost of a million.
    pub loss_ppm: u32,
    /// What waits on the way, beyond this node.
    pub queue: Duration,
}

impl Uplink {
    pub(crate) fn new(now: Instant, path: &Satellite) -> Arc<Self> {
        let mut state = State {
            meter: Meter::new(now, metered(path.rate_bps)),
            estimate: Estimate::new(now, path.rate_bps, path.rtt),
            book: Book::default(),
            waits: HashMap::new(),
        };
        state.voice_changed(now);
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn configure(&self, now: Instant, path: &Satellite) {
        let mut state = self.lock();
        state.estimate.configure(path.rate_bps);
        state.rate_changed(now);
    }

    /// What may be sent now.
    pub(crate) fn rate_bps(&self) -> u64 {
        self.lock().estimate.rate_bps()
    }

    /// Grows when the shortest round trip has to be measured anew.
    pub(crate) fn rtt_era(&self) -> u64 {
        self.lock().estimate.rtt_era()
    }

    /// Rate, loss and queue.
    pub(crate) fn worth(&self, now: Instant) -> (u64, u32, Duration) {
        let state = self.lock();
        let estimate = &state.estimate;
        (estimate.worth_bps(), estimate.lost_ppm(), estimate.queue(now))
    }

    /// QUIC hands a packet of the connection over, and takes it for sent.
    pub(crate) fn stamped(&self, connection: ConnectionKey, now: Instant) {
        let mut state = self.lock();
        if state.waits.len() < CONNECTIONS_MAX || state.waits.contains_key(&connection) {
            state.waits.entry(connection).or_default().stamped = Some(now);
        }
    }

    /// The connection is gone.
    pub(crate) fn forget(&self, connection: ConnectionKey) {
        self.lock().waits.remove(&connection);
    }

    fn ask(
        &self,
        now: Instant,
        lane: Lane,
        (connection, to): (ConnectionKey, SocketAddr),
        bytes: u64,
    ) -> Verdict {
        let mut state = self.lock();
        let verdict = state.meter.ask(now, lane, to, bytes);
        if verdict == Verdict::Pass
            && let Some(waits) = state.waits.get_mut(&connection)
            && let Some(stamped) = waits.stamped
        {
            let waited = now.saturating_duration_since(stamped);
            if waited >= WAIT_MIN {
                waits.by_stamp.insert(stamped, waited);
                if waits.by_stamp.len() > WAITS_MAX {
                    waits.by_stamp.pop_first();
                }
            }
        }
        verdict
    }

    /// How long our meter held back what was handed over at that time.
    pub(crate) fn waited(&self, connection: ConnectionKey, stamped: Instant) -> Duration {
        let state = self.lock();
        let waits = state.waits.get(&connection);
        waits.and_then(|waits| waits.by_stamp.get(&stamped)).copied().unwrap_or_default()
    }

    pub(crate) fn acked(&self, now: Instant, acked: Acked) {
        let mut state = self.lock();
        state.estimate.acked(now, acked);
        state.rate_changed(now);
    }

    pub(crate) fn lost(&self, now: Instant, bytes: u64) {
        let mut state = self.lock();
        state.estimate.lost(now, bytes);
        state.rate_changed(now);
    }

    fn admit(
        self: Arc<Self>,
        now: Instant,
        kind: Kind,
        bps: u64,
    ) -> Result<Admission, NotAdmitted> {
        let mut state = self.lock();
        let rate_bps = state.estimate.worth_bps();
        let number = state.book.admit(rate_bps, kind, bps)?;
        state.voice_changed(now);
        drop(state);
        Ok(Admission { held: Some(Held { uplink: self, kind, number }) })
    }
}

#[cfg(test)]
impl Uplink {
    /// As when the meter lets a packet pass at that time.
    pub(crate) fn let_through(&self, connection: ConnectionKey, to: SocketAddr, now: Instant) {
        assert_eq!(self.ask(now, Lane::Control, (connection, to), 1_228), Verdict::Pass);
    }
}

impl State {
    fn rate_changed(&mut self, now: Instant) {
        self.meter.set_rate(now, metered(self.estimate.rate_bps()));
        self.voice_changed(now);
    }

    /// Speech beyond what the path carries would only stand in the modem.
    fn voice_changed(&mut self, now: Instant) {
        let most = metered(self.estimate.rate_bps()) * VOICE_PERCENT / 100;
        self.meter.set_voice(now, self.book.voice_bps().min(most));
    }
}

fn metered(rate_bps: u64) -> u64 {
    rate_bps * METERED_PERCENT / 100
}

/// `None`: a path on the ground, where nothing is held.
pub(crate) fn admit(
    uplink: Option<Arc<Uplink>>,
    now: Instant,
    kind: Kind,
    bps: u64,
) -> Result<Admission, NotAdmitted> {
    match uplink {
        Some(uplink) => uplink.admit(now, kind, bps),
        None => Ok(Admission { held: None }),
    }
}

#[derive(Debug)]
struct Held {
    uplink: Arc<Uplink>,
    kind: Kind,
    number: u64,
}

/// Room on an uplink; dropping it gives the room back.
#[derive(Debug)]
#[must_use = "dropping it gives the room back"]
pub struct Admission {
    held: Option<Held>,
}

impl Admission {
    /// The path no longer carries what was promised, and this is what should
    /// become less or end: the least urgent, the newest of them first.
    pub fn over(&self) -> bool {
        self.held.as_ref().is_some_and(|held| {
            let state = held.uplink.lock();
            state.book.is_over(state.estimate.worth_bps(), held.kind, held.number)
        })
    }

    /// What this may take now, in bits a second; `None`: as much as it likes.
    pub fn room_bps(&self) -> Option<u64> {
        let held = self.held.as_ref()?;
        let state = held.uplink.lock();
        Some(state.book.room(state.estimate.worth_bps(), held.kind, Some(held.number)))
    }

    /// A picture steps up or down. Less is always granted.
    ///
    /// # Errors
    /// When there is no room for more; what was held stays held.
    pub fn resize(&self, bps: u64) -> Result<(), NotAdmitted> {
        let Some(held) = &self.held else { return Ok(()) };
        let mut state = held.uplink.lock();
        let rate_bps = state.estimate.worth_bps();
        state.book.resize(rate_bps, held.kind, held.number, bps)?;
        state.voice_changed(Instant::now());
        Ok(())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            let mut state = held.uplink.lock();
            state.book.give_back(held.kind, held.number);
            state.voice_changed(Instant::now());
        }
    }
}
