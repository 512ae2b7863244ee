//! A UDP socket whose every packet carries the class's DSCP mark. quinn's own
//! writes the traffic-class byte from ECN alone, which clears the mark, so this
//! one adds its control messages itself (RFC 2474, RFC 3168, Linux `ip(7)`,
//! `udp(7)`). It refuses to retry what the kernel would not send: QUIC does.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::{MsgHdr, SockAddr, SockRef};
use tokio::io::Interest;
use tokio::net::UdpSocket;

const IPPROTO_IP: i32 = 0;
const IP_TOS: i32 = 1;
const IP_PKTINFO: i32 = 8;
const IPPROTO_IPV6: i32 = 41;
const IPV6_PKTINFO: i32 = 50;
const IPV6_TCLASS: i32 = 67;
const SOL_UDP: i32 = 17;
const UDP_SEGMENT: i32 = 103;
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// A socket with a mark.
#[derive(Debug)]
pub(crate) struct MarkedSocket {
    io: UdpSocket,
    state: UdpSocketState,
    dscp: u8,
    segments: AtomicUsize,
}

impl MarkedSocket {
    pub(crate) fn new(socket: std::net::UdpSocket, dscp: u8) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let segments = AtomicUsize::new(state.max_gso_segments());
        Ok(Self { io: UdpSocket::from_std(socket)?, state, dscp: dscp & 0x3f, segments })
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let to = SockAddr::from(transmit.destination);
        let control = control_messages(transmit, self.dscp);
        let parts = [IoSlice::new(transmit.contents)];
        let message = MsgHdr::new().with_addr(&to).with_buffers(&parts).with_control(&control);
        match SockRef::from(&self.io).sendmsg(&message, 0) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                // Some drivers cannot segment; what was lost is sent again singly.
                if matches!(error.raw_os_error(), Some(EIO | EINVAL)) {
                    self.segments.store(1, Ordering::Relaxed);
                }
                tracing::debug!(to = %transmit.destination, %error, "packet not sent");
                Ok(())
            }
        }
    }
}

impl AsyncUdpSocket for MarkedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.send(transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let receive = || self.state.recv((&self.io).into(), bufs, meta);
            if let Ok(count) = self.io.try_io(Interest::READABLE, receive) {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments.load(Ordering::Relaxed)
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// Waits for room in the socket's buffer; each sender has its own.
struct Writable {
    socket: Arc<MarkedSocket>,
    waiting: Option<Waiting>,
}

impl std::fmt::Debug for Writable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writable").finish_non_exhaustive()
    }
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let socket = &this.socket;
        let waiting = this.waiting.get_or_insert_with(|| {
            let socket = socket.clone();
            Box::pin(async move { socket.io.writable().await })
        });
        let result = ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        Poll::Ready(result)
    }
}

/// Traffic class, segment size and source address, as `cmsg(3)` lays them out.
fn control_messages(transmit: &Transmit<'_>, dscp: u8) -> Vec<u8> {
    let mut control = Vec::with_capacity(96);
    let ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
    let class = i32::from(dscp << 2 | ecn).to_ne_bytes();
    let to = transmit.destination.ip().to_canonical();
    match to {
        IpAddr::V4(_) => push(&mut control, IPPROTO_IP, IP_TOS, &class),
        IpAddr::V6(_) => push(&mut control, IPPROTO_IPV6, IPV6_TCLASS, &class),
    }
    if let Some(size) = transmit.segment_size.and_then(|size| u16::try_from(size).ok()) {
        push(&mut control, SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes());
    }
    match transmit.src_ip {
        Some(IpAddr::V4(source)) => {
            // in_pktinfo: interface index, source, (ignored) destination.
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&source.octets());
            push(&mut control, IPPROTO_IP, IP_PKTINFO, &info);
        }
        Some(IpAddr::V6(source)) => {
            // in6_pktinfo: source, interface index.
            let mut info = [0; 20];
            info[..16].copy_from_slice(&source.octets());
            push(&mut control, IPPROTO_IPV6, IPV6_PKTINFO, &info);
        }
        None => {}
    }
    control
}

fn push(control: &mut Vec<u8>, level: i32, kind: i32, data: &[u8]) {
    const WORD: usize = size_of::<usize>();
    let length = WORD + 8 + data.len();
    control.extend_from_slice(&length.to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    control.extend_from_slice(data);
    control.resize(control.len().next_multiple_of(WORD), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{MaybeUninitSlice, MsgHdrMut};
    use std::mem::MaybeUninit;
    use std::net::UdpSocket as StdSocket;
    use std::time::Duration;

    /// Sends 300 bytes and says with which traffic class and in which pieces
    /// they arrived.
    fn received(dscp: u8, addr: &str, segment_size: Option<usize>) -> Vec<(u8, usize)> {
        let to = StdSocket::bind(addr).unwrap();
        let destination = to.local_addr().unwrap();
        if destination.is_ipv4() {
            SockRef::from(&to).set_recv_tos_v4(true).unwrap();
        } else {
            SockRef::from(&to).set_recv_tclass_v6(true).unwrap();
        }
        to.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let from = MarkedSocket::new(StdSocket::bind(addr).unwrap(), dscp).unwrap();
        let contents = [7; 300];
        let source = from.local_addr().unwrap().ip();
        let transmit = Transmit {
            destination,
            ecn: Some(quinn::udp::EcnCodepoint::Ect0),
            contents: &contents,
            segment_size,
            src_ip: Some(source),
        };
        from.send(&transmit).unwrap();
        let pieces = segment_size.map_or(1, |size| contents.len().div_ceil(size));
        (0..pieces).map(|_| receive_one(&to)).collect()
    }

    fn receive_one(socket: &StdSocket) -> (u8, usize) {
        let mut body = [MaybeUninit::uninit(); 2000];
        let mut control = [MaybeUninit::new(0_u8); 64];
        let mut bufs = [MaybeUninitSlice::new(&mut body)];
        let mut message = MsgHdrMut::new().with_buffers(&mut bufs).with_control(&mut control);
        let len = SockRef::from(socket).recvmsg(&mut message, 0).unwrap();
        // The first byte of data in the only control message.
        let class = control[size_of::<usize>() + 8];
        #[expect(unsafe_code, reason = "initialised above; socket2 has no safe view of it")]
        let class = unsafe { class.assume_init() };
        (class, len)
    }

    #[tokio::test]
    async fn packets_carry_the_mark_of_their_class_and_keep_ecn() {
        assert_eq!(received(48, "127.0.0.1:0", None), [(48 << 2 | 2, 300)]);
        assert_eq!(received(8, "[::1]:0", None), [(8 << 2 | 2, 300)]);
    }

    #[tokio::test]
    async fn segmented_packets_carry_the_mark_too() {
        let marked = 48 << 2 | 2;
        let pieces = [(marked, 120), (marked, 120), (marked, 60)];
        assert_eq!(received(48, "127.0.0.1:0", Some(120)), pieces);
    }
}
