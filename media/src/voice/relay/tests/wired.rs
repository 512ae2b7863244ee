//! The relay with its threads, over loopback.

use std::net::UdpSocket;
use std::ops::RangeInclusive;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::voice::rtcp;

const PATIENCE: Duration = Duration::from_secs(10);

struct Street {
    relay: Relay,
    heard: mpsc::Receiver<Heard>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn street(ports: RangeInclusive<u16>, config: RelayConfig, room: usize) -> Street {
    let (heard_by, heard) = mpsc::channel(room);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ports = Ports::new([127, 0, 0, 9].into(), &ports).unwrap();
    let relay = Relay::start(ports, config, heard_by, &tasks, stop.clone()).unwrap();
    Street { relay, heard, tasks, stop }
}

impl Street {
    /// All threads have ended.
    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.unwrap();
    }
}

struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Phone {
    fn new(ip: [u8; 4]) -> Self {
        let [rtp, rtcp] = [0; 2].map(|_| {
            let socket = UdpSocket::bind(SocketAddr::new(ip.into(), 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        });
        Self { rtp, rtcp }
    }

    fn aim(&self) -> Aim {
        let address = |socket: &UdpSocket| socket.local_addr().unwrap();
        Aim { rtp: address(&self.rtp), rtcp: address(&self.rtcp), ..aim(A) }
    }

    fn say(&self, to: SocketAddr, sound: Sound) {
        self.rtp.send_to(&sound.bytes(), to).unwrap();
    }

    fn hear(&self) -> (SocketAddr, Out) {
        let mut buffer = [0; 2_000];
        let (len, from) = self.rtp.recv_from(&mut buffer).unwrap();
        let packet = rtp::parse(&buffer[..len]).unwrap();
        (from, (packet.marker, packet.seq, packet.timestamp, packet.ssrc))
    }
}

fn rtcp_of(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

/// A call between two telephones, aimed.
fn call(street: &Street, number: u64) -> (Lane, Phone, Phone) {
    let lane = street.relay.open(number).unwrap();
    let (a, b) = (Phone::new([127, 0, 0, 2]), Phone::new([127, 0, 0, 3]));
    lane.aim(Side::A, Some(a.aim()));
    lane.aim(Side::B, Some(b.aim()));
    (lane, a, b)
}

#[tokio::test]
async fn two_telephones_hear_each_other_and_what_they_report() {
    let street = street(23_500..=23_519, RelayConfig::default(), 8);
    let (lane, a, b) = call(&street, 1);
    let (to_a, to_b) = (lane.address(Side::A), lane.address(Side::B));
    for later in 0..20 {
        a.say(to_a, SOUND.later(later));
        b.say(to_b, SOUND.later(later));
        assert_eq!((a.hear().0, b.hear().0), (to_a, to_b));
    }
    let mut report = Vec::new();
    rtcp::write_receiver(7, &rtcp::Block::default(), &mut report);
    a.rtcp.send_to(&report, rtcp_of(to_a)).unwrap();
    let mut buffer = [0; 100];
    let (_, from) = b.rtcp.recv_from(&mut buffer).unwrap();
    assert_eq!(from, rtcp_of(to_b));
    let stats = lane.stats();
    assert_eq!((stats.a.packets, stats.b.packets, stats.a.lost), (20, 20, 0));
    assert!(stats.a.heard_ago.is_some_and(|ago| ago < PATIENCE));
    assert_eq!((street.relay.stats().lanes, street.relay.stats().unsent), (1, 0));
    street.end().await;
}

/// Strangers flood one port far faster than any call: others are served in turn.
#[tokio::test]
async fn a_flood_on_one_call_does_not_silence_another() {
    let street = street(23_520..=23_539, RelayConfig::default(), 8);
    let (flooded, ..) = call(&street, 1);
    let (lane, a, b) = call(&street, 2);
    let stranger = Phone::new([127, 0, 0, 66]);
    for later in 0..200 {
        for _ in 0..50 {
            stranger.say(flooded.address(Side::A), SOUND);
        }
        a.say(lane.address(Side::A), SOUND.later(later));
        assert_eq!(b.hear().0, lane.address(Side::B));
    }
    assert!(flooded.stats().a.strangers > 0);
    assert_eq!((flooded.stats().a.packets, lane.stats().a.packets), (0, 200));
    street.end().await;
}

#[tokio::test]
async fn keys_are_told_and_a_full_queue_is_counted() {
    let mut street = street(23_540..=23_559, RelayConfig::default(), 1);
    let (lane, a, b) = call(&street, 5);
    let key = Sound { payload_type: 101, payload: &[11, 10, 0, 160], ..SOUND };
    for later in 0..3 {
        a.say(lane.address(Side::A), key.later(later * 50));
        b.hear();
    }
    let counted = async {
        while street.relay.stats().untold < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.unwrap();
    let digit = timeout(PATIENCE, street.heard.recv()).await.unwrap();
    assert!(matches!(digit, Some(Heard::Digit { call: 5, side: Side::A, digit: '#', .. })));
    street.end().await;
}

#[tokio::test]
async fn a_lane_that_is_dropped_gives_its_ports_and_its_place_back() {
    let config = RelayConfig { lanes: 1, ..RelayConfig::default() };
    let street = street(23_560..=23_563, config, 8);
    for number in 0..20 {
        let opened = async {
            loop {
                match street.relay.open(number) {
                    Ok(lane) => return lane,
                    Err(RelayError::Full(1) | RelayError::Ports(_)) => {
                        tokio::task::yield_now().await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let lane = timeout(PATIENCE, opened).await.unwrap();
        assert!(street.relay.open(99).is_err(), "one lane is all there is");
        drop(lane);
    }
    let relay = street.relay.clone();
    street.end().await;
    assert!(matches!(relay.open(1), Err(RelayError::Stopped)));
}

#[tokio::test]
async fn hold_and_another_fork_reach_the_thread() {
    let street = street(23_564..=23_579, RelayConfig::default(), 8);
    let (lane, a, b) = call(&street, 1);
    let to = lane.address(Side::A);
    a.say(to, SOUND);
    let before = b.hear().1;
    lane.aim(Side::B, Some(Aim { hears: false, ..b.aim() }));
    let fork = Phone::new([127, 0, 0, 4]);
    lane.aim(Side::B, Some(fork.aim()));
    // Orders overtake packets, but never each other.
    let mut later = 0;
    let after = loop {
        later += 1;
        a.say(to, SOUND.later(later));
        fork.rtp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 2_000];
        if let Ok(len) = fork.rtp.recv(&mut buffer) {
            break rtp::parse(&buffer[..len]).unwrap().ssrc;
        }
        assert!(later < 500, "the fork hears nothing");
    };
    assert_eq!(after, before.3);
    street.end().await;
}
