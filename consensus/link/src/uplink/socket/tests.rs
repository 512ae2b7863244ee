//! quinn's side of the contract, played by tasks, in paused time.

use super::*;
use crate::config::{PeerAddress, Satellite};
use std::future::poll_fn;
use std::time::Duration;
use weir_model::id::NodeId;

/// Takes everything.
#[derive(Debug, Default)]
struct Sink {
    sent: Mutex<Vec<(Instant, SocketAddr, usize)>>,
}

#[derive(Debug)]
struct Open;

impl UdpPoller for Open {
    fn poll_writable(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Sink {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Open)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let what = (now(), transmit.destination, transmit.contents.len());
        self.sent.lock().unwrap().push(what);
        Ok(())
    }

    fn poll_recv(
        &self,
        _cx: &mut Context<'_>,
        _bufs: &mut [IoSliceMut<'_>],
        _meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok("127.0.0.1:1".parse().unwrap())
    }
}

const SITE: &str = "10.0.0.3:4001";
const GROUND: &str = "10.0.0.2:4001";

fn hub(rate_bps: u64) -> (Arc<Sink>, Arc<MeteredSocket>) {
    let uplinks = Arc::new(Uplinks::new(None));
    let peer = |id, addr: &str, satellite| {
        let addrs = vec![addr.parse().unwrap()];
        PeerAddress { id: NodeId(id), addrs, satellite }
    };
    let path = Some(Satellite::new(rate_bps));
    uplinks.set_peers(&[peer(2, "10.0.0.2:4000", None), peer(3, "10.0.0.3:4000", path)]);
    let sink = Arc::new(Sink::default());
    let socket = MeteredSocket::new(sink.clone(), Lane::Bulk, uplinks);
    (sink, socket)
}

/// As quinn's connection driver does it; `stop` after so many packets.
async fn connection(socket: Arc<MeteredSocket>, to: &'static str, packets: usize) {
    let mut poller = socket.clone().create_io_poller();
    let contents = [7; 1_200];
    let transmit = Transmit {
        destination: to.parse().unwrap(),
        ecn: None,
        contents: &contents,
        segment_size: None,
        src_ip: None,
    };
    let mut left = packets;
    poll_fn(|cx| {
        while left > 0 {
            ready!(poller.as_mut().poll_writable(cx)).unwrap();
            match socket.try_send(&transmit) {
                Ok(()) => left -= 1,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_the_satellite_is_woken_until_all_has_left_at_the_rate() {
    let (sink, socket) = hub(128_000);
    let began = now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..2 {
        all.spawn(connection(socket.clone(), SITE, 50));
    }
    tokio::time::timeout(Duration::from_secs(60), all.join_all()).await.unwrap();
    // 100 packets of 1,228 bytes at 97 % of 128 kbit/s: 7.9 s.
    let took = now() - began;
    assert!((7_600..8_300).contains(&took.as_millis()), "{took:?}");
    assert_eq!(sink.sent.lock().unwrap().len(), 100);
    assert!(socket.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_goes_over_the_ground_never_waits_for_the_satellite() {
    let (_sink, socket) = hub(128_000);
    let began = now();
    let slow = tokio::task::JoinSet::from_iter([connection(socket.clone(), SITE, 50)]);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        all.spawn(connection(socket.clone(), GROUND, 500));
    }
    all.join_all().await;
    assert_eq!(now(), began);
    slow.join_all().await;
    assert!(now() - began > Duration::from_secs(3));
}

/// A connection driver is also polled because packets came or timers fired.
#[tokio::test(start_paused = true)]
async fn being_polled_too_often_neither_speeds_up_nor_loses_a_wake_up() {
    let (_sink, socket) = hub(128_000);
    let began = now();
    let busy = async {
        let mut driver = Box::pin(connection(socket.clone(), SITE, 50));
        let mut every = tokio::time::interval(Duration::from_millis(1));
        loop {
            tokio::select! {
                biased;
                _ = every.tick() => {
                    // Polls the driver with this task's waker, whatever woke it.
                    if futures_util::poll!(driver.as_mut()).is_ready() {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), busy).await.unwrap();
    assert!(now() - began > Duration::from_millis(3_700), "{:?}", now() - began);
}

#[test]
fn a_batch_counts_with_the_headers_of_each_packet() {
    let contents = [7; 300];
    let transmit = Transmit {
        destination: SITE.parse().unwrap(),
        ecn: None,
        contents: &contents,
        segment_size: Some(120),
        src_ip: None,
    };
    assert_eq!(on_the_wire(&transmit), 300 + 3 * 28);
    let six = Transmit { destination: "[2001:db8::1]:7".parse().unwrap(), ..transmit };
    assert_eq!(on_the_wire(&six), 300 + 3 * 48);
}
