//! Free ports on the loopback address, below the range the system itself gives
//! out, so that nobody takes one between choosing and using it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result};

const FIRST: u16 = 15_000;
const LAST: u16 = 31_000;
/// UDP for the link, one for each class of traffic.
const LINK: u16 = 4;
/// TCP.
const METRICS: u16 = LINK;
/// UDP and TCP.
const SIP: u16 = METRICS + 1;
/// TCP, for browsers.
const HTTPS: u16 = SIP + 1;
const RUN: u16 = HTTPS + 1;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Where one node listens.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// UDP; the next three above it are the node's too.
    pub listen: SocketAddr,
    /// TCP.
    pub metrics: SocketAddr,
    /// UDP and TCP.
    pub sip: SocketAddr,
    /// TCP.
    pub https: SocketAddr,
}

/// # Errors
/// When this machine has no free run of ports left.
pub fn free() -> Result<Ports> {
    let runs = (LAST - FIRST) / RUN;
    // Processes of one test run begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(runs)).unwrap_or(0);
    for _ in 0..runs {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = FIRST + ((start + step) % runs) * RUN;
        if is_free(base) {
            let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            return Ok(Ports {
                listen: at(base),
                metrics: at(base + METRICS),
                sip: at(base + SIP),
                https: at(base + HTTPS),
            });
        }
    }
    None.context("no free ports between 15000 and 31000; what else runs on this machine?")
}

fn is_free(base: u16) -> bool {
    let udp = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let tcp = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let link = (0..LINK).all(|more| udp(base + more));
    link && udp(base + SIP) && (METRICS..RUN).all(|more| tcp(base + more))
}
