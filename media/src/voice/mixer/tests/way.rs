//! Sound that comes late, twice, in the wrong order or by another clock.

use proptest::prelude::*;

use super::super::jitter::{Jitter, Put};
use super::*;

fn frame(value: i16) -> impl ExactSizeIterator<Item = i16> {
    std::iter::repeat_n(value, FRAME)
}

fn take(jitter: &mut Jitter) -> i16 {
    let mut out = [0; FRAME];
    jitter.take(&mut out);
    assert!(out.iter().all(|sample| *sample == out[0]), "a frame is torn");
    out[0]
}

/// Frame `n` as its sender numbers time.
fn at(n: u32) -> u32 {
    (u32::MAX - 3_000).wrapping_add(n * FRAME_STEPS)
}

#[test]
fn sound_is_played_forty_milliseconds_later() {
    let mut jitter = Jitter::default();
    let mut played = Vec::new();
    for n in 0..50_u32 {
        jitter.put(1, at(n), frame(i16::try_from(n).unwrap() + 1));
        played.push(take(&mut jitter));
    }
    let expected: Vec<i16> = (0..50).map(|n| (n - 1).max(0)).collect();
    assert_eq!(played, expected);
}

#[test]
fn packets_that_overtake_each_other_are_played_in_order() {
    let mut jitter = Jitter::default();
    let mut played = Vec::new();
    let order = [0_u32, 2, 1, 4, 3, 5, 6, 8, 7, 9, 9, 9];
    for n in order {
        jitter.put(1, at(n), frame(i16::try_from(n).unwrap() + 1));
        played.push(take(&mut jitter));
    }
    assert_eq!(played, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn what_is_lost_is_silence_and_what_is_late_is_dropped() {
    let mut jitter = Jitter::default();
    let mut played = Vec::new();
    for n in 0..10_u32 {
        if n != 4 {
            jitter.put(1, at(n), frame(i16::try_from(n).unwrap() + 1));
        }
        if n == 8 {
            assert_eq!(jitter.put(1, at(4), frame(5)), Put::Late);
        }
        played.push(take(&mut jitter));
    }
    assert_eq!(played, [0, 0, 1, 2, 3, 4, 0, 6, 7, 8]);
}

/// How many of the last frames were silence.
fn silent(played: &[i16]) -> usize {
    played.iter().filter(|value| **value == 0).count()
}

/// The way is suddenly 200 ms longer, later as short as before.
#[test]
fn a_way_that_changes_is_followed() {
    let mut jitter = Jitter::default();
    let mut played = Vec::new();
    for n in 0..1_000_u32 {
        match n {
            0..300 => _ = jitter.put(1, at(n), frame(1)),
            300..310 => {}
            310..600 => _ = jitter.put(1, at(n - 10), frame(1)),
            600 => (590..=600).for_each(|n| _ = jitter.put(1, at(n), frame(1))),
            _ => _ = jitter.put(1, at(n), frame(1)),
        }
        let mut out = [0; FRAME];
        jitter.take(&mut out);
        played.push(out[0]);
    }
    assert!(silent(&played[340..590]) == 0, "{:?}", &played[300..340]);
    assert_eq!(silent(&played[640..]), 0);
    // Nothing is held for long: the last that came is played soon.
    (0..13).for_each(|_| _ = jitter.take(&mut [0; FRAME]));
    assert!(!jitter.take(&mut [0; FRAME]));
}

/// Their clocks are 500 ppm too fast and too slow: over ten minutes nothing
/// grows, and little is lost.
#[test]
fn a_clock_that_drifts_is_followed() {
    for (ppm, allowed) in [(500_i64, 20), (-500, 200)] {
        let mut jitter = Jitter::default();
        let (mut sent, mut gaps) = (0_u32, 0);
        for tick in 0..30_000_i64 {
            while i64::from(sent) * 1_000_000 <= tick * (1_000_000 + ppm) {
                jitter.put(1, at(sent), frame(1));
                sent += 1;
            }
            let mut out = [0; FRAME];
            jitter.take(&mut out);
            gaps += usize::from(tick > 10 && out[0] == 0);
        }
        assert!(gaps < allowed, "{ppm} ppm: {gaps} gaps");
        let mut left = 0;
        while jitter.take(&mut [0; FRAME]) {
            left += 1;
        }
        assert!(left <= 8, "{ppm} ppm: {left} frames wait");
    }
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let mut jitter = Jitter::default();
    for n in 0..20 {
        jitter.put(1, at(n), frame(1));
        take(&mut jitter);
    }
    let mut played = Vec::new();
    for n in 0..20 {
        jitter.put(2, at(n).wrapping_add(1_000_000), frame(2));
        played.push(take(&mut jitter));
    }
    assert_eq!((played[..2].to_vec(), silent(&played[2..])), (vec![0; 2], 0));
}

/// Sixty milliseconds a packet, as one says over a satellite; ten, as another.
#[test]
fn packets_of_any_length_are_played_whole() {
    for (length, every) in [(480_u32, 3_u32), (240, 3)] {
        let mut jitter = Jitter::default();
        let mut played = Vec::new();
        let per_turn = every * FRAME_STEPS / length;
        for tick in 0..300_u32 {
            if tick % every == 0 {
                for n in 0..per_turn {
                    let timestamp = (tick / every * per_turn + n) * length;
                    let samples = std::iter::repeat_n(1, usize::try_from(length).unwrap());
                    jitter.put(1, timestamp, samples);
                }
            }
            played.push(take(&mut jitter));
        }
        assert_eq!(silent(&played[3..]), 0);
    }
}

proptest! {
    #[test]
    fn any_time_stamps_are_survived(
        packets in prop::collection::vec(
            (0..3_u32, prop_oneof![any::<u32>(), 0..5_000_u32], 0..2_000_usize, 0..4_u32),
            0..200,
        ),
    ) {
        let mut jitter = Jitter::default();
        for (ssrc, timestamp, length, skip) in packets {
            jitter.put(ssrc, timestamp, std::iter::repeat_n(1, length));
            jitter.append(&[1; FRAME]);
            jitter.take(&mut [0; FRAME]);
            if skip == 3 {
                jitter.skip(timestamp);
            }
        }
        // Whatever came, it is over after a quarter of a second.
        (0..13).for_each(|_| _ = jitter.take(&mut [0; FRAME]));
        prop_assert!(!jitter.take(&mut [0; FRAME]));
    }
}
