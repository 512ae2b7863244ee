//! What is heard of a call between two sites.

use super::*;
use crate::wan::{Frames, OpusEncoder, codec::Packet};

/// Two telephones hum at each other for 4 s; what each heard is right.
async fn they_hear_each_other(road: Road, link: Link, telephones: [Telephone; 2], bad: usize) {
    let sites = Sites::new(road, link);
    let mut call = sites.call(telephones);
    let hums = [440.0, 1_000.0];
    every_tick(200 + road.delay_ms / 20, |n| {
        for (site, phone) in call.phones.iter_mut().enumerate() {
            phone.listen();
            if n < 200 {
                phone.hum(telephones[site], hums[site], n);
            }
        }
    })
    .await;
    for (site, phone) in call.phones.iter().enumerate() {
        let hz = hums[1 - site];
        let (span, missing) = windows(hz, &phone.sound(telephones[site]));
        println!("site {site}: {span} windows, {missing} of 1,000 without {hz} Hz");
        println!("{:?}", call.trunks[site].stats());
        assert!(span >= 180, "almost all was heard: {span}");
        assert!(missing <= bad, "{missing} of 1,000 windows were lost");
    }
    println!("{:?}", sites.trunks[0].stats());
    drop(call);
    sites.end().await;
}

#[tokio::test]
async fn over_a_cable_pcma_is_heard() {
    they_hear_each_other(Road::default(), Link::Terrestrial, [PCMA, PCMA], 20).await;
}

#[tokio::test]
async fn over_a_cable_the_two_laws_meet() {
    they_hear_each_other(Road::default(), Link::Terrestrial, [PCMA, PCMU], 20).await;
}

#[tokio::test]
async fn over_a_thin_line_a_tone_is_heard() {
    let road = Road { delay_ms: 40, loss_ppm: 15_000 };
    they_hear_each_other(road, THIN, [PCMA, PCMU], 40).await;
}

#[tokio::test]
async fn over_a_satellite_a_tone_is_heard() {
    let road = Road { delay_ms: 300, loss_ppm: 15_000 };
    they_hear_each_other(road, SATELLITE, [PCMA, PCMA], 60).await;
}

/// The ends need not learn at the same time what lies between.
#[tokio::test]
async fn ends_that_judge_the_path_differently_still_hear_each_other() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    sites.trunks[0].set_path(NODES[1], SATELLITE);
    assert_eq!(sites.trunks[0].path_of(NODES[1]), SATELLITE);
    let mut call = sites.call([PCMA, PCMA]);
    every_tick(100, |n| {
        for phone in &mut call.phones {
            phone.listen();
            phone.hum(PCMA, 440.0, n);
        }
    })
    .await;
    for phone in &call.phones {
        let (span, missing) = windows(440.0, &phone.sound(PCMA));
        assert!(span >= 70 && missing <= 50, "{span} windows, {missing} of 1,000 missing");
    }
    drop(call);
    sites.end().await;
}

/// What a telephone codes, the other one decodes: nothing of ours touches it.
async fn passes_as_it_is(telephone: Telephone, payloads: &[Vec<u8>], steps: u64) {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([telephone, telephone]);
    let count = payloads.len();
    every_tick(count as u64 + 10, |n| {
        call.phones[1].listen();
        if let Some(payload) = payloads.get(n as usize) {
            call.phones[0].send(telephone.payload_type, n * steps, payload);
        }
    })
    .await;
    let heard = call.phones[1].payloads(telephone.payload_type);
    let mut sent = payloads.iter();
    let ours: Vec<_> = heard.iter().filter(|one| payloads.contains(one)).collect();
    assert!(ours.len() + 5 >= count, "{} of {count}", ours.len());
    assert!(ours.iter().all(|one| sent.any(|sent| sent == *one)), "in order, once each");
    drop(call);
    sites.end().await;
}

#[tokio::test]
async fn over_a_cable_pcmu_and_g722_pass_byte_by_byte() {
    let payloads: Vec<Vec<u8>> = (0..100_u8).map(|n| [n | 1, n, 7, 9].repeat(40)).collect();
    for (codec, payload_type) in [(Codec::Pcmu, 0), (Codec::G722, 9)] {
        let telephone = Telephone { codec, payload_type, event_type: None };
        passes_as_it_is(telephone, &payloads, 160).await;
    }
}

#[tokio::test]
async fn over_a_cable_opus_passes_byte_by_byte() {
    let mut opus = OpusEncoder::new(Frames::Ms20, 24_000, false).unwrap();
    let packets = (0..100_u64).map(|n| {
        let sound: Vec<i16> =
            (n * 320..(n + 1) * 320).map(|at| tone(150.0 + n as f64, at)).collect();
        match opus.encode(&sound).unwrap() {
            Packet::Sound(packet) => packet,
            Packet::Silence => panic!("it hums"),
        }
    });
    let packets: Vec<_> = packets.collect();
    let telephone = Telephone { codec: Codec::Opus, payload_type: 111, event_type: None };
    passes_as_it_is(telephone, &packets, 960).await;
}

#[tokio::test]
async fn keys_arrive_once_and_in_order_over_a_satellite() {
    let sites = Sites::new(Road { delay_ms: 300, loss_ppm: 30_000 }, SATELLITE);
    let mut call = sites.call([PCMA, PCMA]);
    let keys = [1, 5, 5, 11, 0, 9];
    every_tick(200, |n| {
        call.phones[1].listen();
        if n >= 20 {
            press(&mut call.phones[0], &keys, n - 20);
        }
        call.phones[0].hum(PCMA, 440.0, n);
    })
    .await;
    assert_eq!(call.phones[1].keys(), keys);
    let (sent, received) = (call.trunks[0].stats(), call.trunks[1].stats());
    // Down, and let go.
    assert_eq!(sent.keys_sent, 12);
    assert!(received.keys_received >= 6);
    drop(call);
    sites.end().await;
}

/// The relay has something to say of who is silent: our reports show that the
/// port lives, and how the telephone's packets reach it.
#[tokio::test]
async fn reports_go_to_the_next_port() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([PCMA, PCMA]);
    let pair = ports().pair().unwrap();
    let theirs = call.trunks[1].channel();
    call.phones[0].socket = pair.rtp.try_clone().unwrap();
    call.trunks[0].join(theirs, PCMA, Some(pair.address()));
    every_tick(270, |n| call.phones[0].hum(PCMA, 440.0, n)).await;
    let mut datagram = [0; 200];
    let length = pair.rtcp.recv(&mut datagram).unwrap();
    let blocks = crate::voice::rtcp::blocks(&datagram[..length]);
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].ssrc, blocks[0].lost), (0xabcd, 0));
    drop(call);
    sites.end().await;
}
