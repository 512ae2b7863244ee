//! Dialling a peer: its addresses in turn, TLS, the hello, and only then a
//! connection that others may use. It refuses to hand out one that the peer has
//! not welcomed, so that a failed dial surely carried nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use quinn::{ClientConfig, Connection, ConnectionError, TransportErrorCode, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

use crate::bind::class_addr;
use crate::class::Class;
use crate::error::{CallError, Unreachable};
use crate::hello::{Hello, WELCOME};
use crate::key::fingerprint;
use crate::lane::{Dialler, Live, Next};
use crate::link::Inner;
use crate::names::node_name;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::serve;
use crate::transport::{Side, transport};

const WELCOME_BYTES: usize = 1 + 8;

/// A connection to the peer, dialled if need be. Several callers share one dial,
/// which goes on when they give up.
///
/// # Errors
/// Only such as say that nothing was sent.
pub(crate) async fn connected(
    inner: &Arc<Inner>,
    peer: &Arc<Peer>,
    class: Class,
    deadline: tokio::time::Instant,
) -> Result<Arc<Live>, CallError> {
    let lane = peer.lane(class);
    let failed_before = lane.failed();
    loop {
        let changed = lane.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        match lane.next(Instant::now(), failed_before, &inner.config.limits) {
            Next::Use(live) => return Ok(live),
            Next::Fail(error) => return Err(error),
            Next::Dial => begin(inner, peer, class),
            Next::Wait => {}
        }
        tokio::select! {
            () = &mut changed => {}
            () = inner.draining.cancelled() => return Err(Unreachable::LinkClosed.into()),
            () = tokio::time::sleep_until(deadline) => {
                return Err(Unreachable::StillDialling.into());
            }
        }
    }
}

/// From any thread: sound comes from one that tokio does not know.
pub(crate) fn begin(inner: &Arc<Inner>, peer: &Arc<Peer>, class: Class) {
    let (inner, peer) = (inner.clone(), peer.clone());
    let (tasks, runtime) = (inner.tasks.clone(), inner.runtime.clone());
    let dialling = async move {
        let outcome = tokio::select! {
            outcome = dial(&inner, &peer, class) => outcome,
            () = inner.draining.cancelled() => Err(Unreachable::LinkClosed.into()),
        };
        if let Ok(live) = &outcome {
            tracing::debug!(peer = %peer.id, ?class, "connected");
            inner.tasks.spawn(serve::serve(inner.clone(), peer.id, class, live.clone()));
            peer.end_other_lives(live.boot);
        }
        peer.lane(class).dial_ended(Instant::now(), outcome);
    };
    tasks.spawn_on(dialling, &runtime);
}

/// Each address in turn. A refusal ends the search: another address of the same
/// node would refuse too, unless another node answered there.
async fn dial(inner: &Inner, peer: &Peer, class: Class) -> Result<Arc<Live>, CallError> {
    let route = peer.route();
    let mut last = CallError::from(Unreachable::NoAddress);
    for base in route.addrs.iter().copied() {
        let Some(addr) = class_addr(base, class) else {
            continue;
        };
        match dial_one(inner, peer, class, addr).await {
            Ok(live) => {
                peer.prefer(base);
                return Ok(live);
            }
            Err(error) => {
                tracing::debug!(peer = %peer.id, ?class, %addr, %error, "dial failed");
                last = error;
            }
        }
        let elsewhere = matches!(
            last,
            CallError::Unreachable { .. }
                | CallError::Refused { reason: Refusal::WrongNode | Refusal::OtherCluster }
        );
        if !elsewhere {
            break;
        }
    }
    Err(last)
}

async fn dial_one(
    inner: &Inner,
    peer: &Peer,
    class: Class,
    addr: SocketAddr,
) -> Result<Arc<Live>, CallError> {
    let satellite = peer.route().satellite.or_else(|| inner.config.satellite.clone());
    let patience = inner.config.times(class, satellite.as_ref()).connect_timeout;
    let failed = |cause: String| CallError::from(Unreachable::Transport { to: addr, cause });
    let uplink = inner.uplinks.of_peer(peer.id);
    let transport = transport(&inner.config, class, satellite.as_ref(), uplink, Side::Dialling)
        .map_err(|error| failed(error.to_string()))?;
    let dial_tls = peer.tls(class);
    let mut config = ClientConfig::new(dial_tls.config.clone());
    config.transport_config(transport);
    // What an earlier handshake said is not about this one.
    dial_tls.verifier.take_verdict();
    let name = node_name(peer.id, inner.config.identity.cluster());
    let handshake = async {
        let connecting = inner
            .endpoint(class)
            .ok_or(Unreachable::LinkClosed)?
            .connect_with(config, addr, &name)
            .map_err(|error| failed(error.to_string()))?;
        let connection = connecting
            .await
            .map_err(|error| connect_error(addr, &error, dial_tls.verifier.take_verdict()))?;
        greet(inner, peer, class, connection)
            .await
            .map_err(|error| connect_error(addr, &error, None))?
            .map_err(|reason| CallError::Refused { reason })
    };
    timeout(patience, handshake).await.unwrap_or(Err(Unreachable::NoAnswer(addr).into()))
}

/// Says who we are, waits to be let in, and decides whether to come in.
async fn greet(
    inner: &Inner,
    peer: &Peer,
    class: Class,
    connection: Connection,
) -> Result<Result<Arc<Live>, Refusal>, ConnectionError> {
    let guard = CloseUnlessKept::new(connection.clone());
    let identity = &inner.config.identity;
    let Some(leaf) = peer_leaf(&connection) else {
        return Ok(Err(Refusal::NoCertificate));
    };
    let leaf_fingerprint = fingerprint(&leaf);
    if let Err(denied) = inner.admit.admit(peer.id, leaf_fingerprint) {
        serve::refuse(&connection, denied.into());
        return Ok(Err(denied.into()));
    }
    let (cluster, node, boot) = (identity.cluster(), identity.node(), inner.boot);
    let hello = Hello { class, cluster, node, boot }.to_bytes();
    let (mut send, mut recv) = connection.open_bi().await?;
    let mut welcome = [0; WELCOME_BYTES];
    let exchanged = async {
        send.write_all(&hello).await.ok()?;
        send.finish().ok()?;
        recv.read_exact(&mut welcome).await.ok()
    };
    if exchanged.await.is_none() {
        // The stream broke because the connection did; that says why.
        return Err(connection.close_reason().unwrap_or(ConnectionError::Reset));
    }
    let [WELCOME, boot @ ..] = welcome else {
        serve::refuse(&connection, Refusal::OtherProtocol);
        return Ok(Err(Refusal::OtherProtocol));
    };
    let dialler = if node < peer.id { Dialler::SmallerId } else { Dialler::GreaterId };
    guard.keep();
    let boot = u64::from_be_bytes(boot);
    Ok(Ok(Live::new(connection, dialler, true, boot, leaf_fingerprint)))
}

pub(crate) fn peer_leaf(connection: &Connection) -> Option<CertificateDer<'static>> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    chain.into_iter().next()
}

/// A dial that is given up leaves nothing half open.
struct CloseUnlessKept(Option<Connection>);

impl CloseUnlessKept {
    fn new(connection: Connection) -> Self {
        Self(Some(connection))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseUnlessKept {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take()
            && connection.close_reason().is_none()
        {
            connection.close(VarInt::from_u32(0), b"given up");
        }
    }
}

/// `verdict`: what our own check of the peer's certificate found.
pub(crate) fn connect_error(
    addr: SocketAddr,
    error: &ConnectionError,
    verdict: Option<Refusal>,
) -> CallError {
    match verdict.or_else(|| refusal_in(error)) {
        Some(reason) => CallError::Refused { reason },
        None if *error == ConnectionError::TimedOut => Unreachable::NoAnswer(addr).into(),
        None => Unreachable::Transport { to: addr, cause: error.to_string() }.into(),
    }
}

/// The peer's refusal, by our number or by TLS's.
pub(crate) fn refusal_in(error: &ConnectionError) -> Option<Refusal> {
    match error {
        ConnectionError::ApplicationClosed(close) => Refusal::from_code(close.error_code.into()),
        ConnectionError::ConnectionClosed(close) => (0..=u8::MAX)
            .find(|alert| close.error_code == TransportErrorCode::crypto(*alert))
            .and_then(Refusal::from_tls_alert),
        ConnectionError::VersionMismatch => Some(Refusal::OtherProtocol),
        ConnectionError::TransportError(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => None,
    }
}
