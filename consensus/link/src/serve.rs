//! The answering side: who may come in, and what becomes of each stream. It
//! refuses by number and in words, and never lets a peer hold more than the
//! limits allow.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Incoming, ReadExactError, RecvStream, SendStream, VarInt};
use tokio::time::timeout;
use weir_model::id::NodeId;

use crate::class::Class;
use crate::config::Satellite;
use crate::dial::peer_leaf;
use crate::hello::{ALPN_JOIN, HELLO_BYTES, Hello, PREFACE_BYTES, Preface, StreamKind, WELCOME};
use crate::join;
use crate::key::fingerprint;
use crate::lane::{Dialler, InUse, Live};
use crate::link::Inner;
use crate::names::{carries, node_name};
use crate::refusal::Refusal;
use crate::stream::{FrameReceiver, FrameSender, FrameStream, RESET_MALFORMED};
use crate::{bind, call, datagram};

/// The connection could not be taken now.
const CLOSE_FAILED: VarInt = VarInt::from_u32(0x5733);
/// A stream's first bytes come with its opening.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(30);

/// Closes a connection with the reason, for the other side to show.
pub(crate) fn refuse(connection: &Connection, refusal: Refusal) {
    connection.close(VarInt::from_u32(refusal.code()), refusal.en().as_bytes());
}

/// Until the link stops.
pub(crate) async fn accept_connections(inner: Arc<Inner>, class: Class) {
    let Some(endpoint) = inner.endpoint(class) else {
        return;
    };
    loop {
        let incoming = tokio::select! {
            () = inner.draining.cancelled() => return,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else {
            return;
        };
        if endpoint.open_connections() > inner.config.limits.connections {
            incoming.refuse();
            continue;
        }
        let busy = endpoint.open_connections() > inner.config.limits.connections / 4;
        if busy && !incoming.remote_address_validated() && incoming.may_retry() {
            // Costs a round trip, and shuts out senders of forged addresses.
            incoming.retry().ok();
            continue;
        }
        let tasks = inner.tasks.clone();
        tasks.spawn(welcome_one(inner.clone(), class, incoming));
    }
}

async fn welcome_one(inner: Arc<Inner>, class: Class, incoming: Incoming) {
    let remote = incoming.remote_address();
    let satellite = inner.path_to(remote);
    let patience = inner.config.times(class, satellite.as_ref()).connect_timeout;
    let uplink = inner.uplinks.towards(remote);
    let tls = &inner.server_tls;
    let config = bind::server_config(&inner.config, class, satellite.as_ref(), uplink, tls);
    // Refused by dropping it: the time-outs were valid when the link was bound.
    let Ok(config) = config else {
        return;
    };
    let handshake = async {
        let connection = incoming.accept_with(Arc::new(config)).ok()?.await.ok()?;
        Some(connection)
    };
    let shaken = tokio::select! {
        () = inner.stop.cancelled() => return,
        shaken = timeout(patience, handshake) => shaken,
    };
    let Some(connection) = shaken.ok().flatten() else {
        tracing::debug!(%remote, ?class, "handshake failed");
        return;
    };
    if is_join(&connection) {
        join::answer(&inner, class, connection).await;
        return;
    }
    let greeting = greet(&inner, class, satellite.as_ref(), &connection);
    let greeted = tokio::select! {
        () = inner.stop.cancelled() => return,
        greeted = timeout(patience, greeting) => greeted,
    };
    match greeted {
        // Dropping it closes what is left of it.
        Ok(Ok(None)) => tracing::debug!(%remote, ?class, "gone before its hello"),
        Ok(Ok(Some((node, live)))) => {
            tracing::debug!(peer = %node, ?class, %remote, "let in");
            serve(inner, node, class, live).await;
        }
        Ok(Err(refusal)) => {
            tracing::warn!(%remote, ?class, %refusal, "refused");
            refuse(&connection, refusal);
        }
        Err(_) => connection.close(CLOSE_FAILED, b"no hello in time"),
    }
}

fn is_join(connection: &Connection) -> bool {
    connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .is_some_and(|data| data.protocol.as_deref() == Some(ALPN_JOIN))
}

/// `None`: it went away before it had said who it is.
async fn greet(
    inner: &Arc<Inner>,
    class: Class,
    satellite: Option<&Satellite>,
    connection: &Connection,
) -> Result<Option<(NodeId, Arc<Live>)>, Refusal> {
    let leaf = peer_leaf(connection).ok_or(Refusal::NoCertificate)?;
    let Ok((mut send, mut recv)) = connection.accept_bi().await else { return Ok(None) };
    if class.datagrams().is_some() {
        // A peer that opens another one breaks QUIC's rules, and is cut off.
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(0));
    }
    let mut bytes = [0; HELLO_BYTES];
    match recv.read_exact(&mut bytes).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(_)) => return Err(Refusal::OtherProtocol),
        Err(ReadExactError::ReadError(_)) => return Ok(None),
    }
    let hello = Hello::from_bytes(&bytes).ok_or(Refusal::OtherProtocol)?;
    let identity = &inner.config.identity;
    if hello.cluster != identity.cluster() {
        return Err(Refusal::OtherCluster);
    }
    if hello.class != class {
        return Err(Refusal::OtherProtocol);
    }
    let own = hello.node == identity.node();
    if own || !carries(&leaf, &node_name(hello.node, identity.cluster())) {
        return Err(Refusal::WrongNode);
    }
    let leaf_fingerprint = fingerprint(&leaf);
    inner.admit.admit(hello.node, leaf_fingerprint)?;
    // Cannot fail for an identity the link was bound with.
    let peer = inner.peer_or_new(hello.node).map_err(|_| Refusal::BadCertificate)?;
    let smaller = hello.node < identity.node();
    let dialler = if smaller { Dialler::SmallerId } else { Dialler::GreaterId };
    let live = Live::new(connection.clone(), dialler, false, hello.boot, leaf_fingerprint);
    peer.end_other_lives(hello.boot);
    // In the lane before the welcome: once welcomed, the peer may expect us to
    // reach it.
    peer.lane(class).accepted(live.clone(), together(inner, class, satellite));
    let welcome = [&[WELCOME], inner.boot.to_be_bytes().as_slice()].concat();
    let said = send.write_all(&welcome).await.is_ok() && send.finish().is_ok();
    Ok(said.then_some((hello.node, live)))
}

/// Connections no further apart than this were dialled at the same time: a peer
/// needs longer to notice that one is gone.
fn together(inner: &Inner, class: Class, satellite: Option<&Satellite>) -> Duration {
    inner.config.times(class, satellite).idle_timeout * 2 / 3
}

/// Takes what the peer sends until the connection ends or the link stops.
pub(crate) async fn serve(inner: Arc<Inner>, from: NodeId, class: Class, live: Arc<Live>) {
    if class.datagrams().is_some() {
        datagram::receive(&inner, from, class, &live).await;
    } else {
        accept_streams(inner, from, live).await;
    }
}

async fn accept_streams(inner: Arc<Inner>, from: NodeId, live: Arc<Live>) {
    loop {
        let accepted = tokio::select! {
            () = inner.stop.cancelled() => return,
            accepted = live.connection.accept_bi() => accepted,
        };
        let (send, recv) = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(peer = %from, %error, "disconnected");
                return;
            }
        };
        let in_use = live.use_it();
        let serving = serve_stream(inner.clone(), from, in_use, send, recv);
        inner.tasks.spawn(serving);
    }
}

async fn serve_stream(
    inner: Arc<Inner>,
    from: NodeId,
    in_use: InUse,
    mut send: SendStream,
    mut recv: RecvStream,
) {
    let mut bytes = [0; PREFACE_BYTES];
    let read = tokio::select! {
        () = inner.stop.cancelled() => return,
        read = timeout(PREFACE_TIMEOUT, recv.read_exact(&mut bytes)) => read,
    };
    let preface = match read {
        Ok(Ok(())) => Preface::from_bytes(bytes),
        Ok(Err(_)) | Err(_) => None,
    };
    let Some(preface) = preface else {
        // Both fail only where the stream is over already.
        send.reset(RESET_MALFORMED).ok();
        recv.stop(RESET_MALFORMED).ok();
        return;
    };
    send.set_priority(preface.urgency.stream_priority()).ok();
    match preface.kind {
        StreamKind::Call => {
            let receiver = FrameReceiver::new(recv, inner.config.limits.frame_bytes);
            call::answer(&inner, from, send, receiver).await;
            drop(in_use);
        }
        StreamKind::Open => {
            let max = inner.config.limits.frame_bytes;
            let (sender, receiver) = (FrameSender::new(send, max), FrameReceiver::new(recv, max));
            // The handler may pass the stream on and end.
            let stream = FrameStream::new(sender, receiver, in_use);
            tokio::select! {
                () = inner.draining.cancelled() => {}
                () = inner.handler.open(from, stream) => {}
            }
        }
    }
}

/// The body of a call or a join, with the limits of both.
pub(crate) async fn one_frame(receiver: &mut FrameReceiver, patience: Duration) -> Option<Bytes> {
    timeout(patience, receiver.recv()).await.ok()?.ok()?
}
