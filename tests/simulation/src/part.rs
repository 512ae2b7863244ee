//! What a node runs: its part in the cluster, or its site's part that needs no
//! quorum. Each is simulated by itself, because neither may hang on the other.

use std::sync::Arc;

use bytes::Bytes;
use weir_consensus::net::Pipe;
use weir_consensus::{Consensus, Settings, WallClock};
use weir_model::id::NodeId;

use crate::bus::SimTransport;
use crate::disk::SimDisk;
use crate::runtime::{Group, SimRuntime};
use crate::sites::{Fixture, SimSite};
use crate::world::World;

/// What ships, on the simulation's runtime, disk and transport.
pub type SimConsensus = Consensus<SimRuntime, SimDisk, SimTransport>;

/// What every node of a run takes part in.
#[derive(Clone)]
pub enum Layer {
    Cluster,
    Sites(Arc<Fixture>),
}

/// What a node stands on in one of its lives.
pub struct Ground {
    pub world: Arc<World>,
    pub node: NodeId,
    pub disk: SimDisk,
    pub transport: SimTransport,
    pub wall: WallClock,
}

/// See the module.
#[derive(Clone)]
pub enum Part {
    Cluster(SimConsensus),
    Site(Arc<SimSite>),
}

impl Layer {
    /// Takes a node's part up where its disk left off.
    ///
    /// # Errors
    /// When what the disk holds cannot be read.
    pub async fn start(&self, ground: Ground) -> anyhow::Result<Part> {
        match self {
            Self::Cluster => {
                let Ground { world, node, disk, transport, wall } = ground;
                let settings = Settings { node, profile: world.profile(), wall };
                Ok(Part::Cluster(Consensus::start(settings, disk, transport).await?))
            }
            Self::Sites(fixture) => {
                Ok(Part::Site(Arc::new(SimSite::start(fixture, ground).await?)))
            }
        }
    }
}

impl Part {
    pub fn consensus(&self) -> Option<&SimConsensus> {
        match self {
            Self::Cluster(consensus) => Some(consensus),
            Self::Site(_) => None,
        }
    }

    pub async fn serve_call(&self, from: NodeId, request: &[u8]) -> Bytes {
        match self {
            Self::Cluster(consensus) => consensus.serve_call(from, request).await,
            Self::Site(site) => site.gate.serve_call(request).await,
        }
    }

    pub async fn serve_pipe(&self, from: NodeId, first: &[u8], pipe: Pipe) {
        match self {
            Self::Cluster(consensus) => consensus.serve_pipe(from, first, pipe).await,
            Self::Site(site) => site.gate.serve_pipe(from, pipe).await,
        }
    }
}

impl World {
    /// A node's part in the cluster, and its tasks.
    pub fn consensus(&self, node: NodeId) -> Option<(SimConsensus, Group)> {
        match self.running(node)? {
            (Part::Cluster(consensus), group) => Some((consensus, group)),
            (Part::Site(_), _) => None,
        }
    }

    /// A node's part in its site, and its tasks.
    pub fn site(&self, node: NodeId) -> Option<(Arc<SimSite>, Group)> {
        match self.running(node)? {
            (Part::Site(site), group) => Some((site, group)),
            (Part::Cluster(_), _) => None,
        }
    }
}
