//! What other nodes send us, handed to whom it concerns.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio_util::task::TaskTracker;
use weir_consensus::net::QuicTransport;
use weir_consensus::site::{ShipOpening, SiteRequest};
use weir_link::{Class, FrameStream, Handler, JoinAnswer, JoinRequest};
use weir_model::codec::Stored;
use weir_model::id::NodeId;

use crate::node::Node;
use crate::staging::{self, SoundRequest};

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// The link starts before the node is whole; until then nothing is answered,
/// and the peer asks again.
pub(crate) struct Inbound {
    node: Arc<OnceLock<Arc<Node>>>,
    pumps: TaskTracker,
}

impl Inbound {
    pub(crate) fn new(pumps: TaskTracker) -> Self {
        Self { node: Arc::default(), pumps }
    }

    pub(crate) fn serve(&self, node: Arc<Node>) {
        let _ = self.node.set(node);
    }
}

impl Handler for Inbound {
    fn call(&self, from: NodeId, body: Bytes) -> BoxFuture<Bytes> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            match node {
                Some(node) if body.first() == Some(&SiteRequest::KIND) => {
                    node.gate.serve_call(&body).await
                }
                Some(node) if body.first() == Some(&SoundRequest::KIND) => {
                    staging::answer(&node.sounds.library, &body).await
                }
                Some(node) => node.consensus.serve_call(from, &body).await,
                None => Bytes::new(),
            }
        })
    }

    fn open(&self, from: NodeId, mut stream: FrameStream) -> BoxFuture<()> {
        let (node, pumps) = (self.node.get().cloned(), self.pumps.clone());
        Box::pin(async move {
            let Some(node) = node else { return };
            // The first frame says what the stream is for.
            if let Ok(Some(first)) = stream.recv().await {
                let pipe = QuicTransport::pipe(&pumps, stream);
                if first.first() == Some(&ShipOpening::KIND) {
                    node.gate.serve_pipe(from, pipe).await;
                } else {
                    node.consensus.serve_pipe(from, &first, pipe).await;
                }
            }
        })
    }

    /// Nothing here hears them yet.
    fn datagram(&self, _from: NodeId, _class: Class, _body: Bytes) {}

    fn join(&self, request: JoinRequest) -> BoxFuture<Result<JoinAnswer, String>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            let Some(node) = node else {
                return Err("节点正在启动，请稍后重试 / starting, try again shortly".into());
            };
            let body = node.joining().answer(&request.body).await?;
            Ok(JoinAnswer { body })
        })
    }
}
