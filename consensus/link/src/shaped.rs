//! A socket behind an emulated uplink ([`crate::shaper`] holds the rules): both
//! directions pass through it, one datagram at a time. It refuses to hold more
//! than a bounded number of packets, whatever the parameters say.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::shaper::{Direction, ShaperControl, Verdict};

/// Of each direction of each socket.
const PACKETS_MAX: usize = 8192;
/// The largest datagram, and the largest batch of them a receive may join.
const RECEIVE_BYTES: usize = 64 * 1024;
const IPV4_UDP_BYTES: u64 = 28;
const IPV6_UDP_BYTES: u64 = 48;

#[derive(Debug)]
struct Packet {
    body: Vec<u8>,
    /// Destination when outbound, source when inbound.
    peer: SocketAddr,
    ecn: Option<EcnCodepoint>,
    local_ip: Option<IpAddr>,
}

impl Packet {
    fn wire_bytes(&self) -> u64 {
        wire_bytes(self.peer, self.body.len())
    }
}

/// With the headers of IP and UDP.
pub(crate) fn wire_bytes(peer: SocketAddr, body: usize) -> u64 {
    let headers = if peer.ip().to_canonical().is_ipv4() { IPV4_UDP_BYTES } else { IPV6_UDP_BYTES };
    headers + body as u64
}

/// Packets under way, by when they come out; the number keeps their order.
#[derive(Debug, Default)]
struct Flight {
    packets: BTreeMap<(Instant, u64), Packet>,
    entered: u64,
}

impl Flight {
    fn add(&mut self, at: Instant, packet: Packet) {
        if self.packets.len() < PACKETS_MAX {
            self.entered += 1;
            self.packets.insert((at, self.entered), packet);
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.packets.first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&mut self, now: Instant) -> Option<Packet> {
        let due = self.next_at()? <= now;
        due.then(|| self.packets.pop_first()).flatten().map(|(_, packet)| packet)
    }
}

#[derive(Debug, Default)]
struct Queues {
    outbound: Flight,
    inbound: Flight,
    arrived: VecDeque<Packet>,
    failed: Option<io::ErrorKind>,
    reader: Option<Waker>,
}

/// What quinn sees of it.
#[derive(Debug)]
pub(crate) struct ShapedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    uplink: ShaperControl,
    queues: Mutex<Queues>,
    changed: Notify,
}

impl ShapedSocket {
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>, uplink: ShaperControl) -> Arc<Self> {
        let (queues, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { inner, uplink, queues, changed })
    }

    /// Moves packets until cancelled; whoever made the socket owns this task.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut poller = self.inner.clone().create_io_poller();
        let mut buffer = vec![0; RECEIVE_BYTES];
        loop {
            self.deliver_inbound(now());
            let next = self.next_at().map(tokio::time::Instant::from_std);
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                received = self.receive(&mut buffer) => {
                    if let Err(error) = received {
                        self.fail(error.kind());
                        return;
                    }
                }
                () = due => self.send_due(&mut poller).await,
                () = self.changed.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_at(&self) -> Option<Instant> {
        let queues = self.lock();
        [queues.outbound.next_at(), queues.inbound.next_at()].into_iter().flatten().min()
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut meta = [RecvMeta::default()];
        let count =
            poll_fn(|cx| self.inner.poll_recv(cx, &mut [IoSliceMut::new(buffer)], &mut meta))
                .await?;
        let [meta] = meta;
        let received = buffer.get(..meta.len).filter(|_| count > 0).unwrap_or_default();
        let arrived_at = now();
        for body in received.chunks(meta.stride.max(1)) {
            let bytes = wire_bytes(meta.addr, body.len());
            let verdict = self.uplink.enter(arrived_at, Direction::Inbound, bytes);
            if let Verdict::Deliver { at } = verdict {
                let (body, peer) = (body.to_vec(), meta.addr);
                let packet = Packet { body, peer, ecn: meta.ecn, local_ip: meta.dst_ip };
                self.lock().inbound.add(at, packet);
            }
        }
        Ok(())
    }

    fn deliver_inbound(&self, now: Instant) {
        let mut queues = self.lock();
        while let Some(packet) = queues.inbound.take_due(now) {
            let passes = self.uplink.leave(Direction::Inbound, packet.wire_bytes());
            if passes && queues.arrived.len() < PACKETS_MAX {
                queues.arrived.push_back(packet);
            }
        }
        if !queues.arrived.is_empty()
            && let Some(reader) = queues.reader.take()
        {
            reader.wake();
        }
    }

    async fn send_due(&self, poller: &mut Pin<Box<dyn UdpPoller>>) {
        while let Some(packet) = self.take_outbound() {
            if !self.uplink.leave(Direction::Outbound, packet.wire_bytes()) {
                continue;
            }
            let transmit = Transmit {
                destination: packet.peer,
                ecn: packet.ecn,
                contents: &packet.body,
                segment_size: None,
                src_ip: packet.local_ip,
            };
            while let Err(error) = self.inner.try_send(&transmit) {
                let full = error.kind() == io::ErrorKind::WouldBlock;
                if !full || poll_fn(|cx| poller.as_mut().poll_writable(cx)).await.is_err() {
                    break;
                }
            }
        }
    }

    fn take_outbound(&self) -> Option<Packet> {
        self.lock().outbound.take_due(now())
    }

    fn fail(&self, kind: io::ErrorKind) {
        let mut queues = self.lock();
        queues.failed = Some(kind);
        if let Some(reader) = queues.reader.take() {
            reader.wake();
        }
    }
}

/// tokio's clock, so that paused time holds here too.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl AsyncUdpSocket for ShapedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    /// Never blocks: a full uplink drops, as a real one does.
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let entered_at = now();
        for body in transmit.contents.chunks(size) {
            let bytes = wire_bytes(transmit.destination, body.len());
            let verdict = self.uplink.enter(entered_at, Direction::Outbound, bytes);
            if let Verdict::Deliver { at } = verdict {
                let (body, peer) = (body.to_vec(), transmit.destination);
                let packet = Packet { body, peer, ecn: transmit.ecn, local_ip: transmit.src_ip };
                self.lock().outbound.add(at, packet);
            }
        }
        self.changed.notify_one();
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut queues = self.lock();
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta.iter_mut()) {
            let Some(packet) = queues.arrived.pop_front() else {
                break;
            };
            // A longer packet than quinn asked for is cut, as the kernel would.
            let len = packet.body.len().min(buf.len());
            buf[..len].copy_from_slice(&packet.body[..len]);
            (meta.addr, meta.len, meta.stride) = (packet.peer, len, len);
            (meta.ecn, meta.dst_ip) = (packet.ecn, packet.local_ip);
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        if let Some(kind) = queues.failed {
            return Poll::Ready(Err(kind.into()));
        }
        queues.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
