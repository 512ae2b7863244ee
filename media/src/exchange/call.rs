//! One call as a task: what its legs, its relay and an operator say goes into
//! the bridge, and what the bridge says is carried out, in order. Decides
//! nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::AutoAnswer;
use weir_model::id::{CallId, PersonId, SiteId};
use weir_signaling::call::{
    self, Addresses, Bridge, Dial, Event, Ids, Input, Leg, LegId, Limits, NotPlaced, Output,
    PlaceId, Record, Shown, Side,
};
use weir_signaling::digits::{self, Collector, Way};

use super::arrival::{Caller, Turned};
use super::book::{Book, CallState, CallView};
use super::legs::Legs;
use super::line::Line;
use super::news::News;
use super::{Declined, Ears, HEARD, RoomCall, Router, has_room};
use crate::between::{self, Between, FarError};
use crate::sip::{CallError, Changes, Outgoing, Sip};
use crate::voice::relay::{self, Heard, Lane, Relay, SideStats};

/// How long SIP may take to say whether a call is on its way.
const PLACED_WITHIN: Duration = Duration::from_secs(5);
/// The bridge gives up first.
const PATIENCE: Duration = Duration::from_secs(5);
/// A leg waits twenty seconds for its owner to answer a change.
const CHANGE_MS: u64 = 15_000;
/// A line outside on which both sides say nothing for so long is dead.
const QUIET: Duration = Duration::from_secs(30);
/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// What every call is given.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) sip: Sip,
    pub(super) relay: Relay,
    pub(super) between: Option<Between>,
    pub(super) rooms: mpsc::Sender<RoomCall>,
    pub(super) router: Router,
    pub(super) news: mpsc::Sender<News>,
    pub(super) book: Book,
    pub(super) ears: Ears,
    pub(super) tasks: TaskTracker,
}

/// See the module.
pub(super) struct Task {
    parts: Parts,
    id: CallId,
    lane_id: u64,
    lane: Lane,
    legs: Legs,
    bridge: Bridge,
    from: String,
    from_name: String,
    dialled: String,
    emergency: bool,
    max_forwards: u8,
    /// Through a line to the public network: worth money, and no ghost may hold it.
    outside: bool,
    began: Instant,
    heard: mpsc::Receiver<Heard>,
    ended: mpsc::Receiver<Option<PersonId>>,
    ended_by: Option<PersonId>,
    keys: BTreeMap<Side, Collector>,
    shown: Shown,
}

impl Task {
    /// Makes room for the call.
    pub(super) fn begin(parts: Parts, caller: Caller, lane_id: u64) -> Result<Self, Turned> {
        let Caller {
            line, from, from_name, dialled, offer, max_forwards, address, route, at, ..
        } = caller;
        let emergency = caller.emergency;
        let full =
            |line, words: &str| Box::new((line, Declined { code: 503, words: words.into() }));
        if !has_room(parts.book.len(), emergency) {
            let words =
                "本站通话已满，请稍后再拨 / all lines of this site are taken; try again later";
            return Err(full(line, words));
        }
        let lane = match parts.relay.open(lane_id) {
            Ok(lane) => lane,
            Err(error) => return Err(full(line, &error.to_string())),
        };
        let dice = dice();
        let (id, ids) = (CallId(dice), ids(&dice));
        let ours = Addresses { a: lane.address(relay::Side::A), b: lane.address(relay::Side::B) };
        let mut dials = route.groups.iter().flat_map(|group| &group.numbers);
        let outside = dials.any(|dial| dial.dial.is_some());
        let limits = Limits { change_ms: CHANGE_MS, ..Limits::default() };
        let bridge = Bridge::new(route, offer, ours, ids, limits, 0);
        let (ear, heard) = mpsc::channel(HEARD);
        parts.ears.lock().unwrap_or_else(PoisonError::into_inner).insert(lane_id, ear);
        let (end, ended) = mpsc::channel(1);
        let view = CallView { at, ..view(id, &from, &dialled, emergency) };
        parts.book.open(view, end);
        Ok(Self {
            parts,
            id,
            lane_id,
            lane,
            legs: Legs::new(line, address),
            bridge,
            from,
            from_name,
            dialled,
            emergency,
            max_forwards,
            outside,
            began: Instant::now(),
            heard,
            ended,
            ended_by: None,
            keys: BTreeMap::new(),
            shown: Shown::Ringing,
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut inputs = vec![Input::Begin];
        let mut stopping = false;
        'call: loop {
            for input in std::mem::take(&mut inputs) {
                let outputs = self.bridge.step(self.now_ms(), input);
                for output in outputs {
                    if matches!(output, Output::Over) {
                        break 'call;
                    }
                    inputs.extend(self.carry_out(output).await);
                }
                self.show();
            }
            if !inputs.is_empty() {
                continue;
            }
            let wake = self.bridge.next_ms();
            let wake = wake.map(|ms| self.began + Duration::from_millis(ms));
            let wake = wake.unwrap_or_else(|| Instant::now() + IDLE);
            let input = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Some(Input::Stop)
                }
                Some(who) = self.ended.recv() => {
                    self.ended_by = who;
                    Some(Input::HangUp)
                }
                (leg, input) = self.legs.next() => Some(self.said(leg, input)),
                Some(heard) = self.heard.recv() => self.listen(&heard),
                () = sleep_until(wake) => Some(Input::Tick),
            };
            inputs.extend(input);
        }
        self.close();
    }

    fn close(&mut self) {
        self.parts.ears.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.lane_id);
        self.parts.book.close(self.id);
    }

    /// What a leg said; one that has said its last is let go.
    fn said(&mut self, leg: Leg, input: Input) -> Input {
        match &input {
            Input::Heard {
                event: Event::Refused { .. } | Event::Silent | Event::Ended, ..
            }
            | Input::MediaLost => drop(self.legs.remove(leg)),
            Input::Heard { event: Event::Info { kind, body }, .. } => {
                if let Some(key) = digits::info::read(kind, body) {
                    let side = if leg == Leg::Caller { Side::A } else { Side::B };
                    self.pressed(side, key.digit, Way::Info, u64::from(key.held_ms));
                }
            }
            Input::Heard { .. }
            | Input::Begin
            | Input::Placed { .. }
            | Input::NotPlaced { .. }
            | Input::HangUp
            | Input::Stop
            | Input::Tick => {}
        }
        input
    }

    fn listen(&mut self, heard: &Heard) -> Option<Input> {
        match heard {
            Heard::Digit { side, digit, way, .. } => {
                self.pressed(of(*side), *digit, *way, 0);
                None
            }
            Heard::Quiet { .. } => {
                let stats = self.lane.stats();
                let gone = |side: SideStats| side.heard_ago.is_some_and(|ago| ago >= QUIET);
                let both = gone(stats.a) && gone(stats.b);
                // Inside the site a call outlives a switch that restarts, between sites
                // the stream tells what is lost, and nobody need speak while the call is
                // held.
                let lost = self.outside && both && self.shown == Shown::Talking;
                lost.then_some(Input::MediaLost)
            }
        }
    }

    /// Counts a key; what it was stays between the two who talk.
    fn pressed(&mut self, side: Side, digit: char, way: Way, held_ms: u64) {
        let now_ms = self.now_ms();
        let keys = self.keys.entry(side).or_default();
        if keys.hear(now_ms, digit, way, held_ms).is_some() {
            self.parts.book.update(self.id, |view| view.keys = view.keys.saturating_add(1));
        }
    }

    async fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Place { place, dial, offer, ring_ms } => {
                return Some(self.place(place, &dial, offer, ring_ms).await);
            }
            Output::Ring { code, sdp } => {
                if let Some(call) = self.legs.caller() {
                    call.ring(code, sdp).await;
                }
            }
            Output::Answer { sdp } => {
                if let Some(call) = self.legs.caller() {
                    call.answer(sdp).await;
                }
            }
            Output::Refuse { code, words } => {
                if let Some(call) = self.legs.remove(Leg::Caller) {
                    call.refuse(code, words).await;
                }
            }
            Output::Change { leg, sdp } => {
                if let Some(call) = self.legs.get(leg) {
                    call.change(sdp).await;
                }
            }
            Output::Agree { leg, sdp } => {
                if let Some(call) = self.legs.get(leg) {
                    call.agree(sdp).await;
                }
            }
            Output::Decline { leg, code } => {
                if let Some(call) = self.legs.get(leg) {
                    call.refuse(code, "").await;
                }
            }
            Output::Info { leg, kind, body } => {
                if let Some(call) = self.legs.get(leg) {
                    call.info(kind, body).await;
                }
            }
            Output::HangUp { leg } => {
                if let Some(call) = self.legs.remove(leg) {
                    // It takes as long as the far side takes to agree.
                    self.parts.tasks.spawn(call.hang_up());
                }
            }
            Output::Aim { side, aim } => self.aim(side, aim),
            Output::Record(record) => self.record(record),
            // Seen by whoever called this.
            Output::Over => {}
        }
        None
    }

    async fn place(&mut self, place: PlaceId, dial: &Dial, offer: String, ring_ms: u64) -> Input {
        let answer_within = Duration::from_millis(ring_ms) + PATIENCE;
        let placed = match &dial.at {
            Some(site) => self.place_far(site.clone(), dial, offer, answer_within),
            None => self.place_here(dial, offer, answer_within).await,
        };
        match placed {
            Ok(lines) => {
                let legs = lines.into_iter().map(|line| self.legs.add(line, &dial.number));
                let legs: Vec<LegId> = legs.collect();
                let rung = self.legs.numbers();
                self.parts.book.update(self.id, |view| {
                    view.rings = rung;
                    view.at = view.at.take().or_else(|| dial.at.clone());
                });
                Input::Placed { place, legs }
            }
            Err(why) => Input::NotPlaced { place, why },
        }
    }

    async fn place_here(
        &self,
        dial: &Dial,
        offer: String,
        answer_within: Duration,
    ) -> Result<Vec<Line>, NotPlaced> {
        let outgoing = Outgoing {
            to: dial.number.clone(),
            dial: dial.dial.clone(),
            from: self.from.clone(),
            from_name: self.from_name.clone(),
            auto_answer: AutoAnswer::Device,
            offer,
            answer_within,
            max_forwards: self.max_forwards,
            changes: Changes::Ask,
        };
        match timeout(PLACED_WITHIN, self.parts.sip.call_all(outgoing)).await {
            Ok(Ok(calls)) => Ok(calls.into_iter().map(Line::Sip).collect()),
            Ok(Err(CallError::NotRegistered(_))) => Err(NotPlaced::NotRegistered),
            Ok(Err(CallError::Unreachable(_))) => Err(NotPlaced::Unreachable),
            Ok(Err(CallError::TooMany(_) | CallError::TooLarge | CallError::Stopped)) | Err(_) => {
                Err(NotPlaced::Full)
            }
        }
    }

    fn place_far(
        &self,
        site: SiteId,
        dial: &Dial,
        offer: String,
        answer_within: Duration,
    ) -> Result<Vec<Line>, NotPlaced> {
        let between = self.parts.between.as_ref().ok_or(NotPlaced::Unreachable)?;
        let outgoing = between::Outgoing {
            site,
            to: dial.number.clone(),
            from: self.from.clone(),
            from_name: self.from_name.clone(),
            emergency: self.emergency,
            offer,
            answer_within,
            max_forwards: self.max_forwards,
        };
        match between.call(outgoing) {
            Ok(call) => Ok(vec![Line::Far(call)]),
            Err(error) => {
                tracing::info!(to = dial.number, %error, "no call to another site");
                Err(match error {
                    FarError::NoPeer(_) => NotPlaced::Unreachable,
                    FarError::TooMany
                    | FarError::Trunk(_)
                    | FarError::Silent
                    | FarError::Dice(_)
                    | FarError::Stopped => NotPlaced::Full,
                })
            }
        }
    }

    fn aim(&mut self, side: Side, aim: Option<call::Aim>) {
        let aim = aim.map(|aim| {
            let also_from: Option<IpAddr> = self.legs.address(aim.leg);
            let call::Aim { rtp, rtcp, hears, formats, .. } = aim;
            relay::Aim { rtp, rtcp, also_from, hears, formats }
        });
        let side = match side {
            Side::A => relay::Side::A,
            Side::B => relay::Side::B,
        };
        self.lane.aim(side, aim);
    }

    fn show(&mut self) {
        let now = self.bridge.shown();
        if now == self.shown {
            return;
        }
        self.shown = now;
        let state = match now {
            Shown::Ringing => CallState::Ringing,
            Shown::Talking => CallState::Talked,
            Shown::Held => CallState::Held,
            // Not for long: it leaves the book.
            Shown::Over => return,
        };
        self.parts.book.update(self.id, |view| view.state = state);
    }

    fn record(&mut self, record: Record) {
        match &record {
            Record::Answered { by, .. } => {
                let by = Some(by.clone());
                self.parts.book.update(self.id, |view| {
                    (view.by, view.rings) = (by, Vec::new());
                });
            }
            Record::Changed { .. } | Record::Ended { .. } => {}
        }
        let news = News {
            call: self.id,
            from: self.from.clone(),
            dialled: self.dialled.clone(),
            emergency: self.emergency,
            record,
            ended_by: self.ended_by.clone(),
        };
        if self.parts.news.try_send(news).is_err() {
            self.parts.book.lost_a_record();
            tracing::warn!(call = %self.id, "no room for a call's record");
        }
    }
}

fn of(side: relay::Side) -> Side {
    match side {
        relay::Side::A => Side::A,
        relay::Side::B => Side::B,
    }
}

fn view(id: CallId, from: &str, dialled: &str, emergency: bool) -> CallView {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    CallView {
        id,
        from: from.into(),
        dialled: dialled.into(),
        by: None,
        rings: Vec::new(),
        state: CallState::Ringing,
        since_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        emergency,
        at: None,
        keys: 0,
    }
}

/// Sixteen bytes that no other call has.
fn dice() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Unlikely to repeat is all that is left.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        bytes = since.as_nanos().to_be_bytes();
    }
    bytes
}

/// Session ids for SDP: a positive number that fits what old phones read it into.
fn ids(dice: &[u8; 16]) -> Ids {
    let [a, b, c, d, e, f, g, h, ..] = *dice;
    let number = |bytes: [u8; 4]| u64::from(u32::from_be_bytes(bytes) >> 1);
    Ids { a: number([a, b, c, d]), b: number([e, f, g, h]) }
}
