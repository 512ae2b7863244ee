//! Replication as a pipeline: requests go down a pipe without waiting for each
//! other's answers, so that a 600 ms path carries more than one batch a round
//! trip. A pipe that answers nothing for too long is an error; openraft opens
//! another.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::time::Instant;
use weir_model::codec;

use super::Pipe;
use super::message::{StreamAnswer, append_of, pack};
use crate::types::{Runtime, Types};

/// Most requests under way: 8 of 32 KiB fill a 2 Mbit/s satellite path.
const WINDOW: usize = 8;

pub(super) type Answers<'s, R> =
    BoxStream<'s, Result<StreamAppendResult<Types<R>>, RPCError<Types<R>>>>;

struct Pipeline<S> {
    pipe: Pipe,
    /// `None` once openraft has no more to send.
    input: Option<S>,
    under_way: usize,
    patience: Duration,
    deadline: Instant,
}

enum Next<R: Runtime> {
    Sent,
    Answer(StreamAppendResult<Types<R>>),
    Finished,
    Broken(RPCError<Types<R>>),
}

pub(super) fn network<R: Runtime>(
    error: impl std::error::Error + Send + Sync + 'static,
) -> RPCError<Types<R>> {
    RPCError::Network(NetworkError::new(&error))
}

/// Why a pipeline ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the peer closed the replication pipe")]
    Closed,
    #[error("no replication answer within {0:?}")]
    Silent(Duration),
}

/// Sends `input` down the pipe and yields the answers, in order. The stream
/// ends after an answer that is a refusal, because what follows is void.
pub(super) fn pipeline<'s, R, S>(pipe: Pipe, input: S, patience: Duration) -> Answers<'s, R>
where
    R: Runtime,
    S: Stream<Item = AppendEntriesRequest<Types<R>>> + OptionalSend + Unpin + 'static,
{
    let deadline = Instant::now() + patience;
    let pipeline = Pipeline { pipe, input: Some(input), under_way: 0, patience, deadline };
    unfold(Some(pipeline), async |state| {
        let mut pipeline = state?;
        loop {
            match pipeline.next::<R>().await {
                Next::Sent => {}
                Next::Answer(Ok(at)) => return Some((Ok(Ok(at)), Some(pipeline))),
                Next::Answer(Err(refusal)) => return Some((Ok(Err(refusal)), None)),
                Next::Finished => return None,
                Next::Broken(error) => return Some((Err(error), None)),
            }
        }
    })
    .boxed()
}

impl<S> Pipeline<S> {
    async fn next<R>(&mut self) -> Next<R>
    where
        R: Runtime,
        S: Stream<Item = AppendEntriesRequest<Types<R>>> + Unpin,
    {
        let ended = self.input.is_none();
        if ended && self.under_way == 0 {
            return Next::Finished;
        }
        let wants_more = self.under_way < WINDOW;
        let input = &mut self.input;
        let request = async {
            match input {
                Some(input) if wants_more => input.next().await,
                Some(_) => std::future::pending().await,
                None => None,
            }
        };
        tokio::select! {
            biased;
            answer = self.pipe.incoming.recv() => self.answered(answer),
            () = tokio::time::sleep_until(self.deadline), if self.under_way > 0 => {
                Next::Broken(network(Broken::Silent(self.patience)))
            }
            request = request, if !ended => match request {
                None => {
                    self.input = None;
                    Next::Sent
                }
                Some(request) => self.send::<R>(request).await,
            },
        }
    }

    fn answered<R: Runtime>(&mut self, frame: Option<Bytes>) -> Next<R> {
        let Some(frame) = frame else {
            return Next::Broken(network(Broken::Closed));
        };
        match codec::decode::<StreamAnswer>(&frame) {
            Ok(answer) => {
                self.under_way = self.under_way.saturating_sub(1);
                self.deadline = Instant::now() + self.patience;
                Next::Answer(answer.result())
            }
            Err(error) => Next::Broken(network(error)),
        }
    }

    async fn send<R: Runtime>(&mut self, request: AppendEntriesRequest<Types<R>>) -> Next<R> {
        let frame = match pack(&append_of(request)) {
            Ok(frame) => frame,
            Err(error) => return Next::Broken(network(error)),
        };
        if self.under_way == 0 {
            self.deadline = Instant::now() + self.patience;
        }
        match tokio::time::timeout_at(self.deadline, self.pipe.outgoing.send(frame)).await {
            Ok(Ok(())) => {
                self.under_way += 1;
                Next::Sent
            }
            Ok(Err(_)) => Next::Broken(network(Broken::Closed)),
            Err(_) => Next::Broken(network(Broken::Silent(self.patience))),
        }
    }
}
