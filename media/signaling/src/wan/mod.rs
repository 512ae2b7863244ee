//! Voice between sites: how the frames of all calls between two nodes share
//! datagrams, how much of them is sent twice, and when each is to be heard at the
//! other end. Knows neither codecs nor sockets nor a clock: sound is bytes whose
//! length in time is known, time comes as milliseconds. It refuses whatever does
//! not fit its own format, bundle by bundle.

mod delays;
mod format;
mod jitter;
mod keys;
mod packer;
mod protection;
#[cfg(test)]
mod tests;
mod unpacker;

pub use format::{
    Body, Broken, Codec, DATAGRAM_MAX, ENTRY_BYTES, Entry, Frame, HEAD_BYTES, Head, KIND, KeyPress,
    Report, SOUND_MAX, STEP_MS, VERSION, opus_steps, read,
};
pub use jitter::{Arrived, Jitter, JitterConfig, JitterCounters, Piece, Sounded};
pub use packer::{COPY_AFTER_MS, Copies, Packer, PackerConfig, PackerCounters};
pub use protection::Protection;
pub use unpacker::{Item, Press, REPORT_EVERY_MS, Unpacker, UnpackerCounters};
