//! Letters from handles to their thread. The newest order of each kind replaces
//! the one before, so there are never more than seats; the thread takes the lock
//! only at a tick before which somebody has written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use super::chair::Chair;
use super::prompt::Prompt;
use super::stats::Counters;
use super::{Aim, MixerError};

/// Which room of a thread; given out again when nobody holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RoomPlace(pub(super) u32);

/// Which seat of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatPlace(pub(super) u32);

/// What one seat wants.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) room: RoomPlace,
    /// With what its keys are told under.
    pub(super) open: Option<(u64, Box<Chair>)>,
    pub(super) aim: Option<Option<Aim>>,
    pub(super) prompt: Option<Option<Prompt>>,
    pub(super) close: bool,
}

/// Numbers that were given back, and how many there ever were.
#[derive(Debug, Default)]
struct Numbers {
    free: Vec<u32>,
    ever: u32,
}

impl Numbers {
    fn take(&mut self, limit: u32) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            return Some(number);
        }
        let number = self.ever;
        (number < limit).then(|| self.ever = number + 1)?;
        Some(number)
    }
}

#[derive(Debug, Default)]
struct Letters {
    by_seat: BTreeMap<SeatPlace, Letter>,
    seats: Numbers,
    rooms: Numbers,
    stopped: bool,
}

/// One thread's.
#[derive(Debug)]
pub(super) struct Post {
    letters: Mutex<Letters>,
    written: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
    pub(super) counters: Counters,
    pub(super) rooms: AtomicU32,
    pub(super) seats: AtomicU32,
    rooms_max: u32,
    seats_max: u32,
}

impl Post {
    pub(super) fn new(rooms_max: u32, seats_max: u32) -> Self {
        Self {
            letters: Mutex::default(),
            written: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: OnceLock::new(),
            counters: Counters::default(),
            rooms: AtomicU32::new(0),
            seats: AtomicU32::new(0),
            rooms_max,
            seats_max,
        }
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        // Nothing in here is ever half done.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is to be woken.
    pub(super) fn belongs_to(&self, thread: Thread) {
        let _ = self.thread.set(thread);
        self.ring();
    }

    fn ring(&self) {
        self.written.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(super) fn open_room(&self) -> Result<RoomPlace, MixerError> {
        let mut letters = self.letters();
        if letters.stopped {
            return Err(MixerError::Stopped);
        }
        let place = letters.rooms.take(self.rooms_max);
        let place = place.ok_or(MixerError::Rooms(self.rooms_max))?;
        self.rooms.fetch_add(1, Ordering::Relaxed);
        Ok(RoomPlace(place))
    }

    /// Nobody holds it or a seat in it any more.
    pub(super) fn close_room(&self, RoomPlace(place): RoomPlace) {
        let mut letters = self.letters();
        if !letters.stopped {
            letters.rooms.free.push(place);
            self.rooms.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn open_seat(
        &self,
        room: RoomPlace,
        id: u64,
        chair: Box<Chair>,
    ) -> Result<SeatPlace, MixerError> {
        let mut letters = self.letters();
        if letters.stopped {
            return Err(MixerError::Stopped);
        }
        let place = letters.seats.take(self.seats_max);
        let place = SeatPlace(place.ok_or(MixerError::Seats(self.seats_max))?);
        let open = Some((id, chair));
        let letter = Letter { room, open, aim: None, prompt: None, close: false };
        letters.by_seat.insert(place, letter);
        self.seats.fetch_add(1, Ordering::Relaxed);
        drop(letters);
        self.ring();
        Ok(place)
    }

    pub(super) fn aim(&self, room: RoomPlace, seat: SeatPlace, aim: Option<Aim>) {
        self.write(room, seat, |letter| letter.aim = Some(aim));
    }

    pub(super) fn prompt(&self, room: RoomPlace, seat: SeatPlace, prompt: Option<Prompt>) {
        self.write(room, seat, |letter| letter.prompt = Some(prompt));
    }

    pub(super) fn close_seat(&self, room: RoomPlace, seat: SeatPlace) {
        self.write(room, seat, |letter| letter.close = true);
    }

    fn write(&self, room: RoomPlace, seat: SeatPlace, what: impl FnOnce(&mut Letter)) {
        let mut letters = self.letters();
        if letters.stopped {
            return;
        }
        let empty = Letter { room, open: None, aim: None, prompt: None, close: false };
        what(letters.by_seat.entry(seat).or_insert(empty));
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
    pub(super) fn read(&self) -> BTreeMap<SeatPlace, Letter> {
        if !self.written.swap(false, Ordering::Acquire) {
            return BTreeMap::new();
        }
        std::mem::take(&mut self.letters().by_seat)
    }

    /// The seat's sockets are closed.
    pub(super) fn give_back(&self, SeatPlace(place): SeatPlace) {
        self.letters().seats.free.push(place);
        self.seats.fetch_sub(1, Ordering::Relaxed);
    }

    /// No letter is read any more; those that are here close their sockets.
    pub(super) fn end(&self) {
        let mut letters = self.letters();
        letters.stopped = true;
        letters.by_seat.clear();
        self.rooms.store(0, Ordering::Relaxed);
        self.seats.store(0, Ordering::Relaxed);
    }
}
