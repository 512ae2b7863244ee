//! Letters from lanes to their worker. The newest order of each kind replaces the
//! one before, so there are never more than lanes; a lock is taken by who writes
//! and, when the bell rings, by the worker: never for a packet.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use super::join::{Join, Port};
use super::stats::Counters;
use super::{Aim, RelayError, Side};
use crate::voice::ports::PortPair;

/// The bell among a worker's sockets.
pub(super) const BELL: u64 = u64::MAX;

/// What one lane wants.
#[derive(Debug, Default)]
pub(super) struct Letter {
    pub(super) open: Option<Box<(Join, [PortPair; 2])>>,
    /// Side A's and B's.
    pub(super) aims: [Option<Option<Aim>>; 2],
    pub(super) close: bool,
}

#[derive(Debug, Default)]
struct Letters {
    by_slot: BTreeMap<u32, Letter>,
    /// Slots that were given back, and how many there ever were.
    free: Vec<u32>,
    slots: u32,
    stopped: bool,
}

/// One worker's.
#[derive(Debug)]
pub(super) struct Post {
    letters: Mutex<Letters>,
    pub(super) bell: OwnedFd,
    pub(super) epoll: OwnedFd,
    pub(super) counters: Counters,
    stop: AtomicBool,
    open: AtomicU32,
    limit: u32,
}

/// How the worker knows a socket again.
pub(super) fn token(slot: u32, side: Side, port: Port) -> u64 {
    let side = u64::from(side == Side::B);
    u64::from(slot) << 2 | side << 1 | u64::from(port == Port::Rtcp)
}

pub(super) fn place(token: u64) -> (usize, Side, Port) {
    let side = if token & 2 == 0 { Side::A } else { Side::B };
    let port = if token & 1 == 0 { Port::Rtp } else { Port::Rtcp };
    (usize::try_from(token >> 2).unwrap_or(usize::MAX), side, port)
}

impl Post {
    pub(super) fn new(limit: u32) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            letters: Mutex::default(),
            bell,
            epoll,
            counters: Counters::default(),
            stop: AtomicBool::new(false),
            open: AtomicU32::new(0),
            limit,
        })
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        // Nothing in here is ever half done.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A full counter means that it rings already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Lanes whose ports are open.
    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// A new lane's slot.
    pub(super) fn take_up(&self, join: Join, pairs: [PortPair; 2]) -> Result<u32, RelayError> {
        let mut letters = self.letters();
        if letters.stopped {
            return Err(RelayError::Stopped);
        }
        let slot = match letters.free.pop() {
            Some(slot) => slot,
            None if letters.slots < self.limit => {
                letters.slots += 1;
                letters.slots - 1
            }
            None => return Err(RelayError::Full(self.limit)),
        };
        // Until the worker has read this letter, packets wait in their sockets.
        if let Err(error) = self.watch(slot, &pairs) {
            letters.free.push(slot);
            return Err(RelayError::Host(error));
        }
        let open = Some(Box::new((join, pairs)));
        letters.by_slot.insert(slot, Letter { open, ..Letter::default() });
        self.open.fetch_add(1, Ordering::Relaxed);
        drop(letters);
        self.ring();
        Ok(slot)
    }

    fn watch(&self, slot: u32, [a, b]: &[PortPair; 2]) -> io::Result<()> {
        for (side, pair) in [(Side::A, a), (Side::B, b)] {
            for (port, socket) in [(Port::Rtp, &pair.rtp), (Port::Rtcp, &pair.rtcp)] {
                let token = EventData::new_u64(token(slot, side, port));
                epoll::add(&self.epoll, socket, token, EventFlags::IN)?;
            }
        }
        Ok(())
    }

    pub(super) fn aim(&self, slot: u32, side: Side, aim: Option<Aim>) {
        let mut letters = self.letters();
        if letters.stopped {
            return;
        }
        let [a, b] = &mut letters.by_slot.entry(slot).or_default().aims;
        match side {
            Side::A => *a = Some(aim),
            Side::B => *b = Some(aim),
        }
        drop(letters);
        self.ring();
    }

    pub(super) fn close(&self, slot: u32) {
        let mut letters = self.letters();
        if !letters.stopped {
            letters.by_slot.entry(slot).or_default().close = true;
        }
        drop(letters);
        self.ring();
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// What was written since the last time.
    pub(super) fn read(&self) -> BTreeMap<u32, Letter> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        std::mem::take(&mut self.letters().by_slot)
    }

    /// The slot's sockets are closed.
    pub(super) fn give_back(&self, slot: u32) {
        self.letters().free.push(slot);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// No letter is read any more; those that are here close their sockets.
    pub(super) fn end(&self) {
        let mut letters = self.letters();
        letters.stopped = true;
        letters.by_slot.clear();
        self.open.store(0, Ordering::Relaxed);
    }
}
