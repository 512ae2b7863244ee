//! The task that owns the rules: takes letters, carries their outputs out in
//! order, and never waits for anything but the next letter.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Speaker;
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_signaling::paging::{
    CALLS_MAX, CallId, Event, Input, Loudspeaker, Output, Page, Paging, ZonePicture,
};

use super::Ended;
use super::call::{ANSWER_WITHIN, Carrier, Heard};
use super::config::{Dice, PageOrder, PagerConfig, PagerError};
use super::counters::{Tally, one};
use super::notes::Notes;
use super::phones::Phones;
use crate::sip::{Changes, Outgoing};
use crate::voice::sdp::{self, Answer};
use crate::voice::{self, First, Player, PortPair, Ports, Sounding, Stream};

/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// Reports that are remembered for who asks again.
const REMEMBERED: usize = 256;
/// Most events taken before the screens are told.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) enum Letter {
    Page {
        order: Box<PageOrder>,
        done: oneshot::Sender<Ended>,
    },
    Cease {
        key: EffectKey,
    },
    /// `None`: this life knows nothing of it.
    Ask {
        key: EffectKey,
        told: oneshot::Sender<Option<Ended>>,
    },
}

/// A page whose report is still to come.
struct Held {
    order: PageOrder,
    done: oneshot::Sender<Ended>,
    /// One for all its loudspeakers, from the first answer on.
    player: Option<Player>,
}

/// A call that is not over.
struct Line {
    key: EffectKey,
    hang_up: CancellationToken,
    answered: Option<(Answer, PortPair)>,
    ever_answered: bool,
    /// Dropped, it falls silent.
    sounding: Option<Sounding>,
}

pub(super) struct Driver<P: Phones> {
    phones: P,
    ports: Ports,
    dice: Dice,
    notes: Notes,
    tally: Arc<Tally>,
    tasks: TaskTracker,
    started: Instant,
    paging: Paging,
    held: BTreeMap<EffectKey, Held>,
    lines: BTreeMap<CallId, Line>,
    told: VecDeque<(EffectKey, Ended)>,
    wake: Option<Instant>,
    /// What calls and players say, and where they say it.
    heard: mpsc::Receiver<Heard>,
    call_says: mpsc::Sender<Heard>,
    played: mpsc::Receiver<voice::Heard>,
    player_says: mpsc::Sender<voice::Heard>,
    picture: watch::Sender<Arc<Vec<ZonePicture>>>,
}

type Pictures = watch::Receiver<Arc<Vec<ZonePicture>>>;

impl<P: Phones> Driver<P> {
    pub(super) fn new(
        phones: P,
        config: PagerConfig,
        dice: Dice,
        notes: Notes,
        tally: Arc<Tally>,
        tasks: &TaskTracker,
    ) -> Result<(Self, Pictures), PagerError> {
        let ports = Ports::new(config.rtp, &config.ports)?;
        let (call_says, heard) = mpsc::channel(CALLS_MAX);
        // Two for each call, so that none is ever dropped.
        let (player_says, played) = mpsc::channel(CALLS_MAX * 2);
        let (picture, pictures) = watch::channel(Arc::default());
        let driver = Self {
            phones,
            ports,
            dice,
            notes,
            tally,
            tasks: tasks.clone(),
            started: Instant::now(),
            paging: Paging::new(),
            held: BTreeMap::new(),
            lines: BTreeMap::new(),
            told: VecDeque::new(),
            wake: None,
            heard,
            call_says,
            played,
            player_says,
            picture,
        };
        Ok((driver, pictures))
    }

    pub(super) async fn run(
        mut self,
        mut letters: mpsc::Receiver<Letter>,
        stop: CancellationToken,
    ) {
        loop {
            let wake = self.wake.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                letter = letters.recv() => match letter {
                    Some(letter) => self.letter(letter),
                    None => break,
                },
                Some(heard) = self.heard.recv() => self.heard(heard),
                Some(heard) = self.played.recv() => self.played(heard),
                () = sleep_until(wake) => self.step(Input::Tick),
            }
            self.drain();
            self.picture.send_replace(Arc::new(self.paging.picture()));
        }
        // Each call's own task hangs up; the site treats what was under way as
        // unknown, for nobody can say how much of it was heard.
        self.lines.values().for_each(|line| line.hang_up.cancel());
    }

    /// A page of many answers all at once: the screens are told once.
    fn drain(&mut self) {
        for _ in 0..BATCH {
            let Ok(heard) = self.heard.try_recv() else { break };
            self.heard(heard);
        }
        for _ in 0..BATCH {
            let Ok(heard) = self.played.try_recv() else { break };
            self.played(heard);
        }
    }

    fn letter(&mut self, letter: Letter) {
        match letter {
            Letter::Page { order, done } => self.ordered(*order, done),
            Letter::Cease { key } => self.step(Input::Cease { key }),
            Letter::Ask { key, told } => {
                let _nobody_waits = told.send(self.known(&key));
            }
        }
    }

    fn known(&self, key: &EffectKey) -> Option<Ended> {
        if self.held.contains_key(key) {
            let why = "广播仍在进行，请等待其结果 / the page is under way; wait for its report";
            return Some((EffectResult::Unknown { why: why.into() }, Proof::default()));
        }
        let told = self.told.iter().find(|(known, _)| known == key);
        told.map(|(_, ended)| ended.clone())
    }

    fn ordered(&mut self, order: PageOrder, done: oneshot::Sender<Ended>) {
        if self.paging.knows(&order.key) {
            // The first order decides, and tells who gave it.
            let _nobody_waits = done.send(self.known(&order.key).unwrap_or_else(|| {
                let why = "同一广播已执行过 / this page was carried out before";
                (EffectResult::Unknown { why: why.into() }, Proof::default())
            }));
            return;
        }
        let speakers = order.speakers.iter().map(|speaker| Loudspeaker {
            id: speaker.id.clone(),
            number: speaker.extension.clone(),
        });
        let window_ends = order.window_ends.saturating_duration_since(self.started);
        let page = Page {
            key: order.key.clone(),
            zone: order.zone.clone(),
            speakers: speakers.collect(),
            priority: order.priority,
            repeat: order.repeat,
            clip_ms: order.clip_ms(),
            evidence: order.evidence,
            window_ends_ms: ms(window_ends),
        };
        self.held.insert(order.key.clone(), Held { order, done, player: None });
        self.step(Input::Page(page));
    }

    fn heard(&mut self, heard: Heard) {
        let (call, event) = match heard {
            Heard::Event { call, event } => (call, event),
            Heard::Answered { call, answer, ports } => {
                if let Some(line) = self.lines.get_mut(&call) {
                    line.answered = Some((answer, ports));
                    line.ever_answered = true;
                    one(&self.tally.answered);
                }
                (call, Event::Answered)
            }
        };
        if event.ends()
            && let Some(line) = self.lines.remove(&call)
            && !line.ever_answered
        {
            one(&self.tally.unanswered);
        }
        self.step(Input::Heard { call, event });
    }

    fn played(&mut self, heard: voice::Heard) {
        let (call, event) = match heard {
            voice::Heard::Began { call } => (call, Event::Sounding),
            voice::Heard::Receiving { call } => {
                one(&self.tally.receiving);
                (call, Event::Receiving)
            }
            voice::Heard::Digit { .. } => return,
        };
        self.step(Input::Heard { call: CallId(call), event });
    }

    /// One input, and whatever follows from carrying its outputs out.
    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now_ms = ms(self.started.elapsed());
            self.wake = None;
            for output in self.paging.step(now_ms, input) {
                inputs.extend(self.carry_out(output));
            }
        }
    }

    /// Says what went wrong at once, if anything did.
    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Call { call, key, speaker } => {
                let event = self.call(call, &key, &speaker).err()?;
                one(&self.tally.unanswered);
                return Some(Input::Heard { call, event });
            }
            Output::Play { call, times } => {
                if !self.play(call, times) {
                    self.hang_up(call);
                }
            }
            Output::HangUp { call } => self.hang_up(call),
            Output::Report { key, result, proof } => self.report(key, result, proof),
            Output::WakeAt { at_ms } => {
                self.wake = self.started.checked_add(Duration::from_millis(at_ms));
            }
        }
        None
    }

    fn call(&mut self, call: CallId, key: &EffectKey, who: &Loudspeaker) -> Result<(), Event> {
        let order = &self.held.get(key).ok_or(Event::Unsent)?.order;
        let is_it = |speaker: &&Speaker| speaker.id == who.id;
        let speaker = order.speakers.iter().find(is_it).ok_or(Event::Unsent)?;
        let offered = order.codecs(speaker);
        if offered.is_empty() {
            return Err(Event::Unplayable);
        }
        let ports = self.ports.pair().map_err(|error| {
            tracing::warn!(%error, "a loudspeaker could not be called");
            Event::Unsent
        })?;
        // A number that fits the signed 64 bits that some devices read.
        let session = u64::from_be_bytes(self.dice.roll()) >> 2;
        let outgoing = Outgoing {
            to: who.number.to_string(),
            from: order.from.clone(),
            from_name: order.from_name.clone(),
            auto_answer: speaker.profile.auto_answer,
            offer: sdp::offer(ports.address(), session, &offered),
            answer_within: ANSWER_WITHIN,
            dial: None,
            max_forwards: 70,
            changes: Changes::Refuse,
        };
        let hang_up = CancellationToken::new();
        let line = Line {
            key: key.clone(),
            hang_up: hang_up.clone(),
            answered: None,
            ever_answered: false,
            sounding: None,
        };
        self.lines.insert(call, line);
        one(&self.tally.placed);
        let (phones, driver, notes) =
            (self.phones.clone(), self.call_says.clone(), self.notes.clone());
        let carrier = Carrier { phones, call, outgoing, offered, ports, hang_up, driver, notes };
        self.tasks.spawn(carrier.run());
        Ok(())
    }

    fn play(&mut self, call: CallId, times: u32) -> bool {
        let Some(line) = self.lines.get_mut(&call) else { return false };
        let Some((answer, ports)) = line.answered.take() else { return false };
        let Some(held) = self.held.get_mut(&line.key) else { return false };
        let Some(clip) = held.order.clips.get(&answer.codec).cloned() else { return false };
        let player = held.player.get_or_insert_with(|| {
            let (says, counters) = (self.player_says.clone(), self.tally.player.clone());
            // It ends with the page, whose handle is the only one.
            Player::start(says, counters, &self.tasks, CancellationToken::new())
        });
        let stream = Stream {
            call: call.0,
            ports,
            rtp_to: answer.rtp,
            rtcp_to: answer.rtcp,
            payload_type: answer.payload_type,
            clip,
            times,
            first: First {
                ssrc: u32::from_be_bytes(self.dice.roll()),
                seq: u16::from_be_bytes(self.dice.roll()),
                timestamp: u32::from_be_bytes(self.dice.roll()),
            },
            // A loudspeaker has no keys.
            ear: None,
        };
        match player.play(stream) {
            Ok(sounding) => {
                line.sounding = Some(sounding);
                true
            }
            Err(error) => {
                tracing::error!(%call, %error, "an answered loudspeaker gets no sound");
                false
            }
        }
    }

    /// Silent from this moment on, whenever the device agrees.
    fn hang_up(&mut self, call: CallId) {
        if let Some(line) = self.lines.get_mut(&call) {
            line.sounding = None;
            line.answered = None;
            line.hang_up.cancel();
        }
    }

    fn report(&mut self, key: EffectKey, result: EffectResult, proof: Proof) {
        self.tally.ended(&result);
        tracing::info!(%key, ?result, ?proof, "a page ended");
        self.told.push_back((key.clone(), (result.clone(), proof)));
        if self.told.len() > REMEMBERED {
            self.told.pop_front();
        }
        if let Some(held) = self.held.remove(&key) {
            let _nobody_waits = held.done.send((result, proof));
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
