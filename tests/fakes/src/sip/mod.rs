//! SIP and RTP from the side of a device: an account, messages, one call's media.
//! SIP is read by another library than the node's, everything else is written
//! here. It refuses to answer by itself: devices do.

pub mod dice;
pub mod digest;
pub mod g711;
pub mod media;
pub mod message;
pub mod recorder;
pub mod registration;
pub mod rtp;
pub mod sdp;
pub mod transaction;
pub mod wire;
