//! The connections to one peer in one class: which of them to use, when to dial,
//! when not to. It decides and counts; it refuses to do network I/O, except to
//! close what it replaces.
//!
//! Both nodes may dial, and at the same moment. Then both connections are good,
//! both sides prefer the one that the smaller id dialled, and the other is closed
//! by its dialler once nobody uses it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quinn::{Connection, VarInt};
use tokio::sync::Notify;

use crate::config::Limits;
use crate::error::CallError;
use crate::error::Unreachable;
use crate::status::{DatagramCounts, DatagramTraffic, Traffic};

/// Closed because a newer connection of the same peer took its place.
const CLOSE_REPLACED: VarInt = VarInt::from_u32(0x5730);
/// Closed because both sides had dialled, and the other connection stays.
const CLOSE_SPARE: VarInt = VarInt::from_u32(0x5731);
/// More are never of use; the oldest goes.
const CONNECTIONS_MAX: usize = 4;

/// Who dialled a connection, as both of its ends know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialler {
    SmallerId,
    GreaterId,
}

/// A connection that passed every check.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    pub(crate) dialler: Dialler,
    pub(crate) dialled_here: bool,
    /// Which life of the peer it leads to.
    pub(crate) boot: u64,
    pub(crate) leaf_fingerprint: weir_model::id::Hash,
    pub(crate) since: Instant,
    streams: AtomicUsize,
}

/// Counts a stream as long as it is in use.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Live>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    pub(crate) fn new(
        connection: Connection,
        dialler: Dialler,
        dialled_here: bool,
        boot: u64,
        leaf_fingerprint: weir_model::id::Hash,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            dialler,
            dialled_here,
            boot,
            leaf_fingerprint,
            since: Instant::now(),
            streams: AtomicUsize::new(0),
        })
    }

    pub(crate) fn use_it(self: &Arc<Self>) -> InUse {
        self.streams.fetch_add(1, Ordering::Relaxed);
        InUse(self.clone())
    }

    fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0
    }
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<Arc<Live>>,
    dialling: bool,
    /// How many dials have failed; a waiting caller sees by it that one did.
    failed: u64,
    /// Of those, how many since the last success.
    failed_in_a_row: u32,
    last_failure: Option<(Instant, CallError)>,
    /// Of connections that are gone.
    past: Traffic,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    pub(crate) changed: Notify,
    pub(crate) datagrams: DatagramCounts,
}

/// What a caller who wants a connection should do.
#[derive(Debug)]
pub(crate) enum Next {
    Use(Arc<Live>),
    /// This caller starts the dial; the lane counts it as begun.
    Dial,
    Wait,
    Fail(CallError),
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many dials have failed so far; taken before the first [`Self::next`].
    pub(crate) fn failed(&self) -> u64 {
        self.lock().failed
    }

    /// `failed_before`: what [`Self::failed`] said when the caller came.
    pub(crate) fn next(&self, now: Instant, failed_before: u64, limits: &Limits) -> Next {
        let mut state = self.lock();
        state.forget_closed();
        if let Some(live) = state.preferred() {
            return Next::Use(live);
        }
        if state.dialling {
            return Next::Wait;
        }
        let wait = backoff(state.failed_in_a_row, limits);
        if let Some((at, error)) = &state.last_failure {
            let ago = now.saturating_duration_since(*at);
            if state.failed > failed_before {
                return Next::Fail(error.clone());
            }
            if ago < wait {
                return Next::Fail(backing_off(error, ago, wait - ago));
            }
        }
        state.dialling = true;
        Next::Dial
    }

    pub(crate) fn dial_ended(&self, now: Instant, outcome: Result<Arc<Live>, CallError>) {
        let mut state = self.lock();
        state.dialling = false;
        match outcome {
            Ok(live) => state.add(live),
            Err(error) => {
                state.failed += 1;
                state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
                state.last_failure = Some((now, error));
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// A peer that dials has no connection left that it knows of: what is older
    /// than `window` is over, even where we have not noticed yet.
    pub(crate) fn accepted(&self, live: Arc<Live>, window: Duration) {
        let mut state = self.lock();
        let (kept, replaced) = std::mem::take(&mut state.connections)
            .into_iter()
            .partition(|old: &Arc<Live>| old.boot == live.boot && live.since - old.since <= window);
        state.connections = kept;
        for old in &replaced {
            old.connection.close(CLOSE_REPLACED, b"replaced");
            state.past += Traffic::of(&old.connection);
        }
        state.add(live);
        drop(state);
        self.changed.notify_waiters();
    }

    /// See [`crate::peer::Peer::end_other_lives`].
    pub(crate) fn end_other_lives(&self, boot: u64) {
        let mut state = self.lock();
        for old in state.connections.iter().filter(|live| live.boot != boot) {
            old.connection.close(CLOSE_REPLACED, b"replaced");
        }
        state.forget_closed();
    }

    /// Closes what both sides no longer choose and nobody uses.
    pub(crate) fn retire_spares(&self, now: Instant, after: Duration) {
        let mut state = self.lock();
        state.forget_closed();
        let Some(chosen) = state.preferred() else {
            return;
        };
        for spare in &state.connections {
            let settled = now.saturating_duration_since(spare.since) > after
                && now.saturating_duration_since(chosen.since) > after;
            let ours = spare.dialled_here && !Arc::ptr_eq(spare, &chosen);
            if ours && settled && spare.is_idle() {
                spare.connection.close(CLOSE_SPARE, b"spare");
            }
        }
    }

    /// The peer has new addresses: no reason to wait.
    pub(crate) fn forget_failures(&self) {
        let mut state = self.lock();
        state.failed_in_a_row = 0;
        state.last_failure = None;
    }

    pub(crate) fn open_connections(&self) -> Vec<Arc<Live>> {
        let mut state = self.lock();
        state.forget_closed();
        state.connections.clone()
    }

    pub(crate) fn forget_closed(&self) {
        self.lock().forget_closed();
    }

    pub(crate) fn preferred(&self) -> Option<Arc<Live>> {
        self.lock().preferred()
    }

    pub(crate) fn last_failure(&self) -> Option<CallError> {
        self.lock().last_failure.as_ref().map(|(_, error)| error.clone())
    }

    /// Of every connection there was and is.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut state = self.lock();
        state.forget_closed();
        let mut sum = state.past;
        for live in &state.connections {
            sum += Traffic::of(&live.connection);
        }
        sum
    }

    pub(crate) fn datagrams(&self) -> DatagramTraffic {
        self.datagrams.with(&self.traffic())
    }
}

impl State {
    fn add(&mut self, live: Arc<Live>) {
        self.failed_in_a_row = 0;
        self.last_failure = None;
        self.forget_closed();
        if self.connections.len() >= CONNECTIONS_MAX {
            let oldest = self.connections.remove(0);
            oldest.connection.close(CLOSE_REPLACED, b"replaced");
            self.past += Traffic::of(&oldest.connection);
        }
        self.connections.push(live);
    }

    fn preferred(&self) -> Option<Arc<Live>> {
        let open = || self.connections.iter().rev().filter(|live| live.is_open());
        open().find(|live| live.dialler == Dialler::SmallerId).or_else(|| open().next()).cloned()
    }

    fn forget_closed(&mut self) {
        let past = &mut self.past;
        self.connections.retain(|live| {
            let open = live.is_open();
            if !open {
                *past += Traffic::of(&live.connection);
            }
            open
        });
    }
}

fn backoff(failed_in_a_row: u32, limits: &Limits) -> Duration {
    let doublings = failed_in_a_row.saturating_sub(1).min(16);
    limits.redial_min.saturating_mul(1 << doublings).min(limits.redial_max)
}

fn backing_off(last: &CallError, ago: Duration, wait: Duration) -> CallError {
    match last {
        CallError::Unreachable { reason } => {
            Unreachable::BackingOff { ago, wait, last: Box::new(reason.clone()) }.into()
        }
        CallError::Refused { .. } | CallError::TimedOut | CallError::Closed { .. } => last.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> CallError {
        CallError::Refused { reason: crate::Refusal::Revoked }
    }

    #[test]
    fn one_caller_dials_and_the_others_wait_and_learn_how_it_went() {
        let (lane, limits, now) = (Lane::default(), Limits::default(), Instant::now());
        let failed_before = lane.failed();
        assert!(matches!(lane.next(now, failed_before, &limits), Next::Dial));
        assert!(matches!(lane.next(now, failed_before, &limits), Next::Wait));
        lane.dial_ended(now, Err(refused()));
        assert!(matches!(lane.next(now, failed_before, &limits), Next::Fail(_)));
    }

    #[test]
    fn a_peer_that_does_not_answer_is_dialled_less_and_less_often() {
        let (lane, limits, mut now) = (Lane::default(), Limits::default(), Instant::now());
        let mut waits_ms = Vec::new();
        for _ in 0..7 {
            assert!(matches!(lane.next(now, lane.failed(), &limits), Next::Dial));
            lane.dial_ended(now, Err(Unreachable::NoAddress.into()));
            let failed_at = now;
            while matches!(lane.next(now, lane.failed(), &limits), Next::Fail(_)) {
                now += Duration::from_millis(50);
            }
            waits_ms.push((now - failed_at).as_millis());
            lane.lock().dialling = false;
        }
        assert_eq!(waits_ms, [100, 200, 400, 800, 1600, 2000, 2000]);
    }
}
