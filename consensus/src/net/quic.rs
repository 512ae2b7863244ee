//! The real transport: `weir_link`'s connections. Control traffic and snapshots
//! go over connections of their own, so that neither waits for the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::TaskTracker;
use weir_link::{CallError, Class, FrameStream, Link, Urgency};
use weir_model::id::NodeId;

use super::{Lane, Pipe, SendError, Transport};

/// See the module. Clones share the link.
#[derive(Clone)]
pub struct QuicTransport {
    link: Link,
    pumps: TaskTracker,
    is_satellite: Arc<dyn Fn(NodeId) -> bool + Send + Sync>,
}

fn class(lane: Lane) -> (Class, Urgency) {
    match lane {
        Lane::Control => (Class::Control, Urgency::Control),
        Lane::Bulk => (Class::Bulk, Urgency::Bulk),
    }
}

fn send_error(error: CallError) -> SendError {
    let reason = error.to_string();
    if error.surely_not_processed() {
        SendError::NotSent { reason }
    } else {
        SendError::Unknown { reason }
    }
}

impl QuicTransport {
    /// The pumps between streams and pipes are tracked in `pumps`; they end
    /// with their stream.
    pub fn new(
        link: Link,
        pumps: TaskTracker,
        is_satellite: Arc<dyn Fn(NodeId) -> bool + Send + Sync>,
    ) -> Self {
        Self { link, pumps, is_satellite }
    }

    /// A pipe over a stream, whichever side opened it.
    pub fn pipe(pumps: &TaskTracker, stream: FrameStream) -> Pipe {
        let (here, there) = Pipe::pair();
        let (mut sender, mut receiver) = stream.split();
        let Pipe { outgoing, mut incoming } = there;
        pumps.spawn(async move {
            while let Some(frame) = incoming.recv().await {
                if sender.send(frame).await.is_err() {
                    return;
                }
            }
            // The peer may have gone first; then there is nothing to finish.
            let _ = sender.finish().await;
        });
        pumps.spawn(async move {
            loop {
                // Whoever held the pipe may drop it while nothing arrives.
                let frame = tokio::select! {
                    frame = receiver.recv() => frame,
                    () = outgoing.closed() => return,
                };
                let Ok(Some(frame)) = frame else { return };
                if outgoing.send(frame).await.is_err() {
                    return;
                }
            }
        });
        here
    }
}

impl Transport for QuicTransport {
    async fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, SendError> {
        let (class, urgency) = class(lane);
        self.link.call(to, class, urgency, request, timeout).await.map_err(send_error)
    }

    async fn open(
        &self,
        to: NodeId,
        lane: Lane,
        first: Bytes,
        timeout: Duration,
    ) -> Result<Pipe, SendError> {
        let (class, urgency) = class(lane);
        let opened = self.link.open(to, class, urgency, first, timeout).await;
        Ok(Self::pipe(&self.pumps, opened.map_err(send_error)?))
    }

    fn is_satellite(&self, to: NodeId) -> bool {
        (self.is_satellite)(to)
    }
}
