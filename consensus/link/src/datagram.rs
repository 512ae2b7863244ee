//! Datagrams: sound and pictures, which are worthless when late. Sending hands
//! over and returns; receiving passes on and forgets. It refuses to wait, to hold
//! more than [`Buffers`] say, and to send anything twice.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quinn::SendDatagramError;
use weir_model::id::NodeId;

use crate::class::{Buffers, Class, WhenFull};
use crate::dial;
use crate::error::DatagramError;
use crate::lane::{Live, Next};
use crate::link::Inner;
use crate::peer::Peer;

/// Longest body. It fits the smallest packet that QUIC asks of a path (1,200
/// bytes), so it holds from the first packet on and on every path.
pub const DATAGRAM_MAX_BYTES: usize = 1_100;

pub(crate) fn send(
    inner: &Arc<Inner>,
    to: NodeId,
    class: Class,
    body: Bytes,
) -> Result<(), DatagramError> {
    let buffers = class.datagrams().ok_or(DatagramError::WrongClass)?;
    if body.len() > DATAGRAM_MAX_BYTES {
        return Err(DatagramError::TooLarge { max: DATAGRAM_MAX_BYTES });
    }
    if inner.draining.is_cancelled() {
        return Err(DatagramError::Closed);
    }
    let peer = inner.peer(to).ok_or(DatagramError::NotConnected)?;
    peer.lane(class).datagrams.offered(body.len());
    let live = connected_or_dialling(inner, &peer, class).ok_or(DatagramError::NotConnected)?;
    hand_over(&live, buffers, body)
}

pub(crate) fn prepare(inner: &Arc<Inner>, to: NodeId, class: Class) {
    if let Some(peer) = inner.peer(to)
        && !inner.draining.is_cancelled()
    {
        // Connected or not, nothing is to be sent now.
        drop(connected_or_dialling(inner, &peer, class));
    }
}

/// The lane sees to it that there is one dial at a time, and not too often.
fn connected_or_dialling(inner: &Arc<Inner>, peer: &Arc<Peer>, class: Class) -> Option<Arc<Live>> {
    let lane = peer.lane(class);
    match lane.next(Instant::now(), lane.failed(), &inner.config.limits) {
        Next::Use(live) => return Some(live),
        Next::Dial => dial::begin(inner, peer, class),
        Next::Wait | Next::Fail(_) => {}
    }
    None
}

fn hand_over(live: &Live, buffers: Buffers, body: Bytes) -> Result<(), DatagramError> {
    let connection = &live.connection;
    let room = || connection.datagram_send_buffer_space();
    if buffers.when_full == WhenFull::RefuseNewest && room() < body.len() {
        return Err(DatagramError::Full);
    }
    // Where there is no room, the oldest that wait make it.
    connection.send_datagram(body).map_err(|error| match error {
        SendDatagramError::ConnectionLost(_) => DatagramError::NotConnected,
        // A peer of ours takes more than this; whoever does not says how much.
        SendDatagramError::TooLarge
        | SendDatagramError::UnsupportedByPeer
        | SendDatagramError::Disabled => {
            DatagramError::TooLarge { max: connection.max_datagram_size().unwrap_or(0) }
        }
    })
}

/// Until the connection ends or the link stops.
pub(crate) async fn receive(inner: &Arc<Inner>, from: NodeId, class: Class, live: &Live) {
    // It is there: the connection is in its lane.
    let Some(peer) = inner.peer(from) else { return };
    let counts = &peer.lane(class).datagrams;
    loop {
        let read = tokio::select! {
            () = inner.stop.cancelled() => return,
            read = live.connection.read_datagram() => read,
        };
        match read {
            Ok(body) => {
                counts.received(body.len());
                inner.handler.datagram(from, class, body);
            }
            Err(error) => {
                tracing::debug!(peer = %from, ?class, %error, "disconnected");
                return;
            }
        }
        // A flood must not keep the others of this thread from running.
        tokio::task::coop::consume_budget().await;
    }
}
