//! UDP port pairs for calls: RTP on an even port, RTCP on the next (RFC 3550
//! §11). Pairs are given out in turn, so that a port is not used again while
//! packets of its last call may be on their way.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::SockRef;

/// Expedited forwarding (RFC 3246), as bits of the TOS byte.
const EXPEDITED: u32 = 0xb8;
/// Where nothing is wanted back on the RTP port, what comes is left to drop.
const RTP_BUFFER_BYTES: usize = 4 << 10;
/// Where it is: a second of sound, should its reader be held up.
const SOUND_BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    #[error(
        "RTP 地址 {0} 不是一个具体地址，请在节点文件中写明 / \
         {0} is no address to send RTP from; name one in the node's file"
    )]
    Address(IpAddr),
    #[error(
        "端口范围 {first}–{last} 不足一对 / \
         the range {first}-{last} holds no pair of ports; widen it in the node's file"
    )]
    Range { first: u16, last: u16 },
    #[error(
        "没有空闲的 RTP 端口（{first}–{last}），请放宽范围 / \
         no RTP port is free ({first}-{last}); widen the range: {last_error}"
    )]
    Used { first: u16, last: u16, last_error: std::io::Error },
}

/// The two sockets of one call; both are closed when dropped.
#[derive(Debug)]
pub struct PortPair {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    address: SocketAddr,
}

impl PortPair {
    /// Where RTP comes from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What comes to the RTP port will be read.
    pub(crate) fn expect_sound(&self) {
        // It only helps: without it, packets are lost earlier.
        let _ = SockRef::from(&self.rtp).set_recv_buffer_size(SOUND_BUFFER_BYTES);
    }
}

/// Where the pairs of a node come from.
#[derive(Debug, Clone)]
pub struct Ports {
    address: IpAddr,
    /// Of the first even port, and how many pairs there are.
    first: u16,
    pairs: u32,
    next: Arc<AtomicU32>,
}

impl Ports {
    /// # Errors
    /// When the address is that of no interface in particular, or the range
    /// holds no pair.
    pub fn new(address: IpAddr, range: &RangeInclusive<u16>) -> Result<Self, PortsError> {
        if address.is_unspecified() || address.is_multicast() {
            return Err(PortsError::Address(address));
        }
        let (first, last) = (*range.start(), *range.end());
        let even = u32::from(first.max(2)).next_multiple_of(2);
        let pairs = (u32::from(last) + 1).saturating_sub(even) / 2;
        match u16::try_from(even) {
            Ok(first) if pairs > 0 => {
                Ok(Self { address, first, pairs, next: Arc::new(AtomicU32::new(0)) })
            }
            _ => Err(PortsError::Range { first, last }),
        }
    }

    fn last(&self) -> u16 {
        let last = u32::from(self.first) + self.pairs * 2 - 1;
        u16::try_from(last).unwrap_or(u16::MAX)
    }

    /// The next pair that nobody uses.
    ///
    /// # Errors
    /// When every pair is in use.
    pub fn pair(&self) -> Result<PortPair, PortsError> {
        let mut last_error = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        for _ in 0..self.pairs {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.pairs;
            let port = u16::try_from(u32::from(self.first) + turn * 2).unwrap_or(self.first);
            match self.open(port) {
                Ok(pair) => return Ok(pair),
                Err(error) => last_error = error,
            }
        }
        Err(PortsError::Used { first: self.first, last: self.last(), last_error })
    }

    fn open(&self, port: u16) -> std::io::Result<PortPair> {
        let address = SocketAddr::new(self.address, port);
        let rtp = UdpSocket::bind(address)?;
        let rtcp = UdpSocket::bind(SocketAddr::new(self.address, port.saturating_add(1)))?;
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        let raw = SockRef::from(&rtp);
        // Both only help: a host that knows neither still sends.
        let _ = raw.set_recv_buffer_size(RTP_BUFFER_BYTES);
        let _ = match self.address {
            IpAddr::V4(_) => raw.set_tos_v4(EXPEDITED),
            IpAddr::V6(_) => raw.set_tclass_v6(EXPEDITED),
        };
        Ok(PortPair { rtp, rtcp, address })
    }
}
