//! Tracks frame by frame, and the player against real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Codec;
use weir_signaling::sdp::Kind;

use super::super::track::Track;
use super::super::{rtcp, rtp};
use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that a track sends: marker, sequence, time stamp, first byte.
fn packets(track: &mut Track) -> Vec<(bool, u16, u32, u8)> {
    let mut buffer = Vec::new();
    let mut all = Vec::new();
    while !track.is_over() {
        if track.next(&mut buffer) {
            let packet = rtp::parse(&buffer).unwrap();
            all.push((packet.marker, packet.seq, packet.timestamp, packet.payload[0]));
        }
    }
    all
}

#[test]
fn a_clip_is_played_so_many_times_with_silence_between() {
    let mut track = Track::new(clip(Codec::Pcma, 3), 8, 2, FIRST);
    let all = packets(&mut track);
    let bytes: Vec<u8> = all.iter().map(|packet| packet.3).collect();
    assert_eq!(bytes[..3], [0, 1, 2]);
    assert!(bytes[3..28].iter().all(|byte| *byte == g711::A_SILENCE));
    assert_eq!(bytes[28..], [0, 1, 2]);
    // Numbers go on through their ends; only the first packet follows silence.
    assert_eq!((all[0].1, all[1].1), (0xffff, 0));
    assert_eq!((all[0].2, all[1].2), (0xffff_ff80, 0x20));
    let marked: Vec<bool> = all.iter().map(|packet| packet.0).collect();
    assert_eq!(marked.iter().filter(|marked| **marked).count(), 1);
    assert!(marked[0]);
}

/// G.722 has no byte for silence: nothing is sent, and time goes on.
#[test]
fn a_codec_without_silence_pauses_by_sending_nothing() {
    let mut track = Track::new(clip(Codec::G722, 2), 9, 2, FIRST);
    let all = packets(&mut track);
    assert_eq!(all.len(), 4);
    assert_eq!(all[2].1, all[1].1.wrapping_add(1));
    assert_eq!(all[2].2, all[1].2.wrapping_add(160 * 26));
    assert_eq!(all.iter().map(|packet| packet.0).collect::<Vec<_>>(), [true, false, true, false]);
}

#[test]
fn nothing_is_played_of_an_empty_clip_or_zero_times() {
    assert!(Track::new(clip(Codec::Pcma, 0), 8, 2, FIRST).is_over());
    assert!(Track::new(clip(Codec::Pcma, 2), 8, 0, FIRST).is_over());
}

#[test]
fn only_a_report_on_our_sound_proves_reception() {
    let sent = |packets: usize| {
        let mut track = Track::new(clip(Codec::Pcma, 200), 8, 1, FIRST);
        (0..packets).for_each(|_| assert!(track.next(&mut Vec::new())));
        track
    };
    let on = |ssrc: u32, past_first: u16| rtcp::Block {
        ssrc,
        highest_seq: 0x0001_0000 | u32::from(FIRST.seq.wrapping_add(past_first)),
        ..rtcp::Block::default()
    };
    // Of another stream, of none, hung at the start, ahead of what was sent.
    assert!(!sent(100).proves(&on(0xbad, 50)));
    assert!(!sent(100).proves(&rtcp::Block::default()));
    assert!(!sent(100).proves(&on(FIRST.ssrc, 24)));
    assert!(!sent(100).proves(&on(FIRST.ssrc, 100)));
    let mut track = sent(100);
    assert!(track.proves(&on(FIRST.ssrc, 99)));
    assert!(!track.proves(&on(FIRST.ssrc, 99)), "said once");
}

#[test]
fn ports_come_in_even_pairs_and_run_out_with_a_reason() {
    assert!(Ports::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), &(1..=9)).is_err());
    assert!(Ports::new(HERE, &(7001..=7002)).is_err());
    // A range that the tests of other programs do not use.
    let ports = Ports::new(HERE, &(23_401..=23_405)).unwrap();
    let (one, two) = (ports.pair().unwrap(), ports.pair().unwrap());
    assert_eq!((one.address().port(), two.address().port()), (23_402, 23_404));
    let why = ports.pair().unwrap_err().to_string();
    assert!(why.contains("23402") && why.contains("端口"), "{why}");
    drop(one);
    assert_eq!(ports.pair().unwrap().address().port(), 23_402);
}

/// A player and one device.
struct Bench {
    player: Player,
    heard: mpsc::Receiver<Heard>,
    counters: Arc<PlayerCounters>,
    rtp: tokio::net::UdpSocket,
    rtcp: tokio::net::UdpSocket,
    tasks: TaskTracker,
}

fn pair() -> PortPair {
    Ports::new(HERE, &(24_000..=31_999)).unwrap().pair().unwrap()
}

fn nearby() -> tokio::net::UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(HERE, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    tokio::net::UdpSocket::from_std(socket).unwrap()
}

impl Bench {
    fn new() -> Self {
        let (heard_by, heard) = mpsc::channel(64);
        let counters = Arc::new(PlayerCounters::default());
        let tasks = TaskTracker::new();
        let player = Player::start(heard_by, counters.clone(), &tasks, CancellationToken::new());
        Self { player, heard, counters, rtp: nearby(), rtcp: nearby(), tasks }
    }

    fn play(&self, frames: u8, times: u32) -> Sounding {
        self.play_from(pair(), frames, times, None)
    }

    fn play_from(
        &self,
        ports: PortPair,
        frames: u8,
        times: u32,
        ear: Option<Vec<(u8, Kind)>>,
    ) -> Sounding {
        let stream = Stream {
            call: 1,
            ports,
            rtp_to: self.rtp.local_addr().unwrap(),
            rtcp_to: self.rtcp.local_addr().unwrap(),
            payload_type: 8,
            clip: clip(Codec::Pcma, frames),
            times,
            first: FIRST,
            ear,
        };
        self.player.play(stream).unwrap()
    }

    /// The next packet: marker, sequence, time stamp, and when it came.
    async fn packet(&self) -> (bool, u16, u32, Instant) {
        let mut buffer = [0; 1_500];
        let len = timeout(PATIENCE, self.rtp.recv(&mut buffer)).await.unwrap().unwrap();
        let packet = rtp::parse(&buffer[..len]).unwrap();
        assert_eq!(packet.ssrc, FIRST.ssrc);
        (packet.marker, packet.seq, packet.timestamp, Instant::now())
    }

    async fn report(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 1_500];
        let received = timeout(PATIENCE, self.rtcp.recv_from(&mut buffer)).await.unwrap().unwrap();
        (buffer[..received.0].to_vec(), received.1)
    }

    async fn hears(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap()
    }
}

/// Late packets may be late; they must not add up.
#[tokio::test]
async fn a_speaker_gets_a_packet_every_20_ms_without_drift() {
    let mut bench = Bench::new();
    let _sounding = bench.play(100, 1);
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(bench.packet().await);
    }
    for (i, pair) in all.windows(2).enumerate() {
        let ((_, seq, at, _), (marker, next_seq, next_at, _)) = (pair[0], pair[1]);
        assert_eq!((marker, next_seq), (false, seq.wrapping_add(1)), "packet {i}");
        // A stall of the machine is allowed to leave frames out.
        assert_eq!(next_at.wrapping_sub(at) % 160, 0, "packet {i}");
    }
    assert!(all[0].0, "the first packet is marked");
    let took = all[99].3 - all[0].3;
    let frames = u64::from(all[99].2.wrapping_sub(all[0].2)) / 160;
    let due = Duration::from_millis(20 * frames);
    assert!(took + Duration::from_millis(60) > due && took < due + Duration::from_millis(500));
    assert_eq!(bench.hears().await, Heard::Began { call: 1 });
    assert_eq!(bench.counters.packets_sent(), 100);
}

#[tokio::test]
async fn a_report_that_follows_ours_is_evidence_of_reception() {
    let mut bench = Bench::new();
    let _sounding = bench.play(250, 1);
    assert_eq!(bench.hears().await, Heard::Began { call: 1 });
    let (first, node) = bench.report().await;
    assert_eq!(first[1], 200, "a sender's report prompts the device");
    for _ in 0..40 {
        bench.packet().await;
    }
    // A stranger on the same host may guess; only our SSRC counts.
    let mut datagram = Vec::new();
    for ssrc in [0xbad, FIRST.ssrc] {
        let highest_seq = u32::from(FIRST.seq.wrapping_add(35));
        let block = rtcp::Block { ssrc, highest_seq, ..rtcp::Block::default() };
        rtcp::write_receiver(9, &block, &mut datagram);
        bench.rtcp.send_to(&datagram, node).await.unwrap();
    }
    assert_eq!(bench.hears().await, Heard::Receiving { call: 1 });
    // A second later, the next report.
    assert_eq!(bench.report().await.0[1], 200);
}

#[tokio::test]
async fn a_speaker_falls_silent_the_moment_it_is_hung_up() {
    let bench = Bench::new();
    let sounding = bench.play(250, 1);
    bench.packet().await;
    drop(sounding);
    let mut goodbye = bench.report().await.0;
    while goodbye.len() < 8 || goodbye[goodbye.len() - 7] != 203 {
        goodbye = bench.report().await.0;
    }
    let sent = bench.counters.packets_sent();
    let mut arrived = 1;
    let mut buffer = [0; 1_500];
    while bench.rtp.try_recv(&mut buffer).is_ok() {
        arrived += 1;
    }
    assert_eq!(arrived, sent);
    assert!(sent < 5, "{sent} packets after the hang-up");
    // No stream, no timer: the task ends with its last handle.
    drop(bench.player);
    bench.tasks.close();
    timeout(PATIENCE, bench.tasks.wait()).await.unwrap();
}

/// The node is held up for 400 ms: twenty packets at once would overrun the
/// small buffer of a horn.
#[tokio::test]
async fn a_stall_is_skipped_not_made_up_for_in_a_burst() {
    let bench = Bench::new();
    let _sounding = bench.play(100, 1);
    bench.packet().await;
    // This runtime has one thread, so the player is held up, too.
    let held = std::time::Instant::now();
    while held.elapsed() < Duration::from_millis(400) {
        std::hint::spin_loop();
    }
    let mut last = bench.packet().await;
    let mut burst = 1;
    let jumped = loop {
        let next = bench.packet().await;
        let step = next.2.wrapping_sub(last.2) / 160;
        assert_eq!(next.1, last.1.wrapping_add(1), "no sequence number is left out");
        if step > 1 || last.0 {
            break (step, next.0 || last.0);
        }
        burst += 1;
        assert!(burst < 60, "never skipped");
        last = next;
    };
    assert!(jumped.1, "the packet after the gap is marked");
    assert!(bench.counters.frames_late() >= 15, "{}", bench.counters.frames_late());
}

/// An announcement that wants a key: two are pressed, each told by many packets,
/// while a stranger presses others.
#[tokio::test]
async fn keys_pressed_during_an_announcement_are_heard_once_each() {
    let mut bench = Bench::new();
    let ports = pair();
    let here = ports.address();
    let ear = Some(vec![(8, Kind::Pcma), (101, Kind::Event)]);
    let _sounding = bench.play_from(ports, 200, 9, ear);
    bench.packet().await;
    let stranger = UdpSocket::bind("127.0.0.66:0").unwrap();
    let mut buffer = Vec::new();
    for (seq, (timestamp, code)) in (0..).zip([(1_000, 1), (1_000, 1), (4_000, 2), (4_000, 2)]) {
        let payload = &[code, 0x8a, 3, 32];
        rtp::Packet { marker: false, payload_type: 101, seq, timestamp, ssrc: 3, payload }
            .write(&mut buffer);
        bench.rtp.send_to(&buffer, here).await.unwrap();
        buffer[12] += 5;
        stranger.send_to(&buffer, here).unwrap();
    }
    let mut keys = String::new();
    while keys.len() < 2 {
        if let Some(Heard::Digit { call: 1, digit, .. }) =
            timeout(PATIENCE, bench.heard.recv()).await.unwrap()
        {
            keys.push(digit);
        }
    }
    assert_eq!(keys, "12");
}
