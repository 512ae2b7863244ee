//! The way in: datagrams and connections, counted, bounded and cut into
//! messages before anyone else sees them. Refuses sources that send too much,
//! connections that say nothing, and bytes that are no SIP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::registrar::{Source, Transport};

use super::config::SipLimits;
use super::counters::Tally;
use super::frame::{Framed, Framer};
use super::hub::{Clock, Input, Letter};
use super::message::Message;
use super::throttle::{Key, Shared, Throttle};
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
    pub(super) hub: mpsc::Sender<Letter>,
    /// In the hub's queue, for what comes over connections.
    pub(super) places: Arc<Semaphore>,
    pub(super) tally: Arc<Tally>,
    pub(super) limits: SipLimits,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

impl Door {
    fn throttle(&self) -> Throttle {
        let per_s_milli = u64::from(self.limits.messages_per_s) * 1000;
        Throttle::new(self.limits.messages_burst, per_s_milli, SOURCES)
    }

    /// Hands on what came over a connection, when there is a place for it.
    /// `None`: the hub is gone.
    pub(super) async fn hand_on(&self, input: Input) -> Option<()> {
        let place = self.places.clone().acquire_owned().await.ok();
        self.hub.send(Letter { input, place }).await.ok()
    }
}

/// Reads datagrams until stopped.
pub(super) async fn datagrams(door: Door, socket: Arc<UdpSocket>) {
    let mut throttle = door.throttle();
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
    let input = Input::Message { message, source, last: false };
    if door.hub.try_send(Letter { input, place: None }).is_err() {
        tally.dropped_queue.one();
    }
}

/// Takes connections until stopped.
pub(super) async fn connections(door: Door, listener: TcpListener, tasks: TaskTracker) {
    let mut standing: BTreeMap<u64, (Key, CancellationToken)> = BTreeMap::new();
    let throttle = Shared::new(door.throttle());
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
        let key = Key::source(peer.ip());
        let same = standing.values().filter(|(from, _)| *from == key).count();
        let limits = &door.limits;
        if standing.len() >= limits.connections || same >= limits.connections_per_source {
            door.tally.tcp_refused.one();
            continue;
        }
        door.tally.tcp_accepted.one();
        last += 1;
        let ended = CancellationToken::new();
        standing.insert(last, (key, ended.clone()));
        let source = Source { address: peer, transport: Transport::Tcp, flow: Some(last) };
        tasks.spawn(connection(door.clone(), stream, source, throttle.clone(), ended));
    }
}

async fn connection(
    door: Door,
    stream: TcpStream,
    source: Source,
    throttle: Shared,
    ended: CancellationToken,
) {
    let _told_at_the_end = ended.drop_guard();
    let Some(flow) = source.flow else { return };
    let Ok(local) = stream.local_addr() else { return };
    // Dead peers are noticed within about two minutes.
    let alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let alive = alive.with_interval(Duration::from_secs(15)).with_retries(4);
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_keepalive(&alive) {
        tracing::debug!(%error, "no keep-alive on a SIP connection");
    }
    let _latency_only = stream.set_nodelay(true);
    let (to, writes) = mpsc::channel(WRITES);
    let proven = Arc::new(AtomicBool::new(false));
    let way = Flow { to, local, proven: proven.clone() };
    if door.hand_on(Input::Opened { flow, way }).await.is_none() {
        return;
    }
    let framer = Framer::default();
    let mut line = Line { door, stream, source, framer, throttle, writes, proven, spoken: false };
    tokio::select! {
        () = line.door.stop.clone().cancelled_owned() => line.finish().await,
        () = line.serve() => {}
    }
    let _hub_is_gone = line.door.hand_on(Input::Closed { flow }).await;
}

/// A connection being served.
struct Line {
    door: Door,
    stream: TcpStream,
    source: Source,
    framer: Framer,
    throttle: Shared,
    writes: mpsc::Receiver<Vec<u8>>,
    /// Whether a REGISTER that came on it was accepted; the hub says so.
    proven: Arc<AtomicBool>,
    /// Whether anything whole came yet.
    spoken: bool,
}

impl Line {
    async fn serve(&mut self) {
        let mut buffer = vec![0; 8_192];
        // When the wait began for what comes next.
        let mut since = Instant::now();
        loop {
            // Asked anew after each write: it may be the 200 to a REGISTER.
            let by = since + self.patience();
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
            self.spoken |= cut;
            if cut || !midway || !self.framer.is_midway() {
                since = Instant::now();
            }
        }
    }

    /// How long to wait for the rest of a message, or for the next one. Whoever
    /// has shown no password keeps no place for long.
    fn patience(&self) -> Duration {
        let limits = &self.door.limits;
        if self.framer.is_midway() || !self.spoken {
            return MESSAGE_WITHIN;
        }
        Duration::from_secs(match self.proven.load(Ordering::Relaxed) {
            true => u64::from(limits.max_expires_s) + 60,
            false => u64::from(limits.stranger_silence_s),
        })
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
            self.turn().await?;
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
            self.door.hand_on(input).await?;
            if last {
                return None;
            }
        }
    }

    /// Waits until its source may send one more. Writes go on meanwhile: others
    /// of that source may be the ones that send too much.
    async fn turn(&mut self) -> Option<()> {
        let key = Key::source(self.source.address.ip());
        while !self.throttle.take(self.door.clock.now_ms(), &key) {
            tokio::select! {
                write = self.writes.recv() => {
                    let bytes = write?;
                    self.write(&bytes).await.then_some(())?;
                }
                () = sleep(Duration::from_millis(20)) => {}
            }
        }
        Some(())
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(WRITE_WITHIN, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// Writes what is still waiting, while the hub lets go of this connection.
    async fn finish(&mut self) {
        if let Some(flow) = self.source.flow {
            let _hub_is_gone = self.door.hand_on(Input::Closed { flow }).await;
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
