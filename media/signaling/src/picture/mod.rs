//! How a picture crosses a thin, lossy link: frames become blocks of symbols that
//! survive the loss of some (RaptorQ, RFC 6330), blocks are bounded in time, and
//! what the link can carry chooses the rung of the picture. Knows neither cameras
//! nor sockets nor a clock. It refuses to send more than it was given, to pass on
//! what cannot be decoded, and to hold the picture up for what is lost for good.

mod format;
mod ladder;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use format::{
    Broken, DATAGRAM_MAX, HEAD_BYTES, KIND, Piece, Report, SYMBOL_BYTES_MAX, Symbol, VERSION, read,
};
pub use ladder::{Ladder, Rung};
pub use receiver::{Receiver, ReceiverConfig, ReceiverCounters};
pub use sender::{Sender, SenderConfig, SenderCounters};

/// What one piece of a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// Decodes by itself, and what follows builds on it.
    Key,
    /// Builds on what came before.
    Delta,
    /// A whole picture (JPEG).
    Still,
}

/// One access unit of H.264, or one still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub kind: UnitKind,
    /// When it was taken, in milliseconds of the camera site's own clock; wraps.
    pub at_ms: u32,
    pub bytes: Vec<u8>,
}

/// Longest unit; a longer one is not sent.
pub const UNIT_MAX: usize = 400_000;
