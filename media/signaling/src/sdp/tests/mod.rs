//! What telephones say, and what is said on.

mod answering;
pub(crate) mod phones;
mod random;
mod reading;
mod writing;

use core::net::SocketAddr;

use super::*;

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Payload types in order.
pub(super) fn numbers(audio: &Audio) -> Vec<u8> {
    audio.formats.iter().map(|format| format.payload_type).collect()
}

pub(super) fn kinds(audio: &Audio) -> Vec<Kind> {
    audio.formats.iter().map(|format| format.kind).collect()
}

pub(super) fn audio(text: &str) -> Audio {
    read(text).unwrap().audio
}
