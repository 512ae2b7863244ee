//! The transport of the simulation: requests and pipes between nodes in memory,
//! with the delays and cuts of [`crate::links`]. What arrives is served in the
//! target's task group and dies with it. Like the real transport it says "not
//! sent" only of what surely was not acted upon, and a pipe keeps its order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use weir_consensus::net::{Lane, Pipe, SendError, Transport};
use weir_model::id::NodeId;

use crate::dice::digest;
use crate::invariants::Seen;
use crate::pipe::{self, Ends};
use crate::planted::Planted;
use crate::world::World;

/// How long opening waits when nothing gets through.
const CONNECT: Duration = Duration::from_secs(1);

/// A node's end of the bus.
#[derive(Clone)]
pub struct SimTransport {
    world: Arc<World>,
    node: NodeId,
    /// Which of the node's lives it belongs to.
    life: u64,
}

fn not_sent(reason: &str) -> SendError {
    SendError::NotSent { reason: reason.to_owned() }
}

fn unknown(reason: &str) -> SendError {
    SendError::Unknown { reason: reason.to_owned() }
}

impl SimTransport {
    pub fn new(world: Arc<World>, node: NodeId, life: u64) -> Self {
        Self { world, node, life }
    }

    /// Whether this end finds out at once that the other cannot be reached: a
    /// refused connection, or a link known to be down.
    fn is_refused(&self, to: NodeId) -> bool {
        let reachable = self.world.links.with(|links| links.is_open(self.node, to));
        let up = self.world.is_up(to);
        (!reachable || !up) && self.world.links.with(|links| links.dice().permille(500))
    }

    /// Carries one copy of a request there and its answer back.
    fn carry(&self, to: NodeId, request: Bytes, late: Duration, answer: oneshot::Sender<Bytes>) {
        let (world, from) = (self.world.clone(), self.node);
        let Some(delay) = world.links.with(|links| links.one_way(from, to)) else { return };
        let delay = delay + late;
        self.world.clone().spawn(async move {
            sleep(delay).await;
            if world.links.with(|links| links.is_cut(from, to)) {
                return;
            }
            let Some((target, group)) = world.running(to) else { return };
            world.note("deliver", [from.0, to.0, digest(&request)]);
            let serving = group
                .spawn(world.next_seed(), async move { target.serve_call(from, &request).await });
            // Cancelled when the target crashes: then there is no answer.
            let Ok(bytes) = serving.await else { return };
            world.saw_answer(to, &bytes);
            let Some(delay) = world.links.with(|links| links.one_way(to, from)) else { return };
            sleep(delay).await;
            if !world.links.with(|links| links.is_cut(to, from)) {
                // Whoever asked may have given up.
                let _ = answer.send(bytes);
            }
        });
    }
}

impl Transport for SimTransport {
    async fn call(
        &self,
        to: NodeId,
        _lane: Lane,
        request: Bytes,
        patience: Duration,
    ) -> Result<Bytes, SendError> {
        self.world.note("call", [self.node.0, to.0, digest(&request)]);
        if self.is_refused(to) {
            sleep(self.world.links.with(|links| links.delay(self.node, to)).min(patience)).await;
            return Err(not_sent("no connection"));
        }
        let (answer, answered) = oneshot::channel();
        if let Some(late) = self.world.links.with(|links| links.echo()) {
            let (nobody, _) = oneshot::channel();
            self.carry(to, request.clone(), late, nobody);
        }
        self.carry(to, request, Duration::ZERO, answer);
        let whole = async {
            match answered.await {
                Ok(bytes) => bytes,
                // Lost on the way; nobody says so.
                Err(_) => std::future::pending().await,
            }
        };
        match timeout(patience, whole).await {
            Ok(bytes) => Ok(bytes),
            Err(_) if self.world.planted == Some(Planted::TimeoutTakenForFailure) => {
                Err(not_sent("gave up waiting"))
            }
            Err(_) => Err(unknown("gave up waiting")),
        }
    }

    async fn open(
        &self,
        to: NodeId,
        _lane: Lane,
        first: Bytes,
        patience: Duration,
    ) -> Result<Pipe, SendError> {
        self.world.note("open", [self.node.0, to.0, digest(&first)]);
        let (world, from) = (self.world.clone(), self.node);
        if self.is_refused(to) {
            sleep(world.links.with(|links| links.delay(from, to)).min(patience)).await;
            return Err(not_sent("no connection"));
        }
        let give_up = Instant::now() + patience.min(CONNECT);
        while !world.links.with(|links| links.is_open(from, to)) || !world.is_up(to) {
            if Instant::now() >= give_up {
                return Err(not_sent("no connection in time"));
            }
            sleep(Duration::from_millis(50)).await;
        }
        let (here, there) = Pipe::pair();
        let ends = Ends { from: (from, self.life), to };
        self.world.clone().spawn(pipe::carry(world, ends, first, there));
        Ok(here)
    }

    fn is_satellite(&self, to: NodeId) -> bool {
        self.world.links.with(|links| links.satellites.contains(&to))
    }
}

impl World {
    /// Shows a node's answer to the invariants, as it leaves the node.
    fn saw_answer(&self, node: NodeId, bytes: &[u8]) {
        let Ok(answer) = weir_model::codec::decode(bytes) else { return };
        self.saw_durable(node, |durable| {
            self.saw(&Seen::Answers { node, answer: &answer, durable });
        });
    }
}
