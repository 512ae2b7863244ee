//! A call's trunk towards its own site: a pair of ports that looks like a
//! telephone to the relay. Only one address is believed and sent to, and none
//! while the call is on hold. RTCP is read by nobody; that ours is sent keeps the
//! call from looking dead while its far end is silent.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use weir_model::directory::Codec;

use super::reception::Reception;
use crate::voice::rtp::{self, Packet};
use crate::voice::{PortPair, rtcp};

/// The longest that is taken: what an Ethernet carries. One more byte shows that
/// a datagram was longer.
pub(super) const DATAGRAM_MAX: usize = 1_500;
const REPORT_EVERY_MS: u64 = 5_000;
/// RTCP of 5 s, and more.
const REPORTS_MAX: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    pair: PortPair,
    towards: Option<SocketAddr>,
    reception: Reception,
    report_ms: Option<u64>,
}

/// What came.
#[derive(Debug)]
pub(super) enum Came<'a> {
    Nothing,
    Stranger,
    /// No RTP, or it is on hold.
    Unusable,
    Rtp(Packet<'a>),
}

impl Wire {
    pub(super) fn new(pair: PortPair) -> Self {
        Self { pair, towards: None, reception: Reception::default(), report_ms: None }
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.pair.rtp
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.pair.address()
    }

    pub(super) fn aim(&mut self, towards: Option<SocketAddr>) {
        // Sound that waits was not meant for what comes now.
        self.towards = towards.filter(|to| *to != self.pair.address() && to.port() != 0);
    }

    pub(super) fn receive<'a>(
        &mut self,
        now_ms: u64,
        codec: Option<Codec>,
        datagram: &'a mut [u8],
    ) -> Came<'a> {
        let (length, from) = match self.pair.rtp.recv_from(datagram) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Came::Nothing,
            // An ICMP message of before, or a signal: the next read tells.
            Err(_) => return Came::Unusable,
        };
        if let Some(towards) = self.towards
            && (from.ip() != towards.ip() || from == self.pair.address())
        {
            return Came::Stranger;
        }
        let datagram = datagram.get(..length).filter(|_| length <= DATAGRAM_MAX);
        let Some(packet) = datagram.and_then(rtp::parse).filter(|_| self.towards.is_some()) else {
            return Came::Unusable;
        };
        let khz = if codec == Some(Codec::Opus) { 48 } else { 8 };
        // Clocks wrap; what lies above counts for nothing.
        let clock = u32::try_from((now_ms * khz) & u64::from(u32::MAX)).unwrap_or(0);
        self.reception.heard(clock, &packet);
        Came::Rtp(packet)
    }

    /// `false`: it was to go somewhere, and the host did not take it.
    pub(super) fn send(&self, packet: &[u8]) -> bool {
        let Some(towards) = self.towards else { return true };
        loop {
            match self.pair.rtp.send_to(packet, towards) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// A receiver's report, if one is due. `from`: the SSRC that we send under.
    pub(super) fn report(&mut self, now_ms: u64, from: u32, buffer: &mut Vec<u8>) {
        let due_ms = *self.report_ms.get_or_insert(now_ms + REPORT_EVERY_MS);
        if now_ms < due_ms {
            return;
        }
        self.report_ms = Some(now_ms + REPORT_EVERY_MS);
        let mut nothing = [0; 1];
        for _ in 0..REPORTS_MAX {
            if self.pair.rtcp.recv_from(&mut nothing).is_err() {
                break;
            }
        }
        let Some(towards) = self.towards else { return };
        let Some(block) = self.reception.report() else { return };
        rtcp::write_receiver(from, &block, buffer);
        let port = towards.port().saturating_add(1);
        // One that is lost is followed by another.
        let _ = self.pair.rtcp.send_to(buffer, SocketAddr::new(towards.ip(), port));
    }
}
