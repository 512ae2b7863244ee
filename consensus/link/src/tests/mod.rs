//! Stories with real sockets on loopback. What they share is here: a cluster's
//! CA, nodes that answer, and waiting for a condition with a time limit.

mod calls;
mod cuts;
mod datagrams;
mod ends;
mod joining;
mod strangers;
mod streams;
mod uplinks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use weir_model::id::{ClusterId, Hash, NodeId, NodeName, SiteId, WallMs};

use crate::{
    Admit, Ca, CallError, Class, Denied, FrameStream, Handler, Identity, IdentityParts, JoinAnswer,
    JoinRequest, Link, LinkConfig, PeerAddress, SecretKey, Urgency,
};

pub(super) const N1: NodeId = NodeId(1);
pub(super) const N2: NodeId = NodeId(2);
pub(super) const N3: NodeId = NodeId(3);
pub(super) const SOON: Duration = Duration::from_secs(10);
pub(super) const CLUSTER: ClusterId = ClusterId([0xc1; 16]);

pub(super) fn now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    WallMs(u64::try_from(since.as_millis()).unwrap())
}

pub(super) fn ca() -> Ca {
    Ca::create(CLUSTER, now()).unwrap()
}

pub(super) fn parts(ca: &Ca, node: NodeId) -> IdentityParts {
    parts_at(ca, node, now())
}

pub(super) fn parts_at(ca: &Ca, node: NodeId, issued: WallMs) -> IdentityParts {
    let key = SecretKey::generate().unwrap();
    let name = NodeName::new(format!("node-{}", node.0)).unwrap();
    let site = SiteId::new("R3").unwrap();
    let spki = key.public().to_spki_der();
    let certificate_der = ca.issue(node, &name, &site, &spki, issued).unwrap();
    let (cluster, ca_der) = (ca.cluster(), ca.certificate_der().to_vec());
    IdentityParts { node, name, site, cluster, certificate_der, ca_der, key }
}

pub(super) fn identity(ca: &Ca, node: NodeId) -> Arc<Identity> {
    Arc::new(Identity::new(parts(ca, node)).unwrap())
}

/// Everyone is a member but those named.
#[derive(Default)]
pub(super) struct Members {
    denied: Mutex<BTreeMap<NodeId, Denied>>,
}

impl Members {
    pub(super) fn deny(&self, node: NodeId, why: Denied) {
        self.denied.lock().unwrap().insert(node, why);
    }
}

impl Admit for Members {
    fn admit(&self, node: NodeId, _leaf_fingerprint: Hash) -> Result<(), Denied> {
        self.denied.lock().unwrap().get(&node).map_or(Ok(()), |why| Err(*why))
    }
}

/// Answers a call with "caller: body", sends every frame back, and lets join who
/// asks nicely. `never` is not answered.
#[derive(Default)]
pub(super) struct Echo {
    pub(super) calls: Arc<AtomicUsize>,
    pub(super) open_streams: Arc<AtomicUsize>,
    heard: Mutex<Vec<Heard>>,
}

/// A datagram and when it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) from: NodeId,
    pub(super) class: Class,
    pub(super) body: Bytes,
    pub(super) at: std::time::Instant,
}

impl Echo {
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Echo {
    fn call(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if body == "never" {
                std::future::pending::<()>().await;
            }
            Bytes::from([format!("{from}: ").as_bytes(), &body].concat())
        })
    }

    fn open(&self, _from: NodeId, mut stream: FrameStream) -> BoxFuture<'static, ()> {
        let counted = Counted::new(&self.open_streams);
        Box::pin(async move {
            while let Ok(Some(frame)) = stream.recv().await {
                if frame == "drop it" {
                    return;
                }
                if stream.send(frame).await.is_err() {
                    return;
                }
            }
            stream.finish().await.ok();
            drop(counted);
        })
    }

    fn datagram(&self, from: NodeId, class: Class, body: Bytes) {
        self.heard.lock().unwrap().push(Heard { from, class, body, at: std::time::Instant::now() });
    }

    fn join(&self, request: JoinRequest) -> BoxFuture<'static, Result<JoinAnswer, String>> {
        Box::pin(async move {
            if request.body == "please" {
                Ok(JoinAnswer { body: Bytes::from_static(b"welcome") })
            } else {
                Err("the token was used; create a new one".into())
            }
        })
    }
}

/// A node that runs, with what a test may want to look at.
pub(super) struct Node {
    pub(super) link: Link,
    pub(super) members: Arc<Members>,
    pub(super) echo: Arc<Echo>,
}

pub(super) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(super) fn start(identity: Arc<Identity>) -> Node {
    start_with(LinkConfig::new(identity, anywhere()))
}

pub(super) fn start_with(config: LinkConfig) -> Node {
    let (members, echo) = (Arc::new(Members::default()), Arc::new(Echo::default()));
    let link = Link::bind(config, members.clone(), echo.clone()).unwrap();
    Node { link, members, echo }
}

impl Node {
    pub(super) fn id(&self) -> NodeId {
        self.link.identity().node()
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.link.local_addr().unwrap()
    }

    /// This node believes `node` to be at `addr`, and knows nobody else.
    pub(super) fn knows(&self, id: NodeId, addr: SocketAddr) {
        let address = PeerAddress { id, addrs: vec![addr], satellite: None };
        self.link.set_peers(vec![address]).unwrap();
    }

    pub(super) fn connections(&self) -> usize {
        self.link.peers().iter().map(|peer| peer.connections).sum()
    }

    pub(super) fn retire_spares_now(&self) {
        let later = std::time::Instant::now() + Duration::from_secs(60);
        self.link.retire_spares(later);
    }

    pub(super) async fn say(&self, to: NodeId, body: &'static str) -> Result<Bytes, CallError> {
        self.say_within(to, body, SOON).await
    }

    pub(super) async fn say_within(
        &self,
        to: NodeId,
        body: &'static str,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let body = Bytes::from_static(body.as_bytes());
        self.link.call(to, Class::Control, Urgency::Control, body, timeout).await
    }
}

/// Two nodes of one cluster that know each other.
pub(super) fn two() -> (Node, Node) {
    let ca = ca();
    let (one, two) = (start(identity(&ca, N1)), start(identity(&ca, N2)));
    one.knows(two.id(), two.addr());
    two.knows(one.id(), one.addr());
    (one, two)
}

/// Looks until it is so; fails after [`SOON`].
pub(super) async fn until<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        while !condition().await {
            every.tick().await;
        }
    };
    let limit = tokio::time::timeout(SOON, waiting).await;
    assert!(limit.is_ok(), "not within {SOON:?}: {what}");
}
