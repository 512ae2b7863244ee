//! QUIC between the nodes of a cluster: who they are, how they are reached, what
//! goes first. The only crate that names quinn, rustls and rcgen. It carries
//! opaque bytes and refuses to know what they mean, to resend anything by
//! itself, and to call an unanswered message failed.

mod bind;
mod ca;
mod call;
mod chinese;
mod class;
mod config;
mod datagram;
mod dial;
mod error;
mod folder;
mod frame;
mod hello;
mod identity;
mod join;
mod key;
mod lane;
mod link;
mod names;
mod peer;
mod rate;
mod refusal;
mod serve;
mod shaped;
mod shaper;
mod socket;
mod status;
mod stream;
mod tls;
mod token;
mod transport;
#[doc(hidden)]
pub mod trial;
mod uplink;

#[cfg(test)]
mod tests;

pub use ca::{Ca, CaError};
pub use class::{Class, Urgency};
pub use config::{
    ClassSettings, DSCP_AF41, DSCP_CS1, DSCP_CS6, DSCP_EF, FRAME_MAX_BYTES, Limits, LinkConfig,
    PeerAddress, Satellite,
};
pub use datagram::DATAGRAM_MAX_BYTES;
pub use error::{BindError, CallError, DatagramError, JoinError, StreamError, Unreachable};
pub use folder::FolderError;
pub use identity::{Identity, IdentityError, IdentityParts};
pub use join::join;
pub use key::{KeyError, PublicKey, SecretKey, SignatureError, fingerprint, verify};
pub use link::{Handler, JoinAnswer, JoinRequest, Link};
pub use refusal::{Admit, Denied, Refusal};
pub use shaper::{DirectionCounts, DirectionParams, ShaperControl, ShaperCounts, ShaperParams};
pub use status::{DatagramTraffic, PeerStatus, Traffic};
pub use stream::{FrameReceiver, FrameSender, FrameStream};
pub use token::{TOKEN_ADDRESSES_MAX, Token, TokenError};
pub use uplink::{Admission, Kind, NotAdmitted, PathState};
