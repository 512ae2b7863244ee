//! What the director asks of the node around it, each time anew: the directory
//! and the links change while pictures flow.

use std::sync::Arc;

use weir_model::id::{CameraId, NodeId, SiteId};

use super::out::CameraSource;

pub type CameraOf = Arc<dyn Fn(&CameraId) -> Option<CameraSource> + Send + Sync>;
pub type PeerOf = Arc<dyn Fn(&SiteId) -> Option<NodeId> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Around {
    /// Our own.
    pub(super) site: SiteId,
    pub(super) cameras: CameraOf,
    pub(super) peer_of: PeerOf,
    pub(super) budget: Arc<dyn Fn(NodeId) -> u64 + Send + Sync>,
    pub(super) dish: Arc<dyn Fn(NodeId) -> Option<SiteId> + Send + Sync>,
}
