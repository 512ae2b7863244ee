//! RFC 4733 packets and INFO bodies, as sent and as broken.

use proptest::prelude::*;

use super::super::*;

fn packet(code: u8, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [code, u8::from(end) << 7 | 10, high, low]
}

#[test]
fn a_key_is_told_by_many_packets_and_ended_by_three() {
    let mut reader = event::Reader::default();
    let mut keys = String::new();
    for (timestamp, code) in [(1_000, 4), (5_000, 4), (9_000, 11)] {
        let lasting = (1..6).map(|i| packet(code, false, i * 160));
        for payload in lasting.chain([packet(code, true, 960); 3]) {
            keys.extend(reader.hear(7, timestamp, &payload));
        }
    }
    assert_eq!(keys, "44#");
}

#[test]
fn a_key_counts_when_only_its_end_arrived_and_not_again_when_overtaken() {
    let mut reader = event::Reader::default();
    assert_eq!(reader.hear(7, 1_000, &packet(1, true, 800)), Some('1'));
    assert_eq!(reader.hear(7, 3_000, &packet(2, false, 160)), Some('2'));
    assert_eq!(reader.hear(7, 1_000, &packet(1, true, 800)), None);
    // Another sender, whose clock says nothing about the first's.
    assert_eq!(reader.hear(8, 900, &packet(2, false, 160)), Some('2'));
}

/// The longest duration is 8.2 s: a key held longer goes on in a new segment.
#[test]
fn a_key_held_for_ten_seconds_is_one_key() {
    let mut reader = event::Reader::default();
    assert_eq!(reader.hear(7, 0, &packet(9, false, 160)), Some('9'));
    assert_eq!(reader.hear(7, 0, &packet(9, false, 0xffff)), None);
    assert_eq!(reader.hear(7, 0xffff, &packet(9, false, 160)), None);
    assert_eq!(reader.hear(7, 0xffff, &packet(9, true, 9_000)), None);
    assert_eq!(reader.hear(7, 0x1_ffff, &packet(9, false, 160)), Some('9'));
}

#[test]
fn what_no_keypad_has_is_no_key() {
    let mut reader = event::Reader::default();
    assert_eq!(reader.hear(7, 0, &packet(16, false, 160)), None);
    assert_eq!(reader.hear(7, 0, &packet(5, false, 160)[..3]), None);
    assert_eq!(reader.hear(7, 0, &packet(15, false, 160)), Some('D'));
}

#[test]
fn info_bodies_of_all_makers_are_read() {
    let said = |kind: &str, body: &str| {
        info::read(kind, body.as_bytes()).map(|pressed| (pressed.digit, pressed.held_ms))
    };
    let relay = "application/dtmf-relay";
    assert_eq!(said(relay, "Signal=5\r\nDuration=240\r\n"), Some(('5', 240)));
    assert_eq!(said(relay, "Duration= 99\nSignal= *"), Some(('*', 99)));
    assert_eq!(said("Application/DTMF-Relay; x=y", "signal=#"), Some(('#', 160)));
    assert_eq!(said(relay, "Signal=11\r\nDuration=none"), Some(('#', 160)));
    assert_eq!(said(relay, "Signal=d"), Some(('D', 160)));
    assert_eq!(said(relay, "7"), Some(('7', 160)));
    assert_eq!(said("application/dtmf", "7\r\n"), Some(('7', 160)));
    assert_eq!(said("application/dtmf", " 10 "), Some(('*', 160)));
    assert_eq!(said(relay, "Signal=5\r\nDuration=4000000000"), Some(('5', 10_000)));
    for (kind, body) in [
        ("application/sdp", "Signal=5"),
        ("text/plain", "5"),
        (relay, ""),
        (relay, "Signal=hf"),
        (relay, "Signal=16"),
        (relay, "Signal="),
        (relay, "Signal=!\r\nSignal=5"),
        ("application/dtmf", "55"),
    ] {
        assert_eq!(said(kind, body), None, "{kind} {body}");
    }
    assert_eq!(info::read(relay, &[b' '; 300]), None);
    assert_eq!(info::read(relay, &[0xff, b'5']), None);
}

proptest! {
    #[test]
    fn nothing_that_arrives_panics(
        packets in prop::collection::vec(
            (0..3_u32, any::<u32>(), prop::collection::vec(any::<u8>(), 0..8)), 0..40),
        body in prop::collection::vec(any::<u8>(), 0..300),
        text in "(Signal|Duration|[a-z]{0,3})[ =]{0,3}\\PC{0,12}",
    ) {
        let mut reader = event::Reader::default();
        for (ssrc, timestamp, payload) in packets {
            let _ = reader.hear(ssrc, timestamp, &payload);
        }
        let _ = info::read("application/dtmf", &body);
        if let Some(pressed) = info::read("application/dtmf-relay", text.as_bytes()) {
            prop_assert!(pressed.held_ms <= 10_000);
        }
    }
}
