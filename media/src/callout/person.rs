//! One call-out from its INVITE to its end. What the rules say is carried out
//! here; nothing is decided.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::{AutoAnswer, Codec};
use weir_signaling::callout::{Callout, Input, Outcome, Output, Rules};
use weir_signaling::digits::{self, Collector, Way};
use weir_signaling::sdp::Kind;

use super::CalloutOrder;
use super::offer::{EVENT_TYPE, offer};
use crate::sip::{Call, CallEvent, Changes, Outgoing, Sip};
use crate::voice::sdp::{self, Answer};
use crate::voice::{First, Heard, Player, PlayerCounters, PortPair, Ports, Sounding, Stream};

/// The stack itself gives up earlier.
const PLACED_WITHIN: Duration = Duration::from_secs(5);
/// Keys that nobody took yet: more than anybody presses in a moment.
const HEARD: usize = 16;
/// The announcement goes on for longer than anybody is spoken to.
const TIMES: u32 = 64;
/// How long the machine may be asked to wait when it wants nothing.
const IDLE: Duration = Duration::from_secs(60);

/// Rings, speaks, and comes back when nothing is left of the call.
pub(super) async fn call(
    sip: &Sip,
    ports: &Ports,
    tasks: &TaskTracker,
    order: CalloutOrder,
    cease: CancellationToken,
) -> Outcome {
    let pair = match ports.pair() {
        Ok(pair) => pair,
        Err(error) => {
            tracing::warn!(to = order.to, %error, "nobody can be rung");
            return Outcome::Unreachable;
        }
    };
    let offered: Vec<Codec> = order.clips.keys().copied().collect();
    let outgoing = outgoing(&order, &pair, &offered);
    let mut line = match timeout(PLACED_WITHIN, sip.call(outgoing)).await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => {
            tracing::info!(to = order.to, %error, "a person could not be rung");
            return Outcome::Unreachable;
        }
        Err(_) => return Outcome::Unreachable,
    };
    let mut person = Person::new(order, offered, pair, tasks.clone());
    let outcome = person.run(&mut line, cease).await;
    // The sound stops before the call does.
    drop(person);
    line.hang_up().await;
    outcome
}

fn outgoing(order: &CalloutOrder, pair: &PortPair, offered: &[Codec]) -> Outgoing {
    Outgoing {
        to: order.to.clone(),
        dial: order.dial.clone(),
        from: order.from.clone(),
        from_name: order.from_name.clone(),
        auto_answer: AutoAnswer::Device,
        offer: offer(pair.address(), offered),
        // The rules give up first.
        answer_within: order.ring + Duration::from_secs(5),
        max_forwards: 70,
        changes: Changes::Refuse,
    }
}

struct Person {
    began: Instant,
    rules: Callout,
    order: CalloutOrder,
    offered: Vec<Codec>,
    /// Until they go with the stream.
    pair: Option<PortPair>,
    answer: Option<Answer>,
    /// Dropped, both fall silent.
    sounding: Option<(Player, Sounding)>,
    keys: Collector,
    /// The far side has sent a key as an event (RFC 4733).
    tells_events: bool,
    heard: mpsc::Receiver<Heard>,
    player_says: mpsc::Sender<Heard>,
    tasks: TaskTracker,
    /// Ends the player with the call.
    player_stops: CancellationToken,
}

impl Drop for Person {
    fn drop(&mut self) {
        self.player_stops.cancel();
    }
}

impl Person {
    fn new(order: CalloutOrder, offered: Vec<Codec>, pair: PortPair, tasks: TaskTracker) -> Self {
        let clip_ms = order.clips.values().map(|clip| u64::from(clip.ms)).max().unwrap_or(0);
        let ring_ms = u64::try_from(order.ring.as_millis()).unwrap_or(u64::MAX);
        let rules = Callout::new(0, Rules { ack: order.ack, ring_ms, clip_ms });
        let (player_says, heard) = mpsc::channel(HEARD);
        Self {
            began: Instant::now(),
            rules,
            order,
            offered,
            pair: Some(pair),
            answer: None,
            sounding: None,
            keys: Collector::default(),
            tells_events: false,
            heard,
            player_says,
            tasks,
            player_stops: CancellationToken::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn run(&mut self, line: &mut Call, cease: CancellationToken) -> Outcome {
        loop {
            let wake = match self.rules.next_ms() {
                Some(next_ms) => self.began + Duration::from_millis(next_ms),
                None => Instant::now() + IDLE,
            };
            let input = tokio::select! {
                biased;
                () = cease.cancelled() => Some(Input::Cease),
                event = line.next() => self.event(event),
                heard = self.heard.recv() => self.key(heard),
                () = sleep_until(wake) => Some(Input::Tick),
            };
            let mut next = input;
            while let Some(input) = next.take() {
                for output in self.rules.step(self.now_ms(), input) {
                    match output {
                        Output::Speak if self.speak().is_none() => next = Some(Input::Unplayable),
                        // Whoever called this hangs up.
                        Output::Speak | Output::HangUp => {}
                        Output::Over(outcome) => return outcome,
                    }
                }
            }
        }
    }

    fn event(&mut self, event: Option<CallEvent>) -> Option<Input> {
        match event {
            Some(CallEvent::Ringing { .. }) => Some(Input::Ringing),
            Some(CallEvent::Answered { sdp, .. }) => Some(self.answered(&sdp)),
            Some(CallEvent::Refused { code, .. }) => Some(Input::Refused { code }),
            Some(CallEvent::Silent) => Some(Input::Silent),
            Some(CallEvent::Ended { .. }) | None => Some(Input::Gone),
            Some(CallEvent::Info { kind, body }) => {
                let now_ms = self.now_ms();
                let key = digits::info::read(&kind, &body)?;
                let held_ms = u64::from(key.held_ms);
                self.keys.hear(now_ms, key.digit, Way::Info, held_ms).map(Input::Key)
            }
            Some(
                CallEvent::Trying
                | CallEvent::Confirmed { .. }
                | CallEvent::Changed { .. }
                | CallEvent::Agreed { .. }
                | CallEvent::Declined { .. },
            ) => None,
        }
    }

    fn key(&mut self, heard: Option<Heard>) -> Option<Input> {
        match heard? {
            // Who has told a key as an event needs no tones, which speech may feign.
            Heard::Digit { way: Way::Tone, .. } if self.tells_events => None,
            Heard::Digit { digit, way, .. } => {
                self.tells_events |= way == Way::Event;
                self.keys.hear(self.now_ms(), digit, way, 0).map(Input::Key)
            }
            Heard::Began { .. } | Heard::Receiving { .. } => None,
        }
    }

    fn answered(&mut self, text: &str) -> Input {
        match sdp::answer(text, &self.offered) {
            Ok(answer) => {
                self.answer = Some(answer);
                Input::Answered
            }
            Err(error) => {
                tracing::warn!(to = self.order.to, %error, "an answer cannot be spoken to");
                Input::Unplayable
            }
        }
    }

    /// `None`: there is nothing to speak with.
    fn speak(&mut self) -> Option<()> {
        let answer = self.answer?;
        let clip = self.order.clips.get(&answer.codec)?.clone();
        let player = Player::start(
            self.player_says.clone(),
            Arc::new(PlayerCounters::default()),
            &self.tasks,
            self.player_stops.clone(),
        );
        let kind = match answer.codec {
            Codec::Pcmu => Kind::Pcmu,
            Codec::Pcma => Kind::Pcma,
            Codec::G722 => Kind::G722,
            Codec::Opus => Kind::Opus,
        };
        let stream = Stream {
            call: 0,
            ports: self.pair.take()?,
            rtp_to: answer.rtp,
            rtcp_to: answer.rtcp,
            payload_type: answer.payload_type,
            clip,
            times: TIMES,
            first: first(),
            ear: Some(vec![(answer.payload_type, kind), (EVENT_TYPE, Kind::Event)]),
        };
        let sounding = player.play(stream).ok();
        self.sounding = sounding.map(|sounding| (player, sounding));
        self.sounding.is_some().then_some(())
    }
}

/// Where the stream's numbers begin (RFC 3550 §5.1).
fn first() -> First {
    let mut bytes = [0; 10];
    // A source of chance that fails leaves zeros, and an announcement that sounds.
    let _zeros_will_do = getrandom::fill(&mut bytes);
    let [a, b, c, d, e, f, g, h, i, j] = bytes;
    First {
        ssrc: u32::from_be_bytes([a, b, c, d]),
        seq: u16::from_be_bytes([e, f]),
        timestamp: u32::from_be_bytes([g, h, i, j]),
    }
}
