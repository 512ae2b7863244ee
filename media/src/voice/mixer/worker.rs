//! The thread that mixes. It looks at its sockets when a tick is due, so packets
//! wake nobody; a participant costs one write and two reads a tick, and no lock
//! and no allocation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::beat::Beat;
use super::chair::Chair;
use super::mix::Mix;
use super::post::{Post, RoomPlace, SeatPlace};
use super::stats::add;
use super::wire::Desk;
use super::{Heard, MixerConfig};

/// How often silences are looked for, in ticks.
const LOOK_TICKS: u32 = 50;

struct Room {
    id: u64,
    chairs: Vec<(SeatPlace, Box<Chair>)>,
}

/// See the module.
pub(super) struct Worker {
    post: Arc<Post>,
    rooms: BTreeMap<RoomPlace, Room>,
    desk: Desk,
    heard: Vec<Heard>,
    told: mpsc::Sender<Heard>,
    began: Instant,
    beat: Beat,
    quiet_ms: u64,
    ticks: u32,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Worker {
    pub(super) fn new(
        post: Arc<Post>,
        config: MixerConfig,
        began: Instant,
        told: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            post,
            rooms: BTreeMap::new(),
            desk: Desk::default(),
            heard: Vec::new(),
            told,
            began,
            beat: Beat::default(),
            quiet_ms: ms(config.quiet),
            ticks: 0,
        }
    }

    /// Until the post is stopped; then all sockets close.
    pub(super) fn run(mut self) {
        while !self.post.is_stopped() {
            self.turn(self.began.elapsed());
            if self.rooms.is_empty() {
                self.beat.rest();
                std::thread::park();
            } else {
                std::thread::park_timeout(self.beat.patience(self.began.elapsed()));
            }
        }
        for (_, chair) in self.rooms.values().flat_map(|room| &room.chairs) {
            chair.goodbye(&mut self.desk);
        }
        self.post.end();
    }

    /// A tick, if one is due.
    pub(super) fn turn(&mut self, now: Duration) {
        self.desk.now_ms = ms(now);
        self.letters();
        if self.rooms.is_empty() {
            return;
        }
        let Some(skipped) = self.beat.due(now) else { return };
        let mixes = self.tick(skipped);
        let busy = self.began.elapsed().saturating_sub(now);
        let counters = &self.post.counters;
        add(&counters.ticks, 1);
        add(&counters.skipped, u64::from(skipped));
        add(&counters.mixes, mixes);
        add(&counters.busy_us, u64::try_from(busy.as_micros()).unwrap_or(0));
        self.tell();
    }

    fn tick(&mut self, skipped: u32) -> u64 {
        let Self { post, rooms, desk, heard, .. } = self;
        let mut mixes = 0;
        for room in rooms.values_mut() {
            for (_, chair) in &mut room.chairs {
                if skipped > 0 {
                    chair.skip(skipped);
                }
                chair.listen(desk, &post.counters);
                let (room, who) = (room.id, chair.who);
                let key = |(digit, way)| Heard::Digit { room, who, digit, way };
                heard.extend(desk.keys.drain(..).map(key));
            }
            let mut mix = Mix::of(room.chairs.iter().filter_map(|(_, chair)| chair.sound()));
            for (_, chair) in &mut room.chairs {
                chair.tell(&mut mix, desk, &post.counters);
                mixes += 1;
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(LOOK_TICKS) {
            self.look();
        }
        mixes
    }

    fn look(&mut self) {
        for room in self.rooms.values_mut() {
            for (_, chair) in &mut room.chairs {
                if chair.is_newly_quiet(self.desk.now_ms, self.quiet_ms) {
                    self.heard.push(Heard::Quiet { room: room.id, who: chair.who });
                }
            }
        }
    }

    /// What handles have ordered since.
    fn letters(&mut self) {
        for (seat, letter) in self.post.read() {
            if let Some((id, chair)) = letter.open {
                let new = || Room { id, chairs: Vec::new() };
                let room = self.rooms.entry(letter.room).or_insert_with(new);
                room.id = id;
                room.chairs.push((seat, chair));
            }
            let Some(room) = self.rooms.get_mut(&letter.room) else { continue };
            let Some(at) = room.chairs.iter().position(|(place, _)| *place == seat) else {
                continue;
            };
            if letter.close {
                // The sockets close before the place can be given out again.
                let (_, chair) = room.chairs.swap_remove(at);
                chair.goodbye(&mut self.desk);
                drop(chair);
                if room.chairs.is_empty() {
                    self.rooms.remove(&letter.room);
                }
                self.post.give_back(seat);
            } else if let Some((_, chair)) = room.chairs.get_mut(at) {
                if let Some(aim) = letter.aim {
                    chair.aim(aim);
                }
                if let Some(prompt) = letter.prompt {
                    chair.prompt(prompt);
                }
            }
        }
    }

    fn tell(&mut self) {
        for heard in self.heard.drain(..) {
            if self.told.try_send(heard).is_err() {
                add(&self.post.counters.untold, 1);
            }
        }
    }
}
