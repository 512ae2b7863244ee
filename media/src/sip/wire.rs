//! The way out: one UDP socket, and the TCP connections that stand. Refuses to
//! wait: what a socket or a connection does not take at once is lost, and SIP
//! sends again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use weir_signaling::registrar::{Binding, Source, Transport as Over};

use super::counters::Tally;
use super::kept::Transport;
use super::message::Request;

/// A connection as the hub holds it.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) to: mpsc::Sender<Vec<u8>>,
    pub(super) local: SocketAddr,
    /// Whether a REGISTER that came on it was accepted.
    pub(super) proven: Arc<AtomicBool>,
}

/// Where bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    Udp(SocketAddr),
    Tcp(u64),
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) udp: Arc<UdpSocket>,
    pub(super) local: SocketAddr,
    pub(super) flows: BTreeMap<u64, Flow>,
    pub(super) tally: Arc<Tally>,
}

impl Wire {
    pub(super) fn send(&mut self, hop: Hop, bytes: Vec<u8>) {
        match hop {
            Hop::Udp(to) => match self.udp.try_send_to(&bytes, to) {
                Ok(_) => self.tally.sent_udp.one(),
                Err(error) => {
                    tracing::debug!(%to, %error, "a datagram was not sent");
                    self.tally.dropped_send.one();
                }
            },
            Hop::Tcp(flow) => {
                let sent = self.flows.get(&flow).map(|flow| flow.to.try_send(bytes));
                if let Some(Ok(())) = sent {
                    return self.tally.sent_tcp.one();
                }
                self.tally.dropped_send.one();
                // Whoever does not read for that long is gone.
                self.flows.remove(&flow);
            }
        }
    }

    /// A REGISTER that came from here was accepted.
    pub(super) fn prove(&self, source: Source) {
        if let Some(flow) = source.flow.and_then(|flow| self.flows.get(&flow)) {
            flow.proven.store(true, Ordering::Relaxed);
        }
    }

    /// Where an answer goes (RFC 3261 §18.2.2, RFC 3581 §4).
    pub(super) fn back(source: Source, request: &Request) -> Hop {
        match source.flow {
            Some(flow) => Hop::Tcp(flow),
            None if request.via.rport => Hop::Udp(source.address),
            None => {
                let port = request.via.port.unwrap_or(5060);
                Hop::Udp(SocketAddr::new(source.address.ip(), port))
            }
        }
    }

    /// Where a registered device is reached now, and as what it sees us.
    pub(super) fn way(&self, binding: &Binding) -> Option<(Hop, SocketAddr)> {
        match binding.source.transport {
            Over::Udp => {
                let to = binding.source.address;
                Some((Hop::Udp(to), self.seen_from(to)))
            }
            Over::Tcp => {
                let id = binding.source.flow?;
                let flow = self.flows.get(&id).filter(|flow| !flow.to.is_closed())?;
                Some((Hop::Tcp(id), SocketAddr::new(flow.local.ip(), self.local.port())))
            }
            Over::Tls | Over::WebSocket => None,
        }
    }

    /// The way back to whoever sends from `source`, and as what it sees us.
    pub(super) fn facing(&self, source: Source) -> Option<(Hop, SocketAddr)> {
        match source.flow {
            None => Some((Hop::Udp(source.address), self.seen_from(source.address))),
            Some(id) => {
                let flow = self.flows.get(&id).filter(|flow| !flow.to.is_closed())?;
                Some((Hop::Tcp(id), SocketAddr::new(flow.local.ip(), self.local.port())))
            }
        }
    }

    /// Our own address towards `to`: what we listen on, or, when that is all
    /// addresses, the one that the system would send from.
    pub(super) fn seen_from(&self, to: SocketAddr) -> SocketAddr {
        if !self.local.ip().is_unspecified() {
            return self.local;
        }
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // Connecting a datagram socket sends nothing; it only asks for the route.
        let asked = std::net::UdpSocket::bind(any).and_then(|socket| {
            socket.connect(to)?;
            socket.local_addr()
        });
        asked.map_or(self.local, |ours| SocketAddr::new(ours.ip(), self.local.port()))
    }
}

/// A transport as a node keeps it; `None` for those this version does not speak.
pub(super) fn kept(transport: Over) -> Option<Transport> {
    match transport {
        Over::Udp => Some(Transport::Udp),
        Over::Tcp => Some(Transport::Tcp),
        Over::Tls | Over::WebSocket => None,
    }
}
