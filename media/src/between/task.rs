//! One call between sites: its owner's wishes, its stream and its time go into the
//! machine, and what that says is carried out, in order. Decides nothing.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, pending};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use weir_signaling::between::{Deed, Far, Input, Message, Output};

use super::book::Resumed;
use super::{Call, CallEvent, Wire};
use crate::trunk::Trunk;
use crate::wan::Telephone;

/// What the owner has not taken yet.
const EVENTS: usize = 64;
/// What it wants and was not taken yet; it waits when there is more.
const DEEDS: usize = 64;
/// Frames that the stream has not taken yet; beyond, it is as good as lost.
const FRAMES: usize = 256;
/// For a stream to open.
const OPENS: Duration = Duration::from_secs(5);
/// For the last frames to leave, and for all to be said when the node stops.
const LEAVES: Duration = Duration::from_secs(1);
/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

type Opening = BoxFuture<'static, Result<Wire, String>>;
pub(super) type Open = Box<dyn Fn(Bytes) -> Opening + Send + Sync>;

/// The task's ends of what it shares with its owner.
pub(super) struct Ends {
    events: mpsc::Sender<CallEvent>,
    deeds: mpsc::Receiver<Deed>,
}

impl Ends {
    pub(super) fn new(id: u64, peer: IpAddr) -> (Self, Call) {
        let (events, told) = mpsc::channel(EVENTS);
        let (wants, deeds) = mpsc::channel(DEEDS);
        (Self { events, deeds }, Call::new(id, peer, told, wants))
    }
}

/// See the module.
pub(super) struct Task {
    far: Far,
    trunk: Trunk,
    began: Instant,
    events: mpsc::Sender<CallEvent>,
    deeds: mpsc::Receiver<Deed>,
    /// Nobody listens any more.
    ownerless: bool,
    /// The end that dials opens streams; the other one is brought them.
    open: Option<Open>,
    opening: Option<Opening>,
    wires: Option<mpsc::Receiver<Resumed>>,
    wire: Option<Wire>,
    out: VecDeque<Bytes>,
    /// The node stops, and all must be said by then.
    stops_at: Option<Instant>,
}

impl Task {
    pub(super) fn new(
        far: Far,
        trunk: Trunk,
        ends: Ends,
        came: Option<(Wire, mpsc::Receiver<Resumed>)>,
        open: Option<Open>,
    ) -> Self {
        let Ends { events, deeds } = ends;
        let (wire, wires) = came.unzip();
        Self {
            far,
            trunk,
            began: Instant::now(),
            events,
            deeds,
            ownerless: false,
            open,
            opening: None,
            wires,
            wire,
            out: VecDeque::new(),
            stops_at: None,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut input = Some(Input::Begin);
        loop {
            let mut next = input.take();
            while let Some(input) = next.take() {
                for output in self.far.step(self.now_ms(), input) {
                    if matches!(output, Output::Over) {
                        return self.leave().await;
                    }
                    // Of several only the first counts: the machine knows by then.
                    next = next.or(self.carry_out(output));
                }
            }
            if self.stops_at.is_some_and(|at| Instant::now() >= at) {
                return;
            }
            input = self.turn(&stop).await;
        }
    }

    /// The last words are still on their way.
    async fn leave(mut self) {
        let Some(wire) = self.wire.take() else { return };
        let out = std::mem::take(&mut self.out);
        let sent = async {
            for frame in out {
                if wire.outgoing.send(frame).await.is_err() {
                    return;
                }
            }
        };
        let _late_is_lost = timeout(LEAVES, sent).await;
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Open { first } => {
                self.let_go();
                let Some(first) = bytes(&first) else { return Some(Input::NotOpened) };
                let opening = self.open.as_ref().map(|open| open(first));
                self.opening = opening.map(|opening| -> Opening {
                    Box::pin(async {
                        let late = || "it takes too long".to_owned();
                        timeout(OPENS, opening).await.unwrap_or_else(|_| Err(late()))
                    })
                });
                self.opening.is_none().then_some(Input::NotOpened)
            }
            Output::Send(message) => {
                self.out.extend(self.wire.as_ref().and_then(|_| bytes(&message)));
                (self.out.len() > FRAMES).then(|| {
                    self.let_go();
                    Input::Lost
                })
            }
            Output::Cut => {
                self.let_go();
                None
            }
            Output::Tell(event) => match self.events.try_send(event) {
                Ok(()) => None,
                // An owner that takes nothing has forgotten the call.
                Err(_) => Some(Input::Deed(Deed::HangUp)),
            },
            Output::Join { channel, telephone, towards } => {
                let weir_signaling::between::Telephone { codec, payload_type, event_type } =
                    telephone;
                let telephone = Telephone { codec, payload_type, event_type };
                self.trunk.join(channel, telephone, Some(towards));
                None
            }
            // Seen by whoever called this.
            Output::Over => None,
        }
    }

    fn let_go(&mut self) {
        (self.wire, self.opening) = (None, None);
        self.out.clear();
    }

    /// Waits for what comes next.
    async fn turn(&mut self, stop: &CancellationToken) -> Option<Input> {
        let wake = self.far.next_ms().map(|ms| self.began + Duration::from_millis(ms));
        let wake = wake.unwrap_or_else(|| Instant::now() + IDLE);
        let wake = self.stops_at.map_or(wake, |at| at.min(wake));
        let (incoming, outgoing) = match &mut self.wire {
            Some(Wire { incoming, outgoing }) => (Some(incoming), Some(&*outgoing)),
            None => (None, None),
        };
        let (wires, opening) = (self.wires.as_mut(), self.opening.as_mut());
        let waits = !self.out.is_empty();
        let turn = tokio::select! {
            biased;
            () = stop.cancelled(), if self.stops_at.is_none() => Turn::Stop,
            deed = self.deeds.recv(), if !self.ownerless => Turn::Deed(deed),
            sent = send(outgoing, &mut self.out), if waits => Turn::Sent(sent),
            resumed = brought(wires) => Turn::Brought(resumed),
            opened = opened(opening) => Turn::Opened(opened),
            frame = heard(incoming) => Turn::Heard(frame),
            () = sleep_until(wake) => Turn::Woken,
        };
        self.taken(turn)
    }

    fn taken(&mut self, turn: Turn) -> Option<Input> {
        match turn {
            Turn::Stop => {
                self.stops_at = Some(Instant::now() + LEAVES);
                Some(Input::Stop)
            }
            Turn::Deed(Some(deed)) => Some(Input::Deed(deed)),
            Turn::Deed(None) => {
                self.ownerless = true;
                Some(Input::Deed(Deed::HangUp))
            }
            Turn::Sent(true) => None,
            Turn::Sent(false) | Turn::Heard(None) => {
                self.let_go();
                Some(Input::Lost)
            }
            Turn::Brought(Resumed { expects, wire }) => {
                self.let_go();
                self.wire = Some(wire);
                Some(Input::Resumed { expects })
            }
            Turn::Opened(Ok(wire)) => {
                (self.opening, self.wire) = (None, Some(wire));
                Some(Input::Opened)
            }
            Turn::Opened(Err(error)) => {
                self.opening = None;
                tracing::info!(error, "no stream to another site");
                Some(Input::NotOpened)
            }
            Turn::Heard(Some(frame)) => Some(match Message::read(&frame) {
                Ok(message) => Input::Frame(message),
                Err(error) => {
                    tracing::warn!(%error, "another site says what cannot be read");
                    Input::Garbage
                }
            }),
            Turn::Woken => Some(Input::Tick),
        }
    }
}

/// What came next.
enum Turn {
    Stop,
    Deed(Option<Deed>),
    /// `false`: the stream takes nothing any more.
    Sent(bool),
    Brought(Resumed),
    Opened(Result<Wire, String>),
    Heard(Option<Bytes>),
    Woken,
}

fn bytes(message: &Message) -> Option<Bytes> {
    match message.bytes() {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "a word between sites is too long");
            None
        }
    }
}

/// The first frame of the queue, once there is room for it.
async fn send(outgoing: Option<&mpsc::Sender<Bytes>>, out: &mut VecDeque<Bytes>) -> bool {
    let Some(outgoing) = outgoing else { return pending().await };
    let Ok(room) = outgoing.reserve().await else { return false };
    if let Some(frame) = out.pop_front() {
        room.send(frame);
    }
    true
}

/// Dropping an unfinished wait loses nothing; so below.
async fn brought(wires: Option<&mut mpsc::Receiver<Resumed>>) -> Resumed {
    match wires {
        Some(wires) => match wires.recv().await {
            Some(resumed) => resumed,
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn opened(opening: Option<&mut Opening>) -> Result<Wire, String> {
    match opening {
        Some(opening) => opening.await,
        None => pending().await,
    }
}

async fn heard(incoming: Option<&mut mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match incoming {
        Some(incoming) => incoming.recv().await,
        None => pending().await,
    }
}
