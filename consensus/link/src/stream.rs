//! Long-lived framed streams. A receiver sees a clean end only when the sender
//! finished; a sender that was dropped, or lost, shows as an error, because a
//! truncated list must never pass for a whole one. Dropping a pending `send` or
//! `recv` loses nothing: the next one goes on where it stopped, so a dropped `send`
//! may still be sent.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};

use crate::error::StreamError;
use crate::frame::{self, FrameDecoder};
use crate::lane::InUse;

/// The stream was dropped before it was finished.
pub(crate) const RESET_ABANDONED: VarInt = VarInt::from_u32(0x5720);
/// What came on the stream is not what belongs there.
pub(crate) const RESET_MALFORMED: VarInt = VarInt::from_u32(0x5721);

/// Largest piece taken from the connection at a time, so that memory follows
/// the flow-control window.
const PIECE_BYTES: usize = 64 * 1024;

/// Frames in both directions.
#[derive(Debug)]
pub struct FrameStream {
    sender: FrameSender,
    receiver: FrameReceiver,
}

impl FrameStream {
    /// The connection counts as used as long as either half lives.
    pub(crate) fn new(mut sender: FrameSender, mut receiver: FrameReceiver, in_use: InUse) -> Self {
        let in_use = Arc::new(in_use);
        sender.in_use = Some(in_use.clone());
        receiver.in_use = Some(in_use);
        Self { sender, receiver }
    }

    pub fn split(self) -> (FrameSender, FrameReceiver) {
        (self.sender, self.receiver)
    }

    /// As [`FrameSender::send`].
    ///
    /// # Errors
    /// See there.
    pub async fn send(&mut self, body: Bytes) -> Result<(), StreamError> {
        self.sender.send(body).await
    }

    /// As [`FrameReceiver::recv`].
    ///
    /// # Errors
    /// See there.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.receiver.recv().await
    }

    /// As [`FrameSender::finish`].
    ///
    /// # Errors
    /// See there.
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        self.sender.finish().await
    }
}

/// The sending half.
#[derive(Debug)]
pub struct FrameSender {
    stream: SendStream,
    max: usize,
    /// What a dropped `send` left behind; goes first.
    unsent: Vec<Bytes>,
    ended: bool,
    in_use: Option<Arc<InUse>>,
}

impl FrameSender {
    pub(crate) fn new(stream: SendStream, max: usize) -> Self {
        Self { stream, max, unsent: Vec::new(), ended: false, in_use: None }
    }

    /// Waits while the peer's window is full, so the peer bounds what it holds.
    ///
    /// # Errors
    /// When the frame is too long, the peer stopped reading or is gone.
    pub async fn send(&mut self, body: Bytes) -> Result<(), StreamError> {
        if self.ended {
            return Err(StreamError::Finished);
        }
        let header = frame::header(body.len(), self.max)?;
        self.flush().await?;
        self.unsent.extend([header, body]);
        self.flush().await
    }

    /// The receiver will see a clean end after the last frame.
    ///
    /// # Errors
    /// When the peer stopped reading or is gone.
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        if self.ended {
            return Err(StreamError::Finished);
        }
        self.flush().await?;
        self.ended = true;
        self.stream.finish().map_err(|_| StreamError::Finished)
    }

    /// Gives up; the receiver sees [`StreamError::Reset`].
    pub fn reset(mut self) {
        self.abandon();
    }

    /// Resolves when the peer no longer reads or the connection is gone.
    pub async fn stopped(&mut self) {
        let stopped = self.stream.stopped();
        // Either way there is nobody to send to; which it was, a send will say.
        drop(stopped.await);
    }

    pub(crate) fn write_first(&mut self, preface: Bytes) {
        self.unsent.push(preface);
    }

    async fn flush(&mut self) -> Result<(), StreamError> {
        loop {
            self.unsent.retain(|piece| !piece.is_empty());
            if self.unsent.is_empty() {
                return Ok(());
            }
            let written = self.stream.write_chunks(&mut self.unsent).await.map_err(write_error)?;
            self.unsent.drain(..written.chunks);
        }
    }

    fn abandon(&mut self) {
        if !self.ended {
            self.ended = true;
            // Fails only where the stream is over already.
            self.stream.reset(RESET_ABANDONED).ok();
        }
    }
}

/// quinn finishes a dropped stream, which would pass half a list for a whole one.
impl Drop for FrameSender {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: RecvStream,
    decoder: FrameDecoder,
    in_use: Option<Arc<InUse>>,
}

impl FrameReceiver {
    pub(crate) fn new(stream: RecvStream, max: usize) -> Self {
        Self { stream, decoder: FrameDecoder::new(max), in_use: None }
    }

    /// Takes the end of the stream where it has arrived, so that letting go of
    /// the stream need not ask the peer to stop: a packet saved for each call.
    pub(crate) fn take_end(&mut self) {
        drop(self.recv().now_or_never());
    }

    pub(crate) fn stop(&mut self, code: VarInt) {
        // Fails only where the stream is over already.
        self.stream.stop(code).ok();
    }

    /// The next frame; `None` when the sender finished.
    ///
    /// # Errors
    /// When the stream ended in any other way.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, StreamError> {
        loop {
            match self.decoder.next() {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => {
                    self.stop(RESET_MALFORMED);
                    return Err(error);
                }
            }
            match self.stream.read_chunk(PIECE_BYTES, true).await.map_err(read_error)? {
                Some(piece) => self.decoder.push(&piece.bytes),
                None if self.decoder.is_empty() => return Ok(None),
                None => return Err(StreamError::Truncated),
            }
        }
    }
}

pub(crate) fn write_error(error: WriteError) -> StreamError {
    match error {
        WriteError::Stopped(_) => StreamError::Stopped,
        WriteError::ConnectionLost(cause) => StreamError::Lost { cause: cause.to_string() },
        WriteError::ClosedStream | WriteError::ZeroRttRejected => StreamError::Finished,
    }
}

pub(crate) fn read_error(error: ReadError) -> StreamError {
    match error {
        ReadError::Reset(_) => StreamError::Reset,
        ReadError::ConnectionLost(cause) => StreamError::Lost { cause: cause.to_string() },
        ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
            StreamError::Finished
        }
    }
}
