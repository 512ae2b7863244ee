//! Media of a site: SIP devices, RTP and the sounds that pages play. It decides
//! nothing about plans; it carries out what it is ordered and says what was
//! seen of it.

pub mod audio;
pub mod callout;
pub mod exchange;
pub mod page;
pub mod secret;
pub mod sip;
pub mod transcode;
pub mod voice;
pub mod wan;

pub use weir_signaling::paging::SpeakerState;
