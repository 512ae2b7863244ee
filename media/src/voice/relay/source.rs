//! Where the other end of a port really is. Behind a NAT a telephone does not
//! know its own address; so what it says of itself is only a beginning, and the
//! first believed packet shows the rest. Anybody can send to an open port: from
//! any other address nothing is taken.

use std::net::{IpAddr, SocketAddr};

/// Another believed source is taken when the present one was silent for so long.
const SILENT_MS: u64 = 2_000;

/// One port's other end.
#[derive(Debug, Default)]
pub(in crate::voice) struct Source {
    aimed: Option<SocketAddr>,
    also_from: Option<IpAddr>,
    /// Who has spoken, and when last.
    learned: Option<(SocketAddr, u64)>,
}

/// An address that only one host can have.
fn is_a_host(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast || address.port() == 0)
}

impl Source {
    /// What was learned stays when nothing about the address is new.
    pub(in crate::voice) fn aim(&mut self, aimed: Option<SocketAddr>, also_from: Option<IpAddr>) {
        if (self.aimed, self.also_from) != (aimed, also_from) {
            *self = Self { aimed, also_from, learned: None };
        }
    }

    /// Where packets go.
    pub(in crate::voice) fn to(&self) -> Option<SocketAddr> {
        self.learned.map(|(from, _)| from).or(self.aimed).filter(|to| is_a_host(*to))
    }

    pub(in crate::voice) fn believes(&self, from: SocketAddr, now_ms: u64) -> bool {
        match self.learned {
            Some((learned, _)) if learned == from => true,
            Some((_, heard_ms)) if now_ms.saturating_sub(heard_ms) < SILENT_MS => false,
            Some(_) | None => self.expects(from.ip()) && is_a_host(from),
        }
    }

    fn expects(&self, ip: IpAddr) -> bool {
        self.aimed.is_some_and(|aimed| aimed.ip() == ip)
            || (self.aimed.is_some() && self.also_from == Some(ip))
    }

    /// A sound packet came from where it is believed.
    pub(in crate::voice) fn learn(&mut self, from: SocketAddr, now_ms: u64) {
        self.learned = Some((from, now_ms));
    }
}
