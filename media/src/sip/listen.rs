//! The way in: datagrams and connections, counted, bounded and cut into
//! messages before anyone else sees them. Refuses sources that send too much,
//! connections that say nothing, and bytes that are no SIP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::registrar::{Source, Transport};

use super::config::SipLimits;
use super::counters::Tally;
use super::frame::{Framed, Framer};
use super::hub::{Clock, Input};
use super::message::Message;
use super::throttle::{Key, Throttle};
use super::wire::Flow;

/// Most sources whose rate is watched one by one.
const SOURCES: usize = 8_192;
/// How long a message may take to come in whole, or a new connection to speak.
const MESSAGE_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may refuse to take what we write.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Messages waiting to be written to one connection.
const WRITES: usize = 64;

/// What every listener needs.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) hub: mpsc::Sender<Input>,
    pub(super) tally: Arc<Tally>,
    pub(super) limits: SipLimits,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

impl Door {
    fn throttle(&self, sources: usize) -> Throttle {
        let per_s_milli = u64::from(self.limits.messages_per_s) * 1000;
        Throttle::new(self.limits.messages_burst, per_s_milli, sources)
    }
}

/// Reads datagrams until stopped.
pub(super) async fn datagrams(door: Door, socket: Arc<UdpSocket>) {
    let mut throttle = door.throttle(SOURCES);
    let mut buffer = vec![0; 65_536];
    loop {
        let got = tokio::select! {
            () = door.stop.cancelled() => return,
            got = socket.recv_from(&mut buffer) => got,
        };
        match got {
            Ok((length, source)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                datagram(&door, &mut throttle, bytes, source);
            }
            Err(error) => {
                tracing::warn!(%error, "reading the SIP socket failed");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn datagram(door: &Door, throttle: &mut Throttle, bytes: &[u8], source: SocketAddr) {
    let tally = &door.tally;
    tally.received_udp.one();
    if !throttle.take(door.clock.now_ms(), &Key::source(source.ip())) {
        return tally.dropped_rate.one();
    }
    if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return tally.keepalives.one();
    }
    let Some(message) = Message::read(bytes) else {
        return tally.dropped_unreadable.one();
    };
    let source = Source { address: source, transport: Transport::Udp, flow: None };
    if door.hub.try_send(Input::Message { message, source, last: false }).is_err() {
        tally.dropped_queue.one();
    }
}

/// Takes connections until stopped.
pub(super) async fn connections(door: Door, listener: TcpListener, tasks: TaskTracker) {
    let mut standing: BTreeMap<u64, (IpAddr, CancellationToken)> = BTreeMap::new();
    let mut last = 0;
    loop {
        let got = tokio::select! {
            () = door.stop.cancelled() => return,
            got = listener.accept() => got,
        };
        let (stream, peer) = match got {
            Ok(got) => got,
            Err(error) => {
                tracing::warn!(%error, "taking a SIP connection failed");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        standing.retain(|_, (_, ended)| !ended.is_cancelled());
        let ip = peer.ip().to_canonical();
        let same = standing.values().filter(|(from, _)| *from == ip).count();
        let limits = &door.limits;
        if standing.len() >= limits.connections || same >= limits.connections_per_source {
            door.tally.tcp_refused.one();
            continue;
        }
        door.tally.tcp_accepted.one();
        last += 1;
        let ended = CancellationToken::new();
        standing.insert(last, (ip, ended.clone()));
        tasks.spawn(connection(door.clone(), stream, peer, last, ended));
    }
}

async fn connection(
    door: Door,
    stream: TcpStream,
    peer: SocketAddr,
    flow: u64,
    ended: CancellationToken,
) {
    let _told_at_the_end = ended.drop_guard();
    let Ok(local) = stream.local_addr() else { return };
    // Dead peers are noticed within about two minutes.
    let alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let alive = alive.with_interval(Duration::from_secs(15)).with_retries(4);
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_keepalive(&alive) {
        tracing::debug!(%error, "no keep-alive on a SIP connection");
    }
    let _latency_only = stream.set_nodelay(true);
    let (to, writes) = mpsc::channel(WRITES);
    let hub = door.hub.clone();
    if hub.send(Input::Opened { flow, way: Flow { to, local } }).await.is_err() {
        return;
    }
    let source = Source { address: peer, transport: Transport::Tcp, flow: Some(flow) };
    let throttle = door.throttle(1);
    let mut line = Line { door, stream, source, framer: Framer::default(), throttle, writes };
    tokio::select! {
        () = line.door.stop.clone().cancelled_owned() => line.finish().await,
        () = line.serve() => {}
    }
    let _hub_is_gone = hub.send(Input::Closed { flow }).await;
}

/// A connection being served.
struct Line {
    door: Door,
    stream: TcpStream,
    source: Source,
    framer: Framer,
    throttle: Throttle,
    writes: mpsc::Receiver<Vec<u8>>,
}

impl Line {
    async fn serve(&mut self) {
        let mut buffer = vec![0; 8_192];
        // The time by which the message begun must be whole.
        let mut by = Instant::now() + MESSAGE_WITHIN;
        let silence = Duration::from_secs(u64::from(self.door.limits.max_expires_s) + 60);
        loop {
            let read = tokio::select! {
                write = self.writes.recv() => {
                    let Some(bytes) = write else { return };
                    if self.write(&bytes).await {
                        continue;
                    }
                    return;
                }
                read = timeout_at(by, self.stream.read(&mut buffer)) => read,
            };
            let length = match read {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(length)) => length,
                Err(_) => return self.door.tally.tcp_broken.one(),
            };
            let midway = self.framer.is_midway();
            self.framer.push(buffer.get(..length).unwrap_or_default());
            let Some(cut) = self.cut().await else { return self.finish().await };
            if !self.framer.is_midway() {
                by = Instant::now() + silence;
            } else if cut || !midway {
                by = Instant::now() + MESSAGE_WITHIN;
            }
        }
    }

    /// Hands on what is whole. `None`: this connection is over; else whether
    /// there was anything.
    async fn cut(&mut self) -> Option<bool> {
        let mut any = false;
        loop {
            let (bytes, last) = match self.framer.next() {
                Framed::Wait => return Some(any),
                Framed::KeepAlive => {
                    self.door.tally.keepalives.one();
                    self.write(b"\r\n").await.then_some(())?;
                    any = true;
                    continue;
                }
                Framed::Message(bytes) => (bytes, false),
                Framed::Broken(bytes) => (bytes, true),
            };
            any = true;
            while !self.throttle.take(self.door.clock.now_ms(), &Key::Others) {
                sleep(Duration::from_millis(20)).await;
            }
            self.door.tally.received_tcp.one();
            let message = Message::read(&bytes);
            let last = last || message.is_none();
            if last {
                self.door.tally.tcp_broken.one();
            }
            let Some(message) = message else {
                self.door.tally.dropped_unreadable.one();
                return None;
            };
            let input = Input::Message { message, source: self.source, last };
            self.door.hub.send(input).await.ok()?;
            if last {
                return None;
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(WRITE_WITHIN, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// Writes what is still waiting, while the hub lets go of this connection.
    async fn finish(&mut self) {
        if let Some(flow) = self.source.flow {
            let _hub_is_gone = self.door.hub.send(Input::Closed { flow }).await;
        }
        let rest = async {
            while let Some(bytes) = self.writes.recv().await {
                if !self.write(&bytes).await {
                    return;
                }
            }
        };
        let _enough = timeout(Duration::from_secs(1), rest).await;
        let _closed_anyway = self.stream.shutdown().await;
    }
}
