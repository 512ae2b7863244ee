//! A call's leg to another site, pure: what the two ends tell each other, how it
//! survives a stream that is lost, and what each end says to its own bridge.
//! Between sites goes no SDP, only what must be known of the sound; each end
//! speaks SDP with its own bridge, as one more telephone. It refuses to let a
//! word count twice, to say that a call is over when the other end may not know
//! and can still be told, and to wait for a lost stream without an end.

mod far;
mod media;
mod message;
mod order;
mod road;
mod talk;
#[cfg(test)]
mod tests;
mod words;

pub use far::{Dialling, Far};
pub use media::{End, Path, Telephone};
pub use message::{
    CODECS_MAX, CallKey, Closing, INFO_MAX_BYTES, MESSAGE_MAX_BYTES, Media, Message, MessageError,
    NUMBER_MAX_BYTES, Said, Setup, TEXT_MAX_BYTES, Word, short,
};
pub use order::{Deed, Event, Input, Output};
pub use talk::UNHEARD_MAX;

/// Without a stream for so long a call that rings is over, and one that is
/// talked.
pub const RINGS_WITHOUT_MS: u64 = 10_000;
pub const TALKS_WITHOUT_MS: u64 = 30_000;
