//! How a node without a certificate asks to become a member. The newcomer knows
//! the CA by its fingerprint and speaks to nobody else; the cluster knows the
//! newcomer by what is in the request. Bodies are opaque here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, VarInt};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::bind::TrackedRuntime;
use crate::class::Class;
use crate::dial::{connect_error, refusal_in};
use crate::error::{CallError, JoinError};
use crate::link::{Inner, JoinRequest};
use crate::names::any_node;
use crate::refusal::Refusal;
use crate::serve::one_frame;
use crate::socket::MarkedSocket;
use crate::stream::{FrameReceiver, FrameSender};
use crate::tls::{self, JoinTls};
use crate::token::Token;
use crate::transport::join_transport;

/// Longest request and answer: a few certificates and addresses.
pub(crate) const JOIN_BODY_MAX: usize = 64 * 1024;
const ACCEPTED: u8 = 0;
const DENIED: u8 = 1;
const CLOSE_DONE: VarInt = VarInt::from_u32(0);
const CLOSE_BUSY: VarInt = VarInt::from_u32(0x5734);
/// For the last packets of a join to leave.
const GOODBYE: Duration = Duration::from_secs(1);
/// A newcomer that says nothing is not waited for longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The cluster commits a decision before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks each node of the token in turn until one answers; `timeout` is for each.
///
/// # Errors
/// [`JoinError::Unknown`] where a node may have acted; ask again with the same
/// request then, nowhere else. Must be called within a tokio runtime.
pub async fn join(token: &Token, body: Bytes, patience: Duration) -> Result<Bytes, JoinError> {
    if body.len() > JOIN_BODY_MAX {
        return Err(JoinError::TooLong { len: body.len(), max: JOIN_BODY_MAX });
    }
    let mut tried = Vec::new();
    for at in token.addresses.iter().copied() {
        match join_at(token, at, &body, patience).await {
            Err(JoinError::NoAnswer { tried: how }) => tried.push(format!("{at}: {how}")),
            decided => return decided,
        }
    }
    if tried.is_empty() {
        return Err(JoinError::NoAddress);
    }
    Err(JoinError::NoAnswer { tried: tried.join("; ") })
}

async fn join_at(
    token: &Token,
    at: SocketAddr,
    body: &Bytes,
    patience: Duration,
) -> Result<Bytes, JoinError> {
    let local = |error: &dyn std::fmt::Display| JoinError::Local(error.to_string());
    let tls = tls::joiner(token.ca_fingerprint).map_err(|error| local(&error))?;
    let tasks = TaskTracker::new();
    let endpoint = newcomer_endpoint(at, &tasks).map_err(|error| local(&error))?;
    let answer = join_through(&endpoint, token, &tls, at, body, patience).await;
    // Best effort: the cluster notices by itself soon enough.
    drop(timeout(GOODBYE, endpoint.wait_idle()).await);
    drop(endpoint);
    tasks.close();
    drop(timeout(GOODBYE, tasks.wait()).await);
    answer
}

async fn join_through(
    endpoint: &Endpoint,
    token: &Token,
    tls: &JoinTls,
    at: SocketAddr,
    body: &Bytes,
    patience: Duration,
) -> Result<Bytes, JoinError> {
    let local = |error: &dyn std::fmt::Display| JoinError::Local(error.to_string());
    let mut config = ClientConfig::new(tls.config.clone());
    config.transport_config(join_transport());
    let name = any_node(token.cluster);
    let connecting = endpoint.connect_with(config, at, &name).map_err(|error| local(&error))?;
    let connection = match timeout(patience, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(handshake_error(at, &error, tls)),
        Err(_) => return Err(JoinError::NoAnswer { tried: "no answer in time".into() }),
    };
    let asked = timeout(patience, ask(at, &connection, body)).await;
    connection.close(CLOSE_DONE, b"");
    let unknown = || JoinError::Unknown { at, cause: "no answer in time".into() };
    asked.unwrap_or_else(|_| Err(unknown()))
}

fn newcomer_endpoint(to: SocketAddr, tasks: &TaskTracker) -> std::io::Result<Endpoint> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = MarkedSocket::new(std::net::UdpSocket::bind(any)?, crate::DSCP_CS6)?;
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TrackedRuntime(tasks.clone())));
    Endpoint::new_with_abstract_socket(config, None, Arc::new(socket), runtime)
}

fn handshake_error(at: SocketAddr, error: &quinn::ConnectionError, tls: &JoinTls) -> JoinError {
    if tls.pin_failed() {
        return JoinError::WrongCa { at };
    }
    match connect_error(at, error, None) {
        CallError::Refused { reason } => JoinError::Refused { at, refusal: reason },
        other => JoinError::NoAnswer { tried: other.to_string() },
    }
}

async fn ask(at: SocketAddr, connection: &Connection, body: &Bytes) -> Result<Bytes, JoinError> {
    let unsent = |cause: &dyn std::fmt::Display| JoinError::NoAnswer { tried: cause.to_string() };
    let (send, recv) = connection.open_bi().await.map_err(|error| unsent(&error))?;
    let mut sender = FrameSender::new(send, JOIN_BODY_MAX);
    sender.send(body.clone()).await.map_err(|error| unsent(&error))?;
    let unknown = |cause: String| match connection.close_reason().as_ref().and_then(refusal_in) {
        Some(refusal) => JoinError::Refused { at, refusal },
        None => JoinError::Unknown { at, cause },
    };
    sender.finish().await.map_err(|error| unknown(error.to_string()))?;
    let mut receiver = FrameReceiver::new(recv, JOIN_BODY_MAX + 1);
    match receiver.recv().await {
        Ok(Some(mut answer)) if !answer.is_empty() => match answer.split_to(1)[0] {
            ACCEPTED => Ok(answer),
            DENIED => Err(JoinError::Denied(String::from_utf8_lossy(&answer).into_owned())),
            _ => Err(JoinError::Refused { at, refusal: Refusal::OtherProtocol }),
        },
        Ok(_) => Err(unknown("no answer on the stream".into())),
        Err(error) => Err(unknown(error.to_string())),
    }
}

/// The answering side.
pub(crate) async fn answer(inner: &Arc<Inner>, class: Class, connection: Connection) {
    let permit = inner.joins.clone().try_acquire_owned();
    let (Ok(permit), Class::Control) = (permit, class) else {
        connection.close(CLOSE_BUSY, b"busy; try again");
        return;
    };
    let answered = tokio::select! {
        () = inner.stop.cancelled() => None,
        answered = answer_one(inner, &connection) => answered,
    };
    if answered.is_none() {
        connection.close(CLOSE_BUSY, b"not answered");
    }
    drop(permit);
}

async fn answer_one(inner: &Arc<Inner>, connection: &Connection) -> Option<()> {
    let (send, recv) = timeout(REQUEST_TIMEOUT, connection.accept_bi()).await.ok()?.ok()?;
    let body = one_frame(&mut FrameReceiver::new(recv, JOIN_BODY_MAX), REQUEST_TIMEOUT).await?;
    let request = JoinRequest { from: connection.remote_address(), body };
    let (kind, body) = match timeout(ANSWER_TIMEOUT, inner.handler.join(request)).await.ok()? {
        Ok(answer) => (ACCEPTED, answer.body),
        Err(reason) => (DENIED, Bytes::from(reason)),
    };
    let mut answer = BytesMut::with_capacity(1 + body.len());
    answer.put_u8(kind);
    answer.extend_from_slice(&body);
    let mut sender = FrameSender::new(send, JOIN_BODY_MAX + 1);
    sender.send(answer.freeze()).await.ok()?;
    sender.finish().await.ok()?;
    timeout(REQUEST_TIMEOUT, connection.closed()).await.ok()?;
    Some(())
}
