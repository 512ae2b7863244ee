//! One camera: pulled from by RTSP, handed to the node as H.264 or JPEG, as much
//! of it as the node asks for. Everything that happens arrives in one bounded
//! queue and is dealt with by one thread. It never gives up on a camera and never
//! hammers at one; it refuses to open anything but the address that it was given.

mod order;
mod outlet;
mod smaller;
mod source;
mod still;
mod units;

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gstreamer as gst;
use gstreamer::prelude::*;

pub(crate) use order::{Job, Opening};
use order::{Order, Rung};
use outlet::{Kind, Moment, Outlet, Report};
use smaller::Smaller;
use source::Source;
use units::{Group, Sets, Unit};

use crate::wire::{Line, read_line};
use crate::wrong::Wrong;

/// Pictures and orders that wait for the one thread.
const EVENTS: usize = 64;
const TICK: Duration = Duration::from_millis(100);
const REPORT: Duration = Duration::from_secs(1);
/// How long the first picture may take, connection included.
const FIRST: Duration = Duration::from_secs(10);
/// How long the camera's own key frame is waited for before the old one and all
/// that followed is sent at once.
const KEY_WAIT: Duration = Duration::from_secs(1);
/// Before a rung is tried again whose pipeline broke.
const MEND: Duration = Duration::from_secs(1);
/// Farther back than this no picture in a queue can lie.
const OLDEST_NS: u64 = 60_000_000_000;

enum Event {
    Camera { at_ns: u64, bytes: Vec<u8>, after_loss: bool },
    Made { kind: Kind, order: u32, at_ns: u64, bytes: Vec<u8>, after_loss: bool },
    Order(Order),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Playing,
    /// It was there.
    Lost,
    Unreachable,
    Unauthorized,
    NoStream,
    /// No H.264.
    Unsupported,
    /// This machine cannot make what was asked for.
    Broken,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Playing => "playing",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::NoStream => "no-stream",
            Self::Unsupported => "unsupported",
            Self::Broken => "broken",
        }
    }

    /// Before the camera is asked again, after so many failures. Cameras lock
    /// accounts after a few wrong passwords.
    fn pause(self, failures: u32) -> Duration {
        let doubled = |first_ms: u64, most_ms: u64| {
            Duration::from_millis((first_ms << failures.min(6)).min(most_ms))
        };
        match self {
            Self::Unauthorized => doubled(15_000, 120_000),
            Self::NoStream | Self::Unsupported | Self::Broken => doubled(2_000, 15_000),
            _ => doubled(250, 2_000),
        }
    }
}

/// What is made at the moment.
enum Work {
    Original,
    Smaller(Box<Smaller>),
    /// Its pipeline broke.
    Nothing {
        again: Instant,
    },
}

struct Camera {
    job: Job,
    outlet: Outlet,
    events: SyncSender<Event>,
    clock: gst::Clock,
    source: Option<Source>,
    work: Work,
    /// Which order the pictures follow that are sent as they came.
    order: u32,
    rung: Rung,
    /// Until then something smaller goes on, for the camera's key frame.
    until_key: Option<Instant>,
    sets: Sets,
    group: Group,
    state: State,
    why: String,
    failures: u32,
    /// When something last came, or was begun.
    moved: Instant,
    retry: Instant,
    reported: Instant,
    /// What came since the last report, and what came before it.
    bytes: u64,
    source_bps: u64,
}

/// Serves until the node closes the pipe.
pub(crate) fn run(job: Job) -> Result<(), Wrong> {
    job.check()?;
    let (events, queue) = sync_channel(EVENTS);
    let orders = events.clone();
    let threads = |error: io::Error| Wrong::Pipeline(error.to_string());
    thread::Builder::new().name("orders".into()).spawn(move || listen(&orders)).map_err(threads)?;
    let now = Instant::now();
    let mut camera = Camera {
        outlet: Outlet::open().map_err(threads)?,
        events,
        clock: gst::SystemClock::obtain(),
        source: None,
        work: Work::Original,
        order: job.order,
        rung: job.rung,
        until_key: None,
        sets: Sets::default(),
        group: Group::default(),
        state: State::Connecting,
        why: String::new(),
        failures: 0,
        moved: now,
        retry: now,
        reported: now,
        bytes: 0,
        source_bps: 0,
        job,
    };
    camera.begin(now);
    camera.report(now);
    camera.serve(&queue);
    Ok(())
}

/// Reads orders; after the last one the process has a second to go by itself.
fn listen(events: &SyncSender<Event>) {
    let mut input = io::stdin().lock();
    while let Ok(Line::Whole(line)) = read_line(&mut input) {
        match serde_json::from_slice(&line) {
            Ok(order) => {
                if events.send(Event::Order(order)).is_err() {
                    return;
                }
            }
            // It may hold what nobody should read.
            Err(error) => eprintln!("not an order: {:?}", error.classify()),
        }
    }
    let gone = Instant::now() + Duration::from_secs(1);
    let mut end = Event::End;
    while Instant::now() < gone {
        match events.try_send(end) {
            Err(TrySendError::Full(back)) => end = back,
            _ => break,
        }
        thread::park_timeout(TICK);
    }
    while Instant::now() < gone {
        thread::park_timeout(TICK);
    }
    std::process::exit(1);
}

impl Camera {
    fn serve(&mut self, queue: &Receiver<Event>) {
        let mut tick = Instant::now() + TICK;
        loop {
            let patience = tick.saturating_duration_since(Instant::now());
            match queue.recv_timeout(patience) {
                Ok(Event::Camera { at_ns, bytes, after_loss }) => {
                    self.camera(at_ns, &bytes, after_loss);
                }
                Ok(Event::Made { kind, order, at_ns, bytes, after_loss }) => {
                    if after_loss {
                        self.outlet.gap();
                    }
                    // What an old pipeline still had is not wanted any more.
                    if self.makes(order) {
                        self.send(kind, order, at_ns, &bytes);
                    }
                }
                Ok(Event::Order(order)) => self.obey(order),
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= tick {
                tick = now + TICK;
                self.tick(now);
            }
        }
    }

    fn makes(&self, order: u32) -> bool {
        matches!(&self.work, Work::Smaller(smaller) if smaller.order() == order)
    }

    fn camera(&mut self, at_ns: u64, raw: &[u8], after_loss: bool) {
        if self.source.is_none() {
            return;
        }
        let now = Instant::now();
        self.bytes += raw.len() as u64;
        self.moved = now;
        if after_loss {
            self.group.lose();
        }
        let Some(unit) = self.sets.unit(at_ns, raw) else { return };
        if !self.group.push(&unit) {
            return;
        }
        if self.state != State::Broken {
            self.become_state(State::Playing, String::new());
        }
        self.failures = 0;
        if unit.key && self.until_key.take().is_some() {
            self.work = Work::Original;
        }
        self.pass_on(&unit);
    }

    fn pass_on(&mut self, unit: &Unit) {
        match &mut self.work {
            Work::Original => {
                let kind = if unit.key { Kind::Key } else { Kind::Delta };
                self.send(kind, self.order, unit.at_ns, &unit.bytes);
            }
            Work::Smaller(smaller) => {
                if let Err(wrong) = smaller.feed(unit) {
                    self.broke(wrong.said().en);
                }
            }
            Work::Nothing { .. } => {}
        }
    }

    fn send(&mut self, kind: Kind, order: u32, at_ns: u64, bytes: &[u8]) {
        let now = self.moment();
        let past_ns = now.at_ns.saturating_sub(at_ns).min(OLDEST_NS);
        let taken = Moment { at_ns, wall_ms: now.wall_ms.saturating_sub(past_ns / 1_000_000) };
        if !self.outlet.picture(kind, order, taken, bytes)
            && let Work::Smaller(smaller) = &self.work
        {
            smaller.ask_key();
        }
    }

    fn moment(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { at_ns: self.clock.time().nseconds(), wall_ms: wall.as_millis() as u64 }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Key {} => match (&self.work, &self.source) {
                (Work::Smaller(smaller), _) => smaller.ask_key(),
                (_, Some(source)) => source.ask_key(),
                _ => {}
            },
            Order::Rung { order, rung } => {
                if let Err(wrong) = rung.check() {
                    eprintln!("{}", wrong.said().en);
                    return;
                }
                let before = std::mem::replace(&mut self.order, order);
                self.rung = rung;
                if let Work::Smaller(smaller) = &mut self.work
                    && self.until_key.is_none()
                    && smaller.becomes(rung, order)
                {
                    self.outlet.renumber(before, order);
                    return;
                }
                self.begin(Instant::now());
            }
        }
    }

    /// Turns to the rung that is wanted now.
    fn begin(&mut self, now: Instant) {
        self.until_key = None;
        if self.rung == (Rung::Original {}) {
            if matches!(self.work, Work::Smaller(_)) && !self.group.units().is_empty() {
                self.until_key = Some(now + KEY_WAIT);
                self.source.as_ref().inspect(|source| source.ask_key());
            } else {
                self.original();
            }
            return;
        }
        let units = self.group.units();
        match Smaller::start(self.rung, self.order, units, self.events.clone()) {
            Ok(smaller) => {
                self.work = Work::Smaller(Box::new(smaller));
                if self.state == State::Broken {
                    self.become_state(State::Connecting, String::new());
                }
            }
            Err(wrong) => self.broke(wrong.said().en),
        }
    }

    /// From the last key frame on, all at once.
    fn original(&mut self) {
        self.until_key = None;
        self.work = Work::Original;
        for unit in self.group.units().to_vec() {
            self.pass_on(&unit);
        }
    }

    fn broke(&mut self, why: String) {
        self.work = Work::Nothing { again: Instant::now() + MEND };
        self.become_state(State::Broken, why);
    }

    fn tick(&mut self, now: Instant) {
        if self.until_key.is_some_and(|until| now >= until) {
            self.original();
        }
        match &self.work {
            Work::Smaller(smaller) => {
                if let Some(why) = smaller.trouble() {
                    self.broke(why);
                }
            }
            Work::Nothing { again } if now >= *again => self.begin(now),
            _ => {}
        }
        match &self.source {
            None if now >= self.retry => self.connect(now),
            None => {}
            Some(source) => {
                let silent = Duration::from_millis(self.job.silent_ms.into());
                let patience = if self.state == State::Playing { silent } else { FIRST };
                if let Some((state, why)) = source.trouble() {
                    self.lose(now, state, why);
                } else if now.duration_since(self.moved) > patience {
                    self.lose(now, State::Unreachable, "nothing came".into());
                }
            }
        }
        if now.duration_since(self.reported) >= REPORT {
            self.report(now);
        }
    }

    fn connect(&mut self, now: Instant) {
        self.moved = now;
        match Source::start(&self.job, self.events.clone()) {
            Ok(source) => self.source = Some(source),
            Err(wrong) => self.lose(now, State::Broken, wrong.said().en),
        }
    }

    fn lose(&mut self, now: Instant, state: State, why: String) {
        // The camera hears a farewell, if it still listens.
        self.source = None;
        let was_there = matches!(self.state, State::Playing);
        let state = if was_there && state == State::Unreachable { State::Lost } else { state };
        self.retry = now + state.pause(self.failures);
        self.failures += 1;
        self.group.lose();
        self.sets = Sets::default();
        if !matches!(self.work, Work::Original) {
            // A decoder would take the next beginning for more of the same.
            self.work = Work::Original;
            self.begin(now);
        }
        self.become_state(state, why);
    }

    fn become_state(&mut self, state: State, why: String) {
        if self.state != state || self.why != why {
            (self.state, self.why) = (state, why);
            self.report(Instant::now());
        }
    }

    fn report(&mut self, now: Instant) {
        let ms = now.duration_since(self.reported).as_millis() as u64;
        if ms >= REPORT.as_millis() as u64 {
            self.source_bps = self.bytes * 8_000 / ms;
            (self.bytes, self.reported) = (0, now);
        }
        let report = Report {
            state: self.state.word(),
            why: &self.why,
            source_bps: self.source_bps,
            lost: self.outlet.lost,
        };
        self.outlet.report(self.moment(), &report);
    }
}
