//! Letters from handles to the thread, and the numbers that are given out. The
//! newest order of each kind replaces the one before, so there are never more than
//! trunks; a lock is taken by who writes and, when the bell rings, by the thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use weir_model::id::NodeId;

use super::carried::{Opening, Way};
use super::handle::ms;
use super::mail::Mail;
use super::stats::Counters;
use super::{PEER_TRUNKS_MAX, TRUNKS_MAX, TrunkError};
use crate::wan::{Link, Telephone};

/// A channel is not given out again for so long: its frames may be under way.
const REST_MS: u64 = 10_000;
/// Nodes of which a path is remembered; more than a cluster has.
const PATHS_MAX: usize = 4_096;

/// See [`super::Trunk::join`]; `link`: as it was judged then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) theirs: u16,
    pub(super) telephone: Telephone,
    pub(super) towards: Option<SocketAddr>,
    pub(super) link: Link,
}

/// What one trunk wants.
#[derive(Debug, Default)]
pub(super) struct Letter {
    pub(super) open: Option<Opening>,
    pub(super) join: Option<Join>,
    pub(super) close: bool,
}

/// Numbers that peers call us by. 0 is never one.
#[derive(Debug)]
struct Channels {
    next: u16,
    /// In use, or resting.
    taken: BTreeSet<u16>,
    resting: VecDeque<(u16, u64)>,
}

impl Channels {
    fn take(&mut self, now_ms: u64) -> Option<u16> {
        while let Some((channel, since_ms)) = self.resting.front().copied()
            && now_ms.saturating_sub(since_ms) >= REST_MS
        {
            self.resting.pop_front();
            self.taken.remove(&channel);
        }
        if self.taken.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            let channel = self.next;
            self.next = channel.wrapping_add(1);
            if channel != 0 && self.taken.insert(channel) {
                return Some(channel);
            }
        }
    }
}

#[derive(Debug)]
struct Letters {
    by_channel: BTreeMap<u16, Letter>,
    channels: Channels,
    /// Trunks to each peer, and in all.
    open: BTreeMap<NodeId, u32>,
    total: u32,
    paths: BTreeMap<NodeId, Link>,
    /// Peers whose path is news to the thread.
    moved: BTreeSet<NodeId>,
    stopped: bool,
}

/// What was written since the last time.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) letters: BTreeMap<u16, Letter>,
    pub(super) paths: Vec<(NodeId, Link)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Post {
    letters: Mutex<Letters>,
    pub(super) mail: Mail,
    pub(super) bell: OwnedFd,
    pub(super) epoll: OwnedFd,
    pub(super) counters: Counters,
    pub(super) began: Instant,
    stop: AtomicBool,
}

impl Post {
    pub(super) fn new(began: Instant, first_channel: u16) -> io::Result<Self> {
        let channels =
            Channels { next: first_channel, taken: BTreeSet::new(), resting: VecDeque::new() };
        let letters = Letters {
            by_channel: BTreeMap::new(),
            channels,
            open: BTreeMap::new(),
            total: 0,
            paths: BTreeMap::new(),
            moved: BTreeSet::new(),
            stopped: false,
        };
        Ok(Self {
            letters: Mutex::new(letters),
            mail: Mail::default(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            counters: Counters::default(),
            began,
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        // Nothing in here is ever half done.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A full counter means that it rings already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    pub(super) fn open_trunks(&self) -> u32 {
        self.letters().total
    }

    /// A channel for a trunk to this peer, and room for it.
    pub(super) fn reserve(&self, peer: NodeId) -> Result<u16, TrunkError> {
        let now_ms = self.now_ms();
        let mut letters = self.letters();
        if letters.stopped {
            return Err(TrunkError::Stopped);
        }
        if letters.total >= TRUNKS_MAX {
            return Err(TrunkError::Full(TRUNKS_MAX));
        }
        let of_peer = letters.open.get(&peer).copied().unwrap_or(0);
        if of_peer >= PEER_TRUNKS_MAX {
            return Err(TrunkError::PeerFull(PEER_TRUNKS_MAX));
        }
        let channel = letters.channels.take(now_ms).ok_or(TrunkError::Full(TRUNKS_MAX))?;
        letters.open.insert(peer, of_peer + 1);
        letters.total += 1;
        Ok(channel)
    }

    pub(super) fn open(&self, channel: u16, opening: Opening) -> Result<(), TrunkError> {
        let mut letters = self.letters();
        if letters.stopped {
            return Err(TrunkError::Stopped);
        }
        if let Way::Wire(wire) = &opening.way {
            // Until the thread has read this letter, packets wait in the socket.
            let token = EventData::new_u64(u64::from(channel));
            let added = epoll::add(&self.epoll, wire.socket(), token, EventFlags::IN);
            added.map_err(io::Error::from)?;
        }
        // Who is told the channel may send before the thread has read this.
        self.mail.open(opening.peer);
        let open = Some(opening);
        letters.by_channel.insert(channel, Letter { open, ..Letter::default() });
        drop(letters);
        self.ring();
        Ok(())
    }

    pub(super) fn join(&self, channel: u16, join: Join) {
        self.write(channel, |letter| letter.join = Some(join));
    }

    pub(super) fn close(&self, channel: u16) {
        self.write(channel, |letter| letter.close = true);
    }

    fn write(&self, channel: u16, what: impl FnOnce(&mut Letter)) {
        let mut letters = self.letters();
        if letters.stopped {
            return;
        }
        what(letters.by_channel.entry(channel).or_default());
        drop(letters);
        self.ring();
    }

    pub(super) fn path_of(&self, peer: NodeId) -> Link {
        self.letters().paths.get(&peer).copied().unwrap_or(Link::Terrestrial)
    }

    pub(super) fn set_path(&self, peer: NodeId, path: Link) {
        let mut letters = self.letters();
        let known = letters.paths.contains_key(&peer);
        if letters.stopped || (!known && letters.paths.len() >= PATHS_MAX) {
            return;
        }
        letters.paths.insert(peer, path);
        letters.moved.insert(peer);
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

    pub(super) fn read(&self) -> Written {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        let mut letters = self.letters();
        let moved = std::mem::take(&mut letters.moved);
        let path = |peer: NodeId| letters.paths.get(&peer).map(|path| (peer, *path));
        let paths = moved.into_iter().filter_map(path).collect();
        Written { letters: std::mem::take(&mut letters.by_channel), paths }
    }

    /// Its sockets are closed, or were never opened.
    pub(super) fn give_back(&self, channel: u16, peer: NodeId) {
        let now_ms = self.now_ms();
        let mut letters = self.letters();
        // Its handle, where there was one, has written that it is closed.
        letters.by_channel.remove(&channel);
        letters.channels.resting.push_back((channel, now_ms));
        letters.total = letters.total.saturating_sub(1);
        if let Some(open) = letters.open.get_mut(&peer) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                letters.open.remove(&peer);
            }
        }
    }

    /// No letter is read any more; those that are here close their sockets.
    pub(super) fn end(&self) {
        let mut letters = self.letters();
        letters.stopped = true;
        letters.by_channel.clear();
        letters.open.clear();
        letters.total = 0;
        drop(letters);
        self.mail.close_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_rests_before_it_is_given_out_again() {
        let mut channels =
            Channels { next: 65_534, taken: BTreeSet::new(), resting: VecDeque::new() };
        let taken: Vec<_> = (0..4).map(|_| channels.take(0)).collect();
        assert_eq!(taken, [Some(65_534), Some(65_535), Some(1), Some(2)]);
        channels.resting.push_back((1, 1_000));
        channels.next = 1;
        assert_eq!(channels.take(10_999), Some(3));
        channels.next = 1;
        assert_eq!(channels.take(11_000), Some(1));
    }

    #[test]
    fn all_numbers_in_use_are_none() {
        let mut channels = Channels { next: 9, taken: BTreeSet::new(), resting: VecDeque::new() };
        assert!((0..65_535).all(|_| channels.take(0).is_some()));
        assert_eq!(channels.take(0), None);
    }
}
