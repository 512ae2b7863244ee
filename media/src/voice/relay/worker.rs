//! The thread that moves packets. It sleeps in epoll; under load it gathers for
//! some milliseconds and then takes a few datagrams of each socket in turn, so
//! that a flood on one starves no other and waking up is shared by many. A
//! packet costs one read and one write; no lock and no allocation.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use tokio::sync::mpsc;

use super::join::{Fate, Join, Port};
use super::post::{BELL, Post, place};
use super::stats::add;
use super::{Heard, RelayConfig, Side};
use crate::voice::ports::PortPair;

/// Sockets told of at once.
const EVENTS: usize = 512;
/// Datagrams of one socket in one turn.
const ROUNDS: usize = 4;
/// The longest that is passed: what an Ethernet carries. One more byte shows
/// that a datagram was longer.
const DATAGRAM_MAX: usize = 1_500;
/// Under load: so many packets in so many milliseconds.
const LOAD_PACKETS: u32 = 100;
const LOAD_MS: u64 = 100;
/// How often silences are looked for.
const LOOK_MS: u64 = 1_000;
/// What may be heard in one turn before it is told; more grows the list.
const HEARD: usize = 64;

struct Slot {
    join: Join,
    pairs: [PortPair; 2],
}

/// See the module.
pub(super) struct Worker {
    post: Arc<Post>,
    slots: Vec<Option<Box<Slot>>>,
    datagram: Box<[u8; DATAGRAM_MAX + 1]>,
    report: Vec<u8>,
    heard: Vec<Heard>,
    told: mpsc::Sender<Heard>,
    began: Instant,
    gather: Timespec,
    quiet_ms: u64,
    look_ms: u64,
    load: Load,
}

/// Whether many packets come.
#[derive(Default)]
struct Load {
    since_ms: u64,
    packets: u32,
    high: bool,
}

impl Load {
    fn count(&mut self, now_ms: u64, packets: u32) {
        self.packets = self.packets.saturating_add(packets);
        if now_ms.saturating_sub(self.since_ms) >= LOAD_MS {
            self.high = self.packets >= LOAD_PACKETS;
            (self.since_ms, self.packets) = (now_ms, 0);
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    let tv_sec = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: i64::from(duration.subsec_nanos()) }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Worker {
    pub(super) fn new(
        post: Arc<Post>,
        config: RelayConfig,
        began: Instant,
        told: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            post,
            slots: Vec::new(),
            datagram: Box::new([0; DATAGRAM_MAX + 1]),
            report: Vec::with_capacity(DATAGRAM_MAX),
            heard: Vec::with_capacity(HEARD),
            told,
            began,
            gather: timespec(config.gather),
            quiet_ms: ms(config.quiet),
            look_ms: 0,
            load: Load::default(),
        }
    }

    fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }

    /// Until the post is stopped; then all sockets close.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.post.is_stopped() {
            if self.load.high {
                let mut bell = [PollFd::new(&self.post.bell, PollFlags::IN)];
                // Whoever rings is not kept waiting.
                let _ = poll(&mut bell, Some(&self.gather));
            }
            let packets = self.turn(&mut events);
            let now_ms = self.now_ms();
            self.load.count(now_ms, packets);
            if now_ms.saturating_sub(self.look_ms) >= LOOK_MS {
                self.look_ms = now_ms;
                self.look(now_ms);
            }
            self.tell();
        }
        self.post.end();
    }

    /// Waits, then takes what has come; how many packets that were.
    fn turn(&mut self, events: &mut Vec<epoll::Event>) -> u32 {
        let mut packets = 0;
        for round in 0..ROUNDS {
            let patience = if round == 0 { self.patience() } else { Some(Duration::ZERO) };
            let patience = patience.map(timespec);
            events.clear();
            let found = spare_capacity(events);
            // Interrupted, it comes back here at once.
            if epoll::wait(&self.post.epoll, found, patience.as_ref()).is_err() {
                return packets;
            }
            let now_ms = self.now_ms();
            let mut rung = false;
            for event in &*events {
                match event.data.u64() {
                    BELL => rung = true,
                    token => packets += self.receive(now_ms, token),
                }
            }
            if rung {
                self.letters();
            }
            if rung || events.is_empty() || !self.load.high {
                break;
            }
        }
        packets
    }

    /// With lanes open there is a silence to be noticed.
    fn patience(&self) -> Option<Duration> {
        let any = self.slots.iter().any(Option::is_some);
        any.then(|| Duration::from_millis(LOOK_MS))
    }

    /// One datagram of one socket.
    fn receive(&mut self, now_ms: u64, token: u64) -> u32 {
        let (slot, side, port) = place(token);
        // Its letter is not read yet.
        let Some(Some(slot)) = self.slots.get_mut(slot) else { return 0 };
        let Slot { join, pairs: [a, b] } = &mut **slot;
        let (here, there) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        let socket = match port {
            Port::Rtp => &here.rtp,
            Port::Rtcp => &here.rtcp,
        };
        let (length, from) = match socket.recv_from(&mut self.datagram[..]) {
            Ok(received) => received,
            Err(_) => return 0,
        };
        let counters = &self.post.counters;
        let datagram = match self.datagram.get_mut(..length) {
            Some(datagram) if length <= DATAGRAM_MAX => datagram,
            Some(_) | None => {
                add(&counters.broken, 1);
                return 1;
            }
        };
        let (report, heard) = (&mut self.report, &mut self.heard);
        let sent = match join.take(now_ms, (side, port), from, datagram, report, heard) {
            Fate::Sound(to) => send(&there.rtp, datagram, to),
            Fate::Report(to) => send(&there.rtcp, report, to),
            Fate::Held => return one(&counters.held),
            Fate::Stranger => return one(&counters.strangers),
            Fate::Broken => return one(&counters.broken),
            Fate::Unknown => return one(&counters.unknown),
        };
        one(if sent { &counters.passed } else { &counters.unsent })
    }

    /// What lanes have ordered since.
    fn letters(&mut self) {
        for (number, letter) in self.post.read() {
            let Ok(at) = usize::try_from(number) else { continue };
            if self.slots.len() <= at {
                self.slots.resize_with(at + 1, || None);
            }
            let Some(slot) = self.slots.get_mut(at) else { continue };
            if let Some(open) = letter.open {
                let (join, pairs) = *open;
                *slot = Some(Box::new(Slot { join, pairs }));
            }
            if letter.close {
                // The sockets close before the slot can be given out again.
                *slot = None;
                self.post.give_back(number);
                continue;
            }
            if let Some(slot) = slot {
                for (side, aim) in [Side::A, Side::B].into_iter().zip(letter.aims) {
                    if let Some(aim) = aim {
                        slot.join.aim(side, aim);
                    }
                }
            }
        }
    }

    fn look(&mut self, now_ms: u64) {
        for slot in self.slots.iter_mut().flatten() {
            slot.join.quiet(now_ms, self.quiet_ms, &mut self.heard);
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

fn one(counter: &std::sync::atomic::AtomicU64) -> u32 {
    add(counter, 1);
    1
}

fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> bool {
    loop {
        match socket.send_to(datagram, to) {
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
