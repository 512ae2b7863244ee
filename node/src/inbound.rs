//! What other nodes send us, handed to whom it concerns.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio_util::task::TaskTracker;
use weir_consensus::net::{Pipe, QuicTransport};
use weir_consensus::site::{ShipOpening, SiteRequest};
use weir_link::{Class, FrameStream, Handler, JoinAnswer, JoinRequest};
use weir_media::between::{Message, Wire};
use weir_media::conference;
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

/// A conference's word from the node of a site; only members are let in.
async fn confer(node: &Node, from: NodeId, body: Bytes) -> Bytes {
    match (&node.telephony, node.sites.site_of(from)) {
        (Some(telephony), Some(site)) => telephony.conferences.asked(from, site, body).await,
        (None, _) | (_, None) => Bytes::new(),
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
                Some(node) if body.first() == Some(&conference::REQUEST_KIND) => {
                    confer(&node, from, body).await
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
                if first.first() == Some(&Message::KIND) {
                    if let Some(telephony) = &node.telephony {
                        let Pipe { outgoing, incoming } = pipe;
                        telephony.between.arrived(from, first, Wire { outgoing, incoming });
                    }
                } else if first.first() == Some(&ShipOpening::KIND) {
                    node.gate.serve_pipe(from, pipe).await;
                } else {
                    node.consensus.serve_pipe(from, &first, pipe).await;
                }
            }
        })
    }

    /// Nothing here hears them yet.
    fn datagram(&self, from: NodeId, class: Class, body: Bytes) {
        let telephony = self.node.get().and_then(|node| node.telephony.as_ref());
        match class {
            Class::Voice => {
                if let Some(telephony) = telephony {
                    telephony.trunks.received(from, body);
                }
            }
            Class::Video | Class::Control | Class::Bulk => {}
        }
    }

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
