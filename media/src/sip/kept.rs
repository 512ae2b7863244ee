//! Registrations as a node keeps them over restarts. Refuses to hold anything
//! that opens a door: a number, where it is reached, and until when.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What a device speaks over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// As a Via names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// One place where a number is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBinding {
    pub number: String,
    /// The device's Contact, as it wrote it.
    pub contact: String,
    pub transport: Transport,
    /// Where its packets really come from.
    pub address: SocketAddr,
    /// Whether a call can be sent now. Over TCP only while its connection stands.
    pub reachable: bool,
    pub q_permille: u16,
    /// The URIs of Path, topmost first (RFC 3327).
    pub path: Vec<String>,
    pub call_id: String,
    pub cseq: u32,
    /// Milliseconds since 1970, by this node's clock.
    pub refreshed_unix_ms: u64,
    pub expires_unix_ms: u64,
    /// Of the password it was made with, see [`super::Account`]; so that one from
    /// before a new password is not taken over. `None`: kept by a version that
    /// did not write it, and taken over.
    #[serde(default)]
    pub mark: Option<[u8; 4]>,
}
