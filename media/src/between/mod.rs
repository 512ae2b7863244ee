//! Calls between this site and others. Each is a task that owns its stream to the
//! other site's node and its trunk, and does what `weir_signaling::between` says.
//! It refuses to believe who calls (whoever leads the call checks that), to hold
//! more calls than a peer may have, and to wait for anything without an end.

mod book;
mod call;
mod task;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Codec;
use weir_model::id::{NodeId, SiteId};
use weir_signaling::between::{CallKey, Dialling, End, Far, Path, Setup, Word, short};
pub use weir_signaling::between::{Event as CallEvent, Message};

pub use call::{Call, FarError, Incoming, Outgoing};

use crate::exchange::Declined;
use crate::trunk::{Trunk, Trunks};
use crate::wan::Link;
use book::{Book, Place, Resumed};
use task::{Ends, Task};

/// How long a refusal waits for the other end to have read it.
const REFUSED_MS: Duration = Duration::from_secs(2);

/// One stream; dropping it closes it.
#[derive(Debug)]
pub struct Wire {
    pub outgoing: mpsc::Sender<Bytes>,
    pub incoming: mpsc::Receiver<Bytes>,
}

/// Opens a stream whose first frame is this; `true`: for an emergency.
pub type OpenWire =
    Arc<dyn Fn(NodeId, bool, Bytes) -> BoxFuture<'static, Result<Wire, String>> + Send + Sync>;

/// What the uplink has left for one more call; kept while the call lasts. `true`:
/// an emergency.
pub type Admit = Arc<dyn Fn(NodeId, bool) -> Result<Box<dyn Send + Sync>, Declined> + Send + Sync>;

pub type PeerOf = Arc<dyn Fn(&SiteId) -> Option<NodeId> + Send + Sync>;

/// What calls between sites are made of.
pub struct BetweenParts {
    pub trunks: Trunks,
    pub open: OpenWire,
    pub admit: Admit,
    /// The node that drives a site.
    pub peer_of: PeerOf,
}

struct Shared {
    parts: BetweenParts,
    arrivals: mpsc::Sender<Incoming>,
    book: Book,
    tasks: TaskTracker,
    runtime: Handle,
    stop: CancellationToken,
}

/// A handle; clones share the calls.
#[derive(Clone)]
pub struct Between {
    shared: Arc<Shared>,
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Between").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// What codecs depend on.
fn path(link: Link) -> Path {
    Path { same: link == Link::Terrestrial, wide: link.carries(Codec::G722) }
}

/// A positive number that old telephones can read, as the session of our SDP.
fn session(key: CallKey) -> u64 {
    let [a, b, c, d, ..] = key.0;
    u64::from(u32::from_be_bytes([a, b, c, d]) >> 1)
}

fn end(trunk: &Trunk, at: SocketAddr, key: CallKey, link: Link) -> End {
    let channel = u64::from(trunk.channel());
    End::new(session(key) ^ channel, at, path(link))
}

impl Between {
    /// Must be called within a runtime. Calls that come are put into `arrivals`;
    /// when it is full they are refused with 503. After `stop` calls under way are
    /// ended, which takes a second at most.
    pub fn start(
        parts: BetweenParts,
        arrivals: mpsc::Sender<Incoming>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (book, tasks, runtime) = (Book::default(), tasks.clone(), Handle::current());
        Self { shared: Arc::new(Shared { parts, arrivals, book, tasks, runtime, stop }) }
    }

    /// Calls under way, also those that the other end has not heard are over.
    pub fn calls(&self) -> usize {
        self.shared.book.len()
    }

    /// Calls another site's number. What the way, or the other site, says to it is
    /// told by the call.
    ///
    /// # Errors
    /// When nothing was sent; see [`FarError`].
    pub fn call(&self, call: Outgoing) -> Result<Call, FarError> {
        let shared = &self.shared;
        if shared.stop.is_cancelled() {
            return Err(FarError::Stopped);
        }
        let peer = (shared.parts.peer_of)(&call.site);
        let peer = peer.ok_or_else(|| FarError::NoPeer(call.site.clone()))?;
        let mut dice = [0; 16];
        getrandom::fill(&mut dice).map_err(|error| FarError::Dice(error.to_string()))?;
        let key = CallKey(dice);
        let place = shared.book.dials(peer, call.emergency).ok_or(FarError::TooMany)?;
        let admitted = match (shared.parts.admit)(peer, call.emergency) {
            Ok(admitted) => admitted,
            Err(declined) => return Ok(Call::refused(declined.code, declined.words)),
        };
        let trunk = shared.parts.trunks.open(peer)?;
        let at = trunk.address().ok_or(FarError::Silent)?;
        let link = shared.parts.trunks.path_of(peer);
        let dialling = Dialling {
            key,
            from: call.from,
            from_name: short(&call.from_name),
            dialled: call.to,
            emergency: call.emergency,
            max_forwards: call.max_forwards,
            offer: call.offer,
            channel: trunk.channel(),
            answer_within_ms: u64::try_from(call.answer_within.as_millis()).unwrap_or(u64::MAX),
        };
        let far = match Far::dial(0, dialling, end(&trunk, at, key, link)) {
            Ok(far) => far,
            Err(error) => return Ok(Call::refused(error.code(), error.to_string())),
        };
        let open = shared.parts.open.clone();
        let emergency = call.emergency;
        let open: task::Open = Box::new(move |first| open(peer, emergency, first));
        let (ends, made) = Ends::new(place.id(), at.ip());
        let task = Task::new(far, trunk, ends, None, Some(open));
        self.spawn(task, place, admitted);
        Ok(made)
    }

    fn spawn(&self, task: Task, place: Place, admitted: Box<dyn Send + Sync>) {
        let stop = self.shared.stop.clone();
        let run = async move {
            task.run(stop).await;
            drop((admitted, place));
        };
        self.shared.tasks.spawn_on(run, &self.shared.runtime);
    }

    /// A stream came whose first frame is ours. Returns at once.
    pub fn arrived(&self, from: NodeId, first: Bytes, wire: Wire) {
        let message = match Message::read(&first) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%from, %error, "a call from another site cannot be read");
                return;
            }
        };
        let expects = message.expects;
        match message.word {
            Word::Resume { call } => {
                if let Some(wire) = self.shared.book.resume(from, call, Resumed { expects, wire }) {
                    say_last(&wire, &Far::unknown_call());
                }
            }
            Word::Setup(setup) => {
                let resumed = Resumed { expects, wire };
                // It comes again when the stream was lost before we were heard.
                if let Some(wire) = self.shared.book.resume(from, setup.call, resumed) {
                    self.take(from, setup, wire);
                }
            }
            _ => tracing::warn!(%from, "a call from another site begins with no first word"),
        }
    }

    fn take(&self, from: NodeId, setup: Setup, wire: Wire) {
        let full = "本站跨站通话已满，请稍后再拨 / all lines between the sites are taken; try again \
                    later";
        let shared = &self.shared;
        if shared.stop.is_cancelled() {
            return say_last(&wire, &Far::refusal(503, "正在停止 / the node stops"));
        }
        let Some((place, wires)) = shared.book.is_called(from, setup.call, false) else {
            tracing::warn!(%from, "too many calls of one peer");
            return say_last(&wire, &Far::refusal(503, full));
        };
        let between = self.clone();
        let taking = async move {
            let refused = match between.begin(from, setup, place, wires, wire) {
                Ok(()) => return,
                Err(refused) => refused,
            };
            let (mut wire, Declined { code, words }) = *refused;
            tracing::info!(%from, code, why = words, "declined a call from another site");
            say_last(&wire, &Far::refusal(code, &words));
            // Until the other end has let go of it.
            let read = async { while wire.incoming.recv().await.is_some() {} };
            let _gone_or_late = timeout(REFUSED_MS, read).await;
        };
        shared.tasks.spawn_on(taking, &shared.runtime);
    }

    fn begin(
        &self,
        from: NodeId,
        setup: Setup,
        place: Place,
        wires: mpsc::Receiver<Resumed>,
        wire: Wire,
    ) -> Result<(), Box<(Wire, Declined)>> {
        match self.make(from, &setup) {
            Ok((far, trunk, at, offer, admitted)) => {
                let (ends, call) = Ends::new(place.id(), at.ip());
                let incoming = Incoming {
                    node: from,
                    from: setup.from,
                    from_name: setup.from_name,
                    to: setup.dialled,
                    // Emergencies ring their own site; what another one calls so takes
                    // nobody's place.
                    emergency: false,
                    offer,
                    max_forwards: setup.max_forwards.saturating_sub(1),
                    call,
                };
                if self.shared.arrivals.try_send(incoming).is_err() {
                    let words =
                        "本站来话过多，请稍后再拨 / too many calls at once; try again later";
                    return Err(Box::new((wire, Declined { code: 503, words: words.into() })));
                }
                let task = Task::new(far, trunk, ends, Some((wire, wires)), None);
                self.spawn(task, place, admitted);
                Ok(())
            }
            Err(declined) => Err(Box::new((wire, declined))),
        }
    }

    fn make(&self, from: NodeId, setup: &Setup) -> Result<Made, Declined> {
        let declined = |code, words: String| Declined { code, words };
        if setup.max_forwards == 0 {
            let words = "呼叫转接过多 / the call was passed on too often";
            return Err(declined(483, words.into()));
        }
        let parts = &self.shared.parts;
        let admitted = (parts.admit)(from, false)?;
        let trunk = parts.trunks.open(from).map_err(|error| declined(503, error.to_string()))?;
        let silent = || declined(503, FarError::Silent.to_string());
        let at = trunk.address().ok_or_else(silent)?;
        let link = parts.trunks.path_of(from);
        let (channel, end) = (trunk.channel(), end(&trunk, at, setup.call, link));
        let far = Far::called(0, setup, channel, end);
        let (far, offer) = far.map_err(|error| declined(error.code(), error.to_string()))?;
        Ok((far, trunk, at, offer, admitted))
    }
}

type Made = (Far, Trunk, SocketAddr, String, Box<dyn Send + Sync>);

/// On a stream that is then let go. One that takes nothing is as good as lost.
fn say_last(wire: &Wire, message: &Message) {
    if let Ok(bytes) = message.bytes() {
        let _lost = wire.outgoing.try_send(bytes.into());
    }
}
