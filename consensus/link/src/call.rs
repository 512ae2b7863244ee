//! One request, one answer, on a stream of its own, so that none waits behind
//! another. The one thing it must get right: whether the peer's handler can have
//! seen the request. A request counts as seen from the moment its last byte was
//! handed to QUIC; a partial one is never acted upon.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use tokio::time::{Instant, timeout_at};
use weir_model::id::NodeId;

use crate::class::{Class, Urgency};
use crate::dial::connected;
use crate::error::{CallError, StreamError, Unreachable};
use crate::hello::{Preface, StreamKind};
use crate::lane::InUse;
use crate::link::Inner;
use crate::serve::one_frame;
use crate::stream::{FrameReceiver, FrameSender, FrameStream};

/// First byte of an answer: the handler's own words follow.
const ANSWERED: u8 = 0;
/// First byte of an answer: not taken, because this node is closing.
const CLOSING: u8 = 1;
/// First byte of an answer: acted upon, but the answer was too long to send.
const ANSWER_TOO_LONG: u8 = 2;
/// The caller no longer waits.
const STOP_UNWANTED: VarInt = VarInt::from_u32(0x5722);
/// A connection found dead while opening a stream is replaced so often.
const ATTEMPTS: usize = 3;
/// A request's bytes follow each other; a peer that stalls is not waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn call(
    inner: &Arc<Inner>,
    to: NodeId,
    class: Class,
    urgency: Urgency,
    body: Bytes,
    timeout: Duration,
) -> Result<Bytes, CallError> {
    let deadline = Instant::now() + timeout;
    let kind = StreamKind::Call;
    let (mut sender, recv, in_use) =
        begin(inner, to, class, Preface { kind, urgency }, body, deadline).await?;
    // The frame is handed over whole: from here on the peer may act.
    sender.finish().await.map_err(sent_error)?;
    let mut receiver = FrameReceiver::new(recv, inner.config.limits.frame_bytes + 1);
    let answer = tokio::select! {
        answer = timeout_at(deadline, receiver.recv()) => answer,
        () = inner.stop.cancelled() => Ok(Err(StreamError::Lost { cause: "link closed".into() })),
    };
    drop(in_use);
    match answer {
        Ok(Ok(Some(answer))) => {
            receiver.take_end();
            read_answer(answer)
        }
        Ok(Ok(None)) => Err(CallError::Closed { cause: "no answer on the stream".into() }),
        Ok(Err(error)) => Err(sent_error(error)),
        Err(_) => {
            receiver.stop(STOP_UNWANTED);
            Err(CallError::TimedOut)
        }
    }
}

pub(crate) async fn open(
    inner: &Arc<Inner>,
    to: NodeId,
    class: Class,
    urgency: Urgency,
    first: Bytes,
    timeout: Duration,
) -> Result<FrameStream, CallError> {
    let deadline = Instant::now() + timeout;
    let kind = StreamKind::Open;
    let (sender, recv, in_use) =
        begin(inner, to, class, Preface { kind, urgency }, first, deadline).await?;
    let receiver = FrameReceiver::new(recv, inner.config.limits.frame_bytes);
    Ok(FrameStream::new(sender, receiver, in_use))
}

/// A stream with its first frame handed over. Every error says: not sent.
async fn begin(
    inner: &Arc<Inner>,
    to: NodeId,
    class: Class,
    preface: Preface,
    body: Bytes,
    deadline: Instant,
) -> Result<(FrameSender, RecvStream, InUse), CallError> {
    let max = inner.config.limits.frame_bytes;
    if body.len() > max {
        return Err(Unreachable::TooLong { len: body.len(), max }.into());
    }
    if class.datagrams().is_some() {
        return Err(Unreachable::NoStreams.into());
    }
    if inner.draining.is_cancelled() {
        return Err(Unreachable::LinkClosed.into());
    }
    let (send, recv, in_use) = open_stream(inner, to, class, deadline).await?;
    send.set_priority(preface.urgency.stream_priority()).ok();
    let mut sender = FrameSender::new(send, max);
    sender.write_first(Bytes::copy_from_slice(&preface.to_bytes()));
    match timeout_at(deadline, sender.send(body)).await {
        Ok(Ok(())) => Ok((sender, recv, in_use)),
        Ok(Err(StreamError::Stopped)) => Err(Unreachable::PeerClosing.into()),
        Ok(Err(_)) => Err(Unreachable::Lost.into()),
        // Dropping the sender resets the stream, and half a frame is no request.
        Err(_) => Err(Unreachable::Busy.into()),
    }
}

/// Opening a stream is the first thing that notices a dead connection.
async fn open_stream(
    inner: &Arc<Inner>,
    to: NodeId,
    class: Class,
    deadline: Instant,
) -> Result<(SendStream, RecvStream, InUse), CallError> {
    let peer = inner.peer(to).ok_or(Unreachable::NoAddress)?;
    for _ in 0..ATTEMPTS {
        let live = connected(inner, &peer, class, deadline).await?;
        let in_use = live.use_it();
        match timeout_at(deadline, live.connection.open_bi()).await {
            Ok(Ok((send, recv))) => return Ok((send, recv, in_use)),
            Ok(Err(ConnectionError::LocallyClosed)) if inner.stop.is_cancelled() => {
                return Err(Unreachable::LinkClosed.into());
            }
            Ok(Err(_)) => {}
            Err(_) => return Err(Unreachable::Busy.into()),
        }
    }
    Err(Unreachable::Lost.into())
}

fn read_answer(mut answer: Bytes) -> Result<Bytes, CallError> {
    if answer.is_empty() {
        return Err(CallError::Closed { cause: "an empty answer".into() });
    }
    match answer.split_to(1)[0] {
        ANSWERED => Ok(answer),
        CLOSING => Err(Unreachable::PeerClosing.into()),
        ANSWER_TOO_LONG => Err(CallError::Closed { cause: "the answer is too long".into() }),
        other => Err(CallError::Closed { cause: format!("answer of unknown kind {other}") }),
    }
}

fn sent_error(error: StreamError) -> CallError {
    CallError::Closed { cause: error.to_string() }
}

/// The answering side. Once begun it runs to its end, whether or not the caller
/// still waits: a handler may be in the middle of a write.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    from: NodeId,
    send: SendStream,
    mut receiver: FrameReceiver,
) {
    let max = inner.config.limits.frame_bytes;
    let mut sender = FrameSender::new(send, max + 1);
    let request = tokio::select! {
        () = inner.stop.cancelled() => return,
        request = one_frame(&mut receiver, REQUEST_TIMEOUT) => request,
    };
    let Some(request) = request else {
        return;
    };
    receiver.take_end();
    let counted = inner.answers.token();
    let answer = if inner.draining.is_cancelled() {
        Bytes::from_static(&[CLOSING])
    } else {
        let body = tokio::select! {
            () = inner.stop.cancelled() => return,
            body = inner.handler.call(from, request) => body,
        };
        with_kind(body, max)
    };
    let sending = async {
        sender.send(answer).await?;
        sender.finish().await?;
        // Acknowledged, so that closing does not overtake the answer.
        sender.stopped().await;
        Ok::<(), StreamError>(())
    };
    let sent = tokio::select! {
        () = inner.stop.cancelled() => return,
        sent = sending => sent,
    };
    if let Err(error) = sent {
        tracing::debug!(peer = %from, %error, "answer not taken");
    }
    drop(counted);
}

fn with_kind(body: Bytes, max: usize) -> Bytes {
    if body.len() > max {
        return Bytes::from_static(&[ANSWER_TOO_LONG]);
    }
    let mut answer = BytesMut::with_capacity(1 + body.len());
    answer.extend_from_slice(&[ANSWERED]);
    answer.extend_from_slice(&body);
    answer.freeze()
}
