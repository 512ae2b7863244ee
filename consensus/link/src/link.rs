//! The link itself: what the rest of Weir holds. Whoever drops the last handle
//! stops its tasks; [`Link::close`] does so in good order.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quinn::{Endpoint, VarInt};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use weir_model::id::NodeId;

use crate::class::{Class, Urgency};
use crate::config::{FRAME_MAX_BYTES, LinkConfig, PeerAddress, Satellite};
use crate::error::{BindError, CallError, DatagramError};
use crate::identity::Identity;
use crate::peer::Peer;
use crate::refusal::{Admit, Refusal};
use crate::status::PeerStatus;
use crate::stream::FrameStream;
use crate::uplink::{self, Admission, Kind, NotAdmitted, PathState, Uplinks};
use crate::{bind, call, datagram, serve, tls};

/// Closed in good order.
pub(crate) const CLOSE_SHUTDOWN: VarInt = VarInt::from_u32(0x5732);
const LISTENING_EVERY: Duration = Duration::from_millis(200);
const SPARES_CLOSE_AFTER: Duration = Duration::from_secs(10);

/// A newcomer's request. Who it is, nobody knows yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    pub from: SocketAddr,
    pub body: Bytes,
}

/// What a newcomer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAnswer {
    pub body: Bytes,
}

/// What the node does with what arrives. Each future runs in a task of its own;
/// it is dropped where it stands when the link closes.
pub trait Handler: Send + Sync + 'static {
    /// A request that wants one answer.
    fn call(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes>;

    /// A stream that a peer opened; it ends with the future.
    fn open(&self, from: NodeId, stream: FrameStream) -> BoxFuture<'static, ()>;

    /// A datagram, in the order it came, one at a time for each connection. It
    /// returns at once: the datagrams behind it wait, and soon the oldest of them
    /// are dropped.
    fn datagram(&self, from: NodeId, class: Class, body: Bytes);

    /// A newcomer. An `Err` is shown to the person who runs `weir join`.
    fn join(&self, request: JoinRequest) -> BoxFuture<'static, Result<JoinAnswer, String>>;
}

pub(crate) struct Inner {
    pub(crate) config: LinkConfig,
    /// By class; empty once closed, because an endpoint lives as long as a handle
    /// on it.
    endpoints: RwLock<Vec<Endpoint>>,
    pub(crate) admit: Arc<dyn Admit>,
    pub(crate) handler: Arc<dyn Handler>,
    peers: RwLock<HashMap<NodeId, Arc<Peer>>>,
    /// Another one each time the node starts.
    pub(crate) boot: u64,
    pub(crate) joins: Arc<Semaphore>,
    pub(crate) uplinks: Arc<Uplinks>,
    pub(crate) server_tls: Arc<quinn::crypto::rustls::QuicServerConfig>,
    /// Everything this link runs, quinn's own tasks included.
    pub(crate) tasks: TaskTracker,
    /// Where they run, for callers from elsewhere.
    pub(crate) runtime: Handle,
    /// Calls being answered; closing waits for these.
    pub(crate) answers: TaskTracker,
    /// No new calls or streams are taken.
    pub(crate) draining: CancellationToken,
    pub(crate) stop: CancellationToken,
    /// Outlives `stop`, so that the last packets still leave.
    pub(crate) stop_sockets: CancellationToken,
}

/// A handle on this node's connections.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
    _stop_with_last_handle: Arc<(DropGuard, DropGuard)>,
}

impl Link {
    /// Opens the sockets and starts to answer. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the ports are taken or the identity cannot be used.
    pub fn bind(
        config: LinkConfig,
        admit: Arc<dyn Admit>,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, BindError> {
        let config = within_bounds(config);
        let tasks = TaskTracker::new();
        let (stop, stop_sockets) = (CancellationToken::new(), CancellationToken::new());
        let server_tls = tls::server(&config.identity)?;
        let uplinks = Arc::new(Uplinks::new(config.satellite.as_ref()));
        let endpoints = bind::endpoints(&config, &server_tls, &uplinks, &tasks, &stop_sockets)?;
        let mut boot = [0; 8];
        getrandom::fill(&mut boot).map_err(|error| BindError::Provider(error.to_string()))?;
        let inner = Arc::new(Inner {
            joins: Arc::new(Semaphore::new(config.limits.joins)),
            config,
            endpoints: RwLock::new(endpoints),
            admit,
            handler,
            peers: RwLock::default(),
            boot: u64::from_ne_bytes(boot),
            uplinks,
            server_tls,
            tasks,
            runtime: Handle::current(),
            answers: TaskTracker::new(),
            draining: stop.child_token(),
            stop,
            stop_sockets,
        });
        for class in Class::ALL {
            inner.tasks.spawn(serve::accept_connections(inner.clone(), class));
        }
        inner.tasks.spawn(listen_to_peers(inner.clone()));
        let guards = (inner.stop.clone().drop_guard(), inner.stop_sockets.clone().drop_guard());
        Ok(Self { inner, _stop_with_last_handle: Arc::new(guards) })
    }

    pub fn identity(&self) -> &Identity {
        &self.inner.config.identity
    }

    /// Where [`Class::Control`] listens; what peers and tokens name.
    ///
    /// # Errors
    /// When the link is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.endpoint(Class::Control).ok_or(ErrorKind::NotConnected)?.local_addr()
    }

    /// Replaces all addresses. A peer that is no longer named is not dialled any
    /// more; whether it may dial us is [`Admit`]'s to say, see [`Self::recheck`].
    ///
    /// # Errors
    /// When the identity cannot be used for dialling.
    pub fn set_peers(&self, peers: Vec<PeerAddress>) -> Result<(), BindError> {
        self.inner.uplinks.set_peers(&peers);
        let named: HashSet<NodeId> = peers.iter().map(|peer| peer.id).collect();
        for address in peers {
            self.inner.peer_or_new(address.id)?.set_address(address);
        }
        for peer in self.inner.all_peers() {
            if !named.contains(&peer.id) {
                peer.forget_address();
            }
        }
        Ok(())
    }

    /// Asks [`Admit`] again about every connection, and closes those that are no
    /// longer welcome. To be called after membership or revocations changed.
    pub fn recheck(&self) {
        for peer in self.inner.all_peers() {
            for class in Class::ALL {
                for live in peer.lane(class).open_connections() {
                    if let Err(denied) = self.inner.admit.admit(peer.id, live.leaf_fingerprint) {
                        serve::refuse(&live.connection, Refusal::from(denied));
                    }
                }
            }
        }
    }

    /// Sends a request and waits for its answer, at most `timeout` in all.
    ///
    /// # Errors
    /// [`CallError`] says whether the peer surely did not act, or nobody knows.
    pub async fn call(
        &self,
        to: NodeId,
        class: Class,
        urgency: Urgency,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        call::call(&self.inner, to, class, urgency, body, timeout).await
    }

    /// Opens a stream whose first frame is `first`; `timeout` bounds connecting
    /// and sending that frame, not the stream's life.
    ///
    /// # Errors
    /// As [`Self::call`]; an opened stream may still be refused by the peer, which
    /// then shows as its end.
    pub async fn open(
        &self,
        to: NodeId,
        class: Class,
        urgency: Urgency,
        first: Bytes,
        timeout: Duration,
    ) -> Result<FrameStream, CallError> {
        call::open(&self.inner, to, class, urgency, first, timeout).await
    }

    /// Sends up to [`crate::DATAGRAM_MAX_BYTES`] that may be lost, on
    /// [`Class::Voice`] or [`Class::Video`]. Never waits, and may be called from
    /// any thread. Without a connection one is dialled in the background.
    ///
    /// # Errors
    /// When it surely was not sent.
    pub fn datagram(&self, to: NodeId, class: Class, body: Bytes) -> Result<(), DatagramError> {
        datagram::send(&self.inner, to, class, body)
    }

    /// Dials in the background unless a connection stands, so that the first
    /// datagram finds one. Never waits; as with [`Self::datagram`], a peer that did
    /// not answer a moment ago is left alone for a while.
    pub fn prepare(&self, to: NodeId, class: Class) {
        datagram::prepare(&self.inner, to, class);
    }

    /// Closes what stands to a peer that was cut off: its timers have backed off, and
    /// what is sent after the cut would wait for them. A new one is dialled when it is
    /// needed.
    pub fn let_go(&self, to: NodeId, class: Class) {
        let Some(peer) = self.inner.peer(to) else { return };
        for live in peer.lane(class).open_connections() {
            live.connection.close(CLOSE_SHUTDOWN, b"cut off");
        }
    }

    /// Whether a connection of this class stands; one that was cut counts until
    /// its idle time-out.
    pub fn is_connected(&self, to: NodeId, class: Class) -> bool {
        self.inner.peer(to).is_some_and(|peer| peer.lane(class).preferred().is_some())
    }

    /// Room for something that lasts, on the satellite uplink that leads to the peer;
    /// over the ground there is always room. An emergency always fits.
    ///
    /// # Errors
    /// When the uplink has not so much left for its kind.
    pub fn admit(&self, to: NodeId, kind: Kind, bps: u64) -> Result<Admission, NotAdmitted> {
        uplink::admit(self.inner.uplinks.of_peer(to), Instant::now(), kind, bps)
    }

    /// What the path to the peer is worth now; `None` without a connection.
    pub fn path(&self, to: NodeId) -> Option<PathState> {
        let known = self.inner.peer(to)?.path()?;
        let uplink = self.inner.uplinks.of_peer(to);
        Some(uplink.map_or(known, |uplink| {
            let (rate_bps, lost_ppm, queue) = uplink.worth(Instant::now());
            PathState { rate_bps, queue, loss_ppm: known.loss_ppm.max(lost_ppm), ..known }
        }))
    }

    /// `None`: never named and never heard.
    pub fn peer(&self, node: NodeId) -> Option<PeerStatus> {
        self.inner.peer(node).map(|peer| peer.status(Instant::now()))
    }

    /// Of every peer, ordered by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = Instant::now();
        let mut all: Vec<_> = self.inner.all_peers().iter().map(|peer| peer.status(now)).collect();
        all.sort_by_key(|status| status.node);
        all
    }

    /// Takes nothing new, lets answers under way finish for a bounded time, tells
    /// the peers, and ends every task. Returns whether all of them ended.
    pub async fn close(&self) -> bool {
        let inner = &self.inner;
        let drain = inner.config.limits.drain;
        inner.draining.cancel();
        inner.answers.close();
        // Who has not answered by then is cut off; the caller sees it as unknown.
        drop(tokio::time::timeout(drain, inner.answers.wait()).await);
        inner.stop.cancel();
        let endpoints = inner.take_endpoints();
        for endpoint in &endpoints {
            endpoint.close(CLOSE_SHUTDOWN, b"shutting down");
        }
        let told = async {
            for endpoint in &endpoints {
                endpoint.wait_idle().await;
            }
        };
        drop(tokio::time::timeout(drain, told).await);
        drop(endpoints);
        // A connection that is remembered keeps its socket.
        for peer in inner.all_peers() {
            for class in Class::ALL {
                peer.lane(class).forget_closed();
            }
        }
        inner.stop_sockets.cancel();
        inner.tasks.close();
        let all_ended = async {
            inner.answers.wait().await;
            inner.tasks.wait().await;
        };
        tokio::time::timeout(drain, all_ended).await.is_ok()
    }
}

#[cfg(test)]
impl Link {
    /// As [`listen_to_peers`] does once `now` has come.
    pub(crate) fn retire_spares(&self, now: Instant) {
        for peer in self.inner.all_peers() {
            for class in Class::ALL {
                peer.lane(class).retire_spares(now, SPARES_CLOSE_AFTER);
            }
        }
    }

    pub(crate) fn dials_failed(&self, to: NodeId, class: Class) -> (u64, Option<CallError>) {
        self.inner
            .peer(to)
            .map_or((0, None), |peer| (peer.lane(class).failed(), peer.lane(class).last_failure()))
    }

    pub(crate) fn tasks_left(&self) -> usize {
        self.inner.tasks.len() + self.inner.answers.len()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.identity().node())
    }
}

impl Inner {
    /// `None` once closed.
    pub(crate) fn endpoint(&self, class: Class) -> Option<Endpoint> {
        let endpoints = self.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        endpoints.get(class.index()).cloned()
    }

    fn take_endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *endpoints)
    }

    pub(crate) fn peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    pub(crate) fn peer_or_new(&self, node: NodeId) -> Result<Arc<Peer>, BindError> {
        if let Some(peer) = self.peer(node) {
            return Ok(peer);
        }
        let [control, bulk, voice, video] = Class::ALL.map(|_| tls::client(&self.config.identity));
        let fresh = Peer::new(node, [control?, bulk?, voice?, video?]);
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        Ok(peers.entry(node).or_insert_with(|| Arc::new(fresh)).clone())
    }

    fn all_peers(&self) -> Vec<Arc<Peer>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How the path to `remote` is, which may be a peer's or a stranger's.
    pub(crate) fn path_to(&self, remote: SocketAddr) -> Option<Satellite> {
        let host = remote.ip().to_canonical();
        let routes: Vec<_> = self.all_peers().iter().map(|peer| peer.route()).collect();
        let with = |same: &dyn Fn(&SocketAddr) -> bool| {
            routes.iter().find(|route| route.addrs.iter().any(same))
        };
        // Peers dial from the port they listen on; behind NAT only the host is left.
        let exact = with(&|addr| {
            let ports = Class::ALL.map(|class| addr.port().saturating_add(class.port_offset()));
            addr.ip().to_canonical() == host && ports.contains(&remote.port())
        });
        let known = exact.or_else(|| with(&|addr| addr.ip().to_canonical() == host));
        known.and_then(|route| route.satellite.clone()).or_else(|| self.config.satellite.clone())
    }
}

fn within_bounds(mut config: LinkConfig) -> LinkConfig {
    config.limits.frame_bytes = config.limits.frame_bytes.min(FRAME_MAX_BYTES);
    config
}

async fn listen_to_peers(inner: Arc<Inner>) {
    let mut every = tokio::time::interval(LISTENING_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let now = Instant::now();
        for peer in inner.all_peers() {
            peer.listen(now);
            for class in Class::ALL {
                peer.lane(class).retire_spares(now, SPARES_CLOSE_AFTER);
            }
        }
    }
}
