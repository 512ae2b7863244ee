//! Keys on their way through.

use std::f32::consts::TAU;

use weir_signaling::digits::Way;

use super::*;
use crate::voice::g711;

const KEY: Sound = Sound { payload_type: 101, payload: &[5, 10, 0, 160], ..SOUND };

fn tones(low: f32, high: f32) -> Vec<u8> {
    let sample = |i: u16| {
        let time = f32::from(i) / 8_000.0;
        5_000.0 * ((TAU * low * time).sin() + (TAU * high * time).sin())
    };
    (0..800).map(|i| g711::a_encode(sample(i) as i16)).collect()
}

/// 100 ms of two tones, then as much silence.
fn press(bench: &mut Bench, side: Side, from: &str) {
    let sound: Vec<u8> = tones(770.0, 1_336.0).into_iter().chain([0xd5; 800]).collect();
    for (i, payload) in (0_u16..).zip(sound.chunks_exact(160)) {
        let mut bytes = SOUND.later(i).bytes();
        bytes[12..].copy_from_slice(payload);
        assert!(matches!(bench.take(0, side, from, &mut bytes), Fate::Sound(_)));
    }
}

#[test]
fn a_key_told_by_events_is_heard_once_and_still_passes() {
    let mut bench = Bench::new();
    for later in 0..5 {
        let packet = Sound { timestamp: SOUND.timestamp, ..KEY.later(later) };
        assert_eq!(bench.pass(0, Side::B, B, packet).0, A);
    }
    let digit = Heard::Digit { call: 42, side: Side::B, digit: '5', way: Way::Event };
    assert_eq!(bench.heard, [digit]);
    // On hold it is heard, too: perhaps by whoever holds.
    bench.join.aim(Side::A, None);
    assert_eq!(bench.take(900, Side::B, B, &mut KEY.later(50).bytes()), Fate::Held);
    assert_eq!(bench.heard.len(), 2);
}

#[test]
fn tones_are_listened_for_only_where_there_are_no_events() {
    let mut bench = Bench::new();
    bench.join.aim(Side::B, Some(Aim { formats: vec![(8, Kind::Pcma)], ..aim(B) }));
    press(&mut bench, Side::A, A);
    assert_eq!(bench.heard, []);
    press(&mut bench, Side::B, B);
    let digit = Heard::Digit { call: 42, side: Side::B, digit: '5', way: Way::Tone };
    assert_eq!(bench.heard, [digit]);
}

/// A gateway sends nothing while nobody speaks: between two equal keys there is
/// only a gap in its time stamps.
#[test]
fn a_gap_between_two_equal_keys_is_a_pause() {
    let mut bench = Bench::new();
    bench.join.aim(Side::B, Some(Aim { formats: vec![(8, Kind::Pcma)], ..aim(B) }));
    for start in [0_u16, 20] {
        for (i, payload) in (0_u16..).zip(tones(697.0, 1_209.0).chunks_exact(160)) {
            let seq = SOUND.seq + start / 4 + i;
            let mut bytes = Sound { seq, ..SOUND.later(start + i) }.bytes();
            bytes[12..].copy_from_slice(payload);
            bench.take(0, Side::B, B, &mut bytes);
        }
    }
    assert_eq!(bench.heard.len(), 2, "{:?}", bench.heard);
}
