//! Datagrams that nobody asked for.

use weir_signaling::wan::{Body, DATAGRAM_MAX, Frame, Packer, PackerConfig, SOUND_MAX};

use super::*;

fn bundle(channel: u16, seq: u16) -> Bytes {
    let mut packer = Packer::new(PackerConfig::default(), seq);
    let payload = vec![0x11; 160];
    let body = Body::Sound { codec: weir_signaling::wan::Codec::Pcma, payload };
    packer.frame(0, Frame { channel, step: seq, begins: false, again: false, body });
    Bytes::from(packer.pack(0).remove(0))
}

#[tokio::test]
async fn hostile_datagrams_are_counted_and_do_nothing() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let one = &sites.trunks[0];
    let mut call = sites.call([PCMA, PCMA]);
    let channel = call.trunks[0].channel();
    let other = one.open(NodeId(3)).unwrap();
    until("joined", || one.stats().ticks > 2).await;

    one.received(NodeId(9), bundle(channel, 0));
    let mut dice = 7_u32;
    for length in 0..100 {
        let noise = (0..length * 10).map(|_| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            dice.to_be_bytes()[0]
        });
        one.received(NODES[1], Bytes::from_iter(noise));
    }
    one.received(NODES[1], Bytes::from(vec![80; DATAGRAM_MAX + SOUND_MAX]));
    // Of a call that is another peer's, and of none.
    one.received(NodeId(3), bundle(channel, 1));
    one.received(NODES[1], bundle(channel.wrapping_add(1_000), 2));
    // Open, but not joined.
    one.received(NodeId(3), bundle(other.channel(), 3));
    until("all counted", || one.stats().unknown >= 3 && one.stats().broken >= 101).await;
    let stats = one.stats();
    assert_eq!((stats.strangers, stats.unknown, stats.broken), (1, 3, 101));
    assert_eq!((stats.frames_received, stats.bundles_unsent), (0, 0));

    // The call goes on.
    every_tick(30, |n| {
        call.phones[1].hum(PCMA, 440.0, n);
        call.phones[0].listen();
    })
    .await;
    assert!(windows(440.0, &call.phones[0].sound(PCMA)).0 >= 15);
    drop((call, other));
    sites.end().await;
}

#[tokio::test]
async fn a_flood_of_datagrams_is_bounded() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let one = &sites.trunks[0];
    let call = sites.call([PCMA, PCMA]);
    let channel = call.trunks[0].channel();
    for seq in 0..20_000 {
        one.received(NODES[1], bundle(channel, seq));
    }
    until("all read or dropped", || {
        let stats = one.stats();
        stats.bundles_received + stats.dropped == 20_000
    })
    .await;
    assert!(one.stats().dropped > 0);
    drop(call);
    sites.end().await;
}

#[tokio::test]
async fn only_the_relays_address_is_believed_at_the_port() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([PCMA, PCMA]);
    let to = call.trunks[0].address().unwrap();
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 78, 0, 1), 0)).unwrap();
    every_tick(20, |n| {
        let mut datagram = Vec::new();
        let (seq, timestamp) = (n as u16, n as u32 * 160);
        let payload = &[3; 160];
        rtp::Packet { marker: false, payload_type: 8, seq, timestamp, ssrc: 1, payload }
            .write(&mut datagram);
        stranger.send_to(&datagram, to).unwrap();
        call.phones[0].socket.send_to(b"no RTP", to).unwrap();
        call.phones[0].send(96, n * 160, &[3; 160]);
        call.phones[0].send(8, n * 160, &[3; 1_600]);
    })
    .await;
    until("all counted", || call.trunks[0].stats().unusable >= 60).await;
    let stats = call.trunks[0].stats();
    assert_eq!((stats.strangers, stats.unusable, stats.frames_sent), (20, 60, 0));
    drop(call);
    sites.end().await;
}
