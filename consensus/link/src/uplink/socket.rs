//! A socket that asks the meter of an uplink before it sends over a satellite. It
//! refuses to hold a packet (quinn keeps the one it could not send) and to delay
//! what goes over the ground.
//!
//! quinn 0.11: before each send it polls its connection's poller, and again after a
//! send that would block; then it waits for the poller to wake it and tries the same
//! packet again. A poller is not told where its connection leads, so the socket
//! notes for which task it refused: every connection is driven by a task of its own,
//! which polls right after the refusal. A poller owns its timer, so that no wake-up
//! can be lost, and an early one only asks again.

use std::collections::HashMap;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::Sleep;

use super::meter::Verdict;
use super::{ConnectionKey, Lane, Uplinks};
use crate::shaped::wire_bytes;

/// What quinn sees of a class's socket.
#[derive(Debug)]
pub(crate) struct MeteredSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    lane: Lane,
    uplinks: Arc<Uplinks>,
    /// Whom to wake when; taken by the poll that follows.
    refused: Mutex<HashMap<ConnectionKey, Instant>>,
    /// How many of them, so that others need no lock.
    refusals: AtomicUsize,
}

impl MeteredSocket {
    pub(crate) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        lane: Lane,
        uplinks: Arc<Uplinks>,
    ) -> Arc<Self> {
        let (refused, refusals) = (Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { inner, lane, uplinks, refused, refusals })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionKey, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, connection: ConnectionKey, until: Instant) {
        let mut refused = self.lock();
        refused.insert(connection, until);
        self.refusals.store(refused.len(), Ordering::Release);
    }

    fn take_refusal(&self) -> Option<Instant> {
        if self.refusals.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut refused = self.lock();
        let until = refused.remove(&tokio::task::try_id());
        self.refusals.store(refused.len(), Ordering::Release);
        until
    }
}

/// With the headers of every packet in it.
fn on_the_wire(transmit: &Transmit<'_>) -> u64 {
    let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
    let packets = transmit.contents.len().div_ceil(size).max(1) as u64;
    transmit.contents.len() as u64 + packets * wire_bytes(transmit.destination, 0)
}

/// tokio's clock, so that paused time holds here too.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl AsyncUdpSocket for MeteredSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let inner = self.inner.clone().create_io_poller();
        Box::pin(MeteredPoller { socket: self, inner, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if let Some(uplink) = self.uplinks.towards(transmit.destination) {
            let connection = tokio::task::try_id();
            let who: (ConnectionKey, SocketAddr) = (connection, transmit.destination);
            match uplink.ask(now(), self.lane, who, on_the_wire(transmit)) {
                Verdict::Pass => {}
                Verdict::Wait { until } => {
                    self.refuse(connection, until);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Of one connection.
#[derive(Debug)]
struct MeteredPoller {
    socket: Arc<MeteredSocket>,
    inner: Pin<Box<dyn UdpPoller>>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for MeteredPoller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(until) = this.socket.take_refusal() {
            this.waiting = Some(Box::pin(tokio::time::sleep_until(until.into())));
        }
        if let Some(waiting) = &mut this.waiting {
            ready!(waiting.as_mut().poll(cx));
            this.waiting = None;
        }
        this.inner.as_mut().poll_writable(cx)
    }
}

#[cfg(test)]
mod tests;
