//! Media of a site: SIP devices, RTP and the sounds that pages play. It decides
//! nothing about plans; it carries out what it is ordered and says what was
//! seen of it.

pub mod audio;
pub mod between;
pub mod callout;
pub mod camera;
pub mod conference;
pub mod exchange;
pub mod page;
pub mod secret;
pub mod sip;
pub mod transcode;
pub mod trunk;
pub mod video;
pub mod voice;
pub mod wan;
pub mod webrtc;

pub use weir_signaling::paging::SpeakerState;
