//! Stories of pictures between nodes, in seeded virtual time: directors joined by
//! roads that delay and lose, cameras that are made of numbers. A few run the
//! real threads, and one a real camera.

mod dishes;
mod hostile;
mod links;
mod running;
mod watching;
mod world;

use weir_model::id::{CameraId, NodeId, SiteId};

/// The reservoir's node, which drives the camera and stands behind a dish; two
/// centres with a wire between them; another site behind a dish of its own.
const DAM: NodeId = NodeId(1);
const CENTRE: NodeId = NodeId(2);
const OFFICE: NodeId = NodeId(3);
const VALLEY: NodeId = NodeId(4);

fn site(name: &str) -> SiteId {
    SiteId::new(name).unwrap()
}

fn gates() -> CameraId {
    CameraId::new("gates").unwrap()
}
