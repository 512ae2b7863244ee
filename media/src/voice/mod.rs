//! Sound on the wire: G.711, RTP and RTCP (RFC 3550), the little of SDP that a
//! page needs, and the player that sends clips in time. It calls nobody: who is
//! called, and what is played, is decided elsewhere.

mod ear;
mod format;
pub mod g711;
pub mod mixer;
mod player;
mod ports;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
#[cfg(test)]
mod tests;
mod track;

pub use format::{FRAME_MS, Format};
pub use player::{Heard, Player, PlayerCounters, PlayerFull, Sounding, Stream};
pub use ports::{PortPair, Ports, PortsError};
pub use track::First;
