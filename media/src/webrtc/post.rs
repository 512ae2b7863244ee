//! Letters to the thread that serves viewers. Whatever waits here is bounded by
//! number and by bytes; what does not fit is lost at once and its picture marked,
//! because what follows builds on it. Nobody waits, and a lock is held for a push
//! or a swap only.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::offer::Opened;
use super::pack::Frame;
use super::picture::Shared;
use super::stats::{Counters, add};
use super::{OfferError, ViewerId};

/// Frames of all pictures that wait, and their bytes.
const FRAMES_MAX: usize = 1_024;
const FRAME_BYTES_MAX: usize = 16_000_000;

/// A frame on its way.
pub(super) struct Parcel {
    pub(super) picture: Arc<Shared>,
    /// `None`: only tells that something is missing.
    pub(super) frame: Option<Arc<Frame>>,
    /// Something before it is missing.
    pub(super) gap: bool,
}

/// A viewer whose offer was answered.
pub(super) struct Newcomer {
    pub(super) id: ViewerId,
    pub(super) picture: Arc<Shared>,
    pub(super) opened: Box<Opened>,
}

#[derive(Default)]
pub(super) struct Letters {
    pub(super) parcels: VecDeque<Parcel>,
    pub(super) newcomers: Vec<Newcomer>,
    pub(super) ended: Vec<ViewerId>,
}

#[derive(Default)]
struct Desk {
    letters: Letters,
    bytes: usize,
    /// Whoever is here or on the way.
    present: BTreeSet<ViewerId>,
    stopped: bool,
}

/// See the module.
pub(super) struct Post {
    inside: Mutex<Desk>,
    pub(super) bell: OwnedFd,
    pub(super) counters: Counters,
    stop: AtomicBool,
    viewers_max: usize,
}

impl Post {
    pub(super) fn new(viewers_max: usize) -> io::Result<Self> {
        Ok(Self {
            inside: Mutex::default(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            counters: Counters::default(),
            stop: AtomicBool::new(false),
            viewers_max,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Desk> {
        // Nothing in here is ever half done.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A full counter means that it rings already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// `false`: it was lost.
    pub(super) fn frame(&self, parcel: Parcel) -> bool {
        let bytes = parcel.frame.as_ref().map_or(0, |frame| frame.bytes);
        let mut inside = self.inside();
        let full = inside.letters.parcels.len() >= FRAMES_MAX
            || inside.bytes.saturating_add(bytes) > FRAME_BYTES_MAX;
        if full || inside.stopped {
            return false;
        }
        inside.bytes += bytes;
        inside.letters.parcels.push_back(parcel);
        drop(inside);
        self.ring();
        true
    }

    /// Whether one more viewer would be let in.
    pub(super) fn has_room(&self) -> Result<(), OfferError> {
        let inside = self.inside();
        if inside.stopped {
            Err(OfferError::Stopped)
        } else if inside.present.len() >= self.viewers_max {
            Err(OfferError::Full(self.viewers_max))
        } else {
            Ok(())
        }
    }

    pub(super) fn admit(&self, newcomer: Newcomer) -> Result<(), OfferError> {
        self.has_room()?;
        let mut inside = self.inside();
        // Others may have come between the question and this.
        if inside.present.len() >= self.viewers_max || !inside.present.insert(newcomer.id) {
            return Err(OfferError::Full(self.viewers_max));
        }
        inside.letters.newcomers.push(newcomer);
        drop(inside);
        self.ring();
        Ok(())
    }

    /// Whether there was such a viewer.
    pub(super) fn end(&self, id: ViewerId) -> bool {
        let mut inside = self.inside();
        if !inside.present.remove(&id) {
            return false;
        }
        inside.letters.ended.push(id);
        drop(inside);
        self.ring();
        true
    }

    /// It went by itself.
    pub(super) fn gone(&self, id: ViewerId) {
        self.inside().present.remove(&id);
    }

    pub(super) fn viewers(&self) -> usize {
        self.inside().present.len()
    }

    /// What was written since the last time.
    pub(super) fn read(&self) -> Letters {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        let mut inside = self.inside();
        inside.bytes = 0;
        mem::take(&mut inside.letters)
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// No letter is read any more.
    pub(super) fn close(&self) {
        let mut inside = self.inside();
        inside.stopped = true;
        inside.present.clear();
        let letters = mem::take(&mut inside.letters);
        drop(inside);
        add(&self.counters.unshown, u64::try_from(letters.parcels.len()).unwrap_or(0));
    }
}
