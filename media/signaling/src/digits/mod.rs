//! Keys that a person presses during a call. A telephone tells them as events in
//! RTP (RFC 4733), as INFO requests, or only as tones in its sound, and often in
//! two of these ways at once: each is read here, and a [`Collector`] counts a key
//! once. Knows neither sockets nor codecs: sound comes as samples, time as
//! milliseconds.

mod collector;
pub mod event;
pub mod info;
#[cfg(test)]
mod tests;
pub mod tone;

pub use collector::{Collector, TOGETHER_MS};

/// How a key was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// An event in RTP (RFC 4733).
    Event,
    /// A SIP INFO request.
    Info,
    /// Two tones in the sound.
    Tone,
}

/// The sixteen keys in the order of their event codes (RFC 4733 §3.2).
const KEYS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The key of an event code; `None` for what no keypad has, a hook flash too.
pub fn key(code: u8) -> Option<char> {
    KEYS.get(usize::from(code)).copied()
}
