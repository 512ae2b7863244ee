//! What the NOC sees, from plain numbers that the node passes in. It refuses to
//! know where they come from: no crate of ours is named here.

mod media;
mod metrics;

pub use media::{BetweenReading, Counted, MediaReading, SoundsReading};
pub use metrics::{CONTENT_TYPE, PeerReading, Reading, render};
