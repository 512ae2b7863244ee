//! Random and damaged bytes: nothing from a wire may panic, and what can be
//! answered is answered readably.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::frame::{Framed, Framer};
use super::super::throttle::{Key, Throttle};
use super::super::trial::any_bytes;

const SEEDS: [&str; 4] = [
    "REGISTER sip:weir SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKx;rport\r\n\
     From: \"a \\\" <b\" <sip:5001@weir>;tag=1\r\nTo: <sip:5001@weir>\r\nCall-ID: c@d\r\n\
     CSeq: 1 REGISTER\r\nContact: <sip:a@b;x=1>;q=0.5;expires=3, sip:c@d;expires=9\r\n\
     Authorization: Digest username=\"5001\", realm=\"weir\", nonce=\"0\", uri=\"sip:weir\", \
     response=\"00000000000000000000000000000000\", qop=auth, nc=0000000a, cnonce=\"x\"\r\n\
     Path: <sip:p;lr>\r\nContent-Length: 0\r\n\r\n",
    "INVITE tel:+86-10-5001 SIP/2.0\r\nv: SIP / 2.0 / TCP h ;branch = z9hG4bKy , SIP/2.0/UDP i\r\n\
     f: sip:a@b;tag=2\r\nt: <sip:b@c>;tag=3\r\ni: e\r\nCSeq:\r\n 2\r\n INVITE\r\nl: 3\r\n\r\nabc",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKz\r\nFrom: <sip:a@b>;tag=1\r\n\
     To: <sip:b@c>;tag=2\r\nCall-ID: f\r\nCSeq: 1 INVITE\r\nContact: <sip:[::1]:9>\r\n\
     Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContent-Length: 0\r\n\r\n",
    "OPTIONS sip:weir SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: \u{7f16}\u{7801} <sip:a@b>;tag=1\r\n\
     To: sip:b@c\r\nCall-ID: g\r\nCSeq: 4 OPTIONS\r\nMax-Forwards: 0\r\n\r\n",
];

/// A seed with bytes written over, put in and taken out.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (0..SEEDS.len(), prop::collection::vec(edit, 0..12)).prop_map(|(seed, edits)| {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte, how) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600), cut in 0..600_usize,
    ) {
        any_bytes(&bytes, cut);
    }

    #[test]
    fn damaged_messages_never_panic(bytes in damaged(), cut in 0..600_usize) {
        any_bytes(&bytes, cut);
    }

    /// However the stream is cut, the same messages come out of it.
    #[test]
    fn a_stream_reads_the_same_in_any_pieces(
        seeds in prop::collection::vec(0..SEEDS.len(), 1..5),
        cuts in prop::collection::vec(1..40_usize, 1..60),
    ) {
        let whole: Vec<u8> = seeds.iter().flat_map(|seed| SEEDS[*seed].bytes()).collect();
        let (mut framer, mut rest, mut read) = (Framer::default(), whole.as_slice(), 0);
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            framer.push(piece);
            while let Framed::Message(bytes) = framer.next() {
                prop_assert_eq!(&bytes, SEEDS[seeds[read]].as_bytes());
                read += 1;
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, seeds.len());
    }
}

#[test]
fn a_body_in_single_bytes_costs_one_reading_of_its_head() {
    let mut framer = Framer::default();
    let head = format!("OPTIONS sip:weir SIP/2.0\r\nX: {}\r\nl: 500\r\n\r\n", "y".repeat(9_000));
    framer.push(head.as_bytes());
    for byte in 0..500_u32 {
        assert_eq!(framer.next(), Framed::Wait, "{byte}");
        framer.push(b"b");
    }
    let Framed::Message(whole) = framer.next() else { panic!("not whole") };
    assert_eq!((whole.len(), framer.heads_read), (head.len() + 500, 1));
    // The next one is read for itself.
    framer.push(SEEDS[3].as_bytes());
    assert_eq!(framer.next(), Framed::Message(SEEDS[3].into()));
    assert_eq!(framer.heads_read, 2);
}

#[test]
fn every_seed_can_be_answered() {
    for seed in SEEDS {
        assert_eq!(any_bytes(seed.as_bytes(), 30), 2, "{seed}");
    }
}

#[test]
fn sources_without_end_share_what_room_there_is() {
    let mut throttle = Throttle::new(2, 1_000, 100);
    let source = |n: u32| Key::source(IpAddr::V4(n.into()));
    for n in 0..10_000 {
        throttle.take(0, &source(n));
    }
    assert!(throttle.len() <= 101, "{}", throttle.len());
    // Newcomers share one bucket, and it is empty; an hour later there is room.
    assert!(!throttle.take(0, &source(50_000)));
    assert!(throttle.take(3_600_000, &source(50_000)));
    // One customer is one source, whatever address of its /64 it uses.
    let one = |text: &str| Key::source(text.parse().unwrap());
    assert_eq!(one("2001:db8::1"), one("2001:db8::ffff:1"));
    assert_eq!(one("::ffff:192.0.2.1"), one("192.0.2.1"));
}
