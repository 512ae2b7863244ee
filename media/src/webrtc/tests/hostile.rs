//! Offers and datagrams of anybody.

use std::net::UdpSocket;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::offer::{Terms, answer};
use super::*;

/// As Chromium 156 writes it, shortened: sound first, several codecs, a data
/// channel and a hidden address.
const CHROMIUM: &str = include_str!("chromium.sdp");

fn terms() -> Terms {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let certificate = crypto.dtls_provider.generate_certificate().unwrap();
    Terms { crypto, certificate, candidates: vec!["192.0.2.7:8443".parse().unwrap()] }
}

fn sections(sdp: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in sdp.split("\r\n") {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap().push(line);
    }
    sections
}

#[test]
fn of_all_that_a_browser_offers_only_h264_is_taken() {
    let opened = answer(&terms(), CHROMIUM, Instant::now()).unwrap();
    let answer = sections(&opened.answer);
    assert_eq!(answer.len(), 4, "{}", opened.answer);
    assert!(answer[0].contains(&"a=group:BUNDLE 1"));
    assert!(answer[0].contains(&"a=ice-lite"));
    assert_eq!(answer[1][0], "m=audio 0 UDP/TLS/RTP/SAVPF 0");
    assert_eq!(answer[2][0], "m=video 9 UDP/TLS/RTP/SAVPF 108 109");
    assert!(answer[2].contains(&"a=sendonly"));
    assert!(answer[2].contains(&"a=setup:passive"));
    let ours = answer[2].iter().filter(|line| line.starts_with("a=candidate:"));
    assert!(ours.clone().all(|line| line.contains("192.0.2.7 8443")) && ours.count() == 1);
    assert!(answer[2].iter().any(|line| line.contains("packetization-mode=1")));
    assert_eq!(answer[3][0], "m=application 0 UDP/DTLS/SCTP webrtc-datachannel");
    assert!(opened.answer.ends_with("\r\n"));
    assert_eq!(*opened.pt, 108);
}

#[test]
fn who_cannot_show_it_is_told_so_in_words() {
    let refused = |offer: &str| answer(&terms(), offer, Instant::now()).err().unwrap();
    let other = refused(&CHROMIUM.replace("H264", "VP8"));
    assert!(matches!(other, OfferError::NoH264), "{other}");
    assert!(other.to_string().contains("H.264") && other.to_string().contains("换用"));
    let high = refused(&CHROMIUM.replace("42e01f", "64001f"));
    assert!(matches!(high, OfferError::NoH264), "{high}");
    let sends = refused(&CHROMIUM.replace("a=recvonly", "a=sendonly"));
    assert!(matches!(sends, OfferError::NoVideo), "{sends}");
    assert!(matches!(refused(""), OfferError::Broken(_)));
    assert!(matches!(refused(&" ".repeat(70_000)), OfferError::TooLong));
    let many = format!("{CHROMIUM}{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(50));
    assert!(matches!(refused(&many), OfferError::Broken(_)));
}

/// Whatever is sent to the port, who watches goes on watching.
#[test]
fn garbage_on_the_port_disturbs_nobody() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut browser = bench.browser("dam");
    let stranger = UdpSocket::bind((HERE, 0)).unwrap();
    let port = bench.viewers.local();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let datagram = (prop::sample::select(vec![0_u8, 1, 20, 22, 63, 128, 129, 200]), 0..1_500_usize);
    for _ in 0..400 {
        let (first, length) = datagram.new_tree(&mut runner).unwrap().current();
        let mut bytes: Vec<u8> = (0..length).map(|_| runner.rng().random()).collect();
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        stranger.send_to(&bytes, port).unwrap();
        // The same from where the viewer is.
        browser.socket.send_to(&bytes, port).unwrap();
        browser.step();
    }
    picture.push(&key(0, 3_000, 1));
    browser.until("it still sees", |browser| browser.whole() == 1);
    let stats = bench.viewers.stats();
    assert_eq!((stats.viewers, stats.failed), (1, 0), "{stats:?}");
    assert!(stats.strangers + stats.broken > 0, "{stats:?}");
    let mut nothing = [0; 64];
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv_from(&mut nothing).is_err(), "strangers get no answer");
}

fn mangled() -> impl Strategy<Value = String> {
    let lines = CHROMIUM.lines().count();
    let edit = (0..lines, 0..6_u8, any::<u16>(), "\\PC{0,40}");
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut lines: Vec<String> = CHROMIUM.lines().map(str::to_owned).collect();
        for (at, how, number, text) in edits {
            let at = at % lines.len();
            match how {
                0 => drop(lines.remove(at)),
                1 => lines[at] = text,
                2 => lines.insert(at, lines[usize::from(number) % lines.len()].clone()),
                3 => lines[at].push_str(&text),
                4 => {
                    lines[at] = lines[at].replace(|c: char| c.is_ascii_digit(), &number.to_string())
                }
                _ => {
                    let half = lines[at].len() / 2;
                    lines[at] = lines[at].chars().take(half).collect();
                }
            }
            lines.push(String::new());
        }
        lines.join("\r\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_offer_of_any_shape_is_answered_or_refused(offer in mangled()) {
        if let Ok(opened) = answer(&terms(), &offer, Instant::now()) {
            prop_assert!(opened.answer.contains("a=group:BUNDLE"));
        }
    }

    #[test]
    fn any_text_is_answered_or_refused(offer in "(\\PC|[\r\n =:a-z]){0,400}") {
        let _ = answer(&terms(), &offer, Instant::now());
    }
}
