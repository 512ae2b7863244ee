//! The ear for tones: nine together through G.711, each left out once, holes, and
//! sound that is no tone.

use std::f64::consts::TAU;
use std::time::Duration;

use weir_fakes::sip::g711;
use weir_fakes::sip::sdp::Codec;
use weir_fakes::tones::{Ear, Look};

const TONES: [u32; 9] = [470, 610, 730, 900, 1_000, 1_130, 1_550, 1_700, 1_920];
/// −20 dBFS.
const LOUD: f64 = 3_276.0;
const FRAME: u32 = 160;

/// A frame of these tones together, as it comes out of a telephone's decoder.
fn frame(tones: &[(u32, f64)], nth: u32, codec: Codec) -> Vec<i16> {
    let sample = |at: u32| {
        let one = |(hz, loud): &(u32, f64)| loud * (TAU * f64::from(hz * at) / 8_000.0).sin();
        tones.iter().map(one).sum::<f64>() as i16
    };
    let samples: Vec<i16> = (0..FRAME).map(|at| sample(nth * FRAME + at)).collect();
    g711::encode(codec, &samples).and_then(|bytes| g711::decode(codec, &bytes)).unwrap_or_default()
}

fn ms(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

/// Plays frames from 0 up to `frames` but for those that are lost, and looks every
/// 200 ms; what was seen, look by look.
fn played(
    ear: &mut Ear,
    frames: u32,
    lost: impl Fn(u32) -> bool,
    heard: impl Fn(u32) -> Vec<i16>,
) -> Vec<Look> {
    let mut looks = Vec::new();
    for nth in 0..frames {
        if !lost(nth) {
            // Timestamps begin anywhere.
            let timestamp = 0xffff_f000_u32.wrapping_add(nth * FRAME);
            ear.takes(ms(nth * 20), timestamp, &heard(nth));
        }
        if nth % 10 == 9 {
            looks.push(ear.look(ms(nth * 20)));
        }
    }
    looks
}

fn all_but(left_out: u32) -> Vec<(u32, f64)> {
    TONES.iter().filter(|hz| **hz != left_out).map(|hz| (*hz, LOUD)).collect()
}

#[test]
fn each_of_nine_people_hears_the_other_eight_and_not_themselves() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        for own in TONES {
            let others = all_but(own);
            let mut ear = Ear::new(&TONES);
            let looks = played(&mut ear, 100, |_| false, |nth| frame(&others, nth, codec));
            for look in &looks[2..] {
                let expected: Vec<u32> = others.iter().map(|(hz, _)| *hz).collect();
                assert_eq!(look.heard, expected, "{own} in {codec:?}: {look:?}");
                assert!(look.holes.is_empty(), "{own} in {codec:?}: {look:?}");
                for (hz, db) in &look.levels_db {
                    let right = if *hz == own { *db < -50.0 } else { (-21.5..-18.5).contains(db) };
                    assert!(right, "{own} in {codec:?}: {look:?}");
                }
            }
        }
    }
}

#[test]
fn one_at_a_time_is_heard_at_a_fifth_of_its_level() {
    for hz in TONES {
        let mut ear = Ear::new(&TONES);
        let quiet = [(hz, LOUD / 5.0)];
        let looks = played(&mut ear, 50, |_| false, |nth| frame(&quiet, nth, Codec::Pcma));
        assert!(looks[2..].iter().all(|look| look.heard == [hz]), "{hz}: {looks:?}");
    }
}

/// All but one lose three packets together; the one pauses for 120 ms.
#[test]
fn a_hole_is_measured_in_the_tone_that_has_it() {
    let mut ear = Ear::new(&TONES);
    let sound = |nth: u32| match nth {
        120..126 => frame(&all_but(900), nth, Codec::Pcma),
        _ => frame(&all_but(1_920), nth, Codec::Pcma),
    };
    let looks = played(&mut ear, 250, |nth| (60..63).contains(&nth), sound);
    let holes: Vec<_> = looks.iter().flat_map(|look| look.holes.clone()).collect();
    let near = |ms: u64, is: u64| ms.abs_diff(is) <= 20;
    let lost: Vec<_> = holes.iter().filter(|hole| near(hole.at_ms, 1_200)).collect();
    assert_eq!(lost.len(), 8, "{holes:?}");
    assert!(lost.iter().all(|hole| near(hole.ms, 60)), "{holes:?}");
    let paused: Vec<_> = holes.iter().filter(|hole| near(hole.at_ms, 2_400)).collect();
    assert!(paused.len() == 1 && paused[0].hz == 900, "{holes:?}");
    assert!(near(paused[0].ms, 120), "{holes:?}");
    assert_eq!(holes.len(), 9, "{holes:?}");
    let gap = looks.iter().map(|look| look.gap_ms).max();
    assert_eq!(gap, Some(80), "three packets of 20 ms and the usual pause");
}

/// Somebody stops speaking: that is no hole, and they are heard no more.
#[test]
fn who_falls_silent_is_not_heard_and_leaves_no_hole() {
    let mut ear = Ear::new(&TONES);
    let sound = |nth: u32| match nth {
        50..150 => frame(&all_but(470), nth, Codec::Pcma),
        _ => frame(&all_but(0), nth, Codec::Pcma),
    };
    let looks = played(&mut ear, 250, |_| false, sound);
    let hears = |look: &Look| look.heard.contains(&470);
    assert!(looks[2..5].iter().all(hears) && looks[17..].iter().all(hears), "{looks:?}");
    assert!(!looks[7..14].iter().any(hears), "{looks:?}");
    assert!(looks.iter().all(|look| look.holes.is_empty()), "{looks:?}");
}

/// Noise below 2 kHz as loud as nine tones, and nothing at all.
#[test]
fn noise_is_no_tone_and_neither_is_silence() {
    let mut seed = 0x9e37_79b9_u32;
    let mut noise: Vec<i16> = Vec::new();
    let mut smooth = 0.0;
    for _ in 0..100 * FRAME {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        smooth += 0.4 * (f64::from(seed) / f64::from(u32::MAX) * 2.0 - 1.0 - smooth);
        noise.push((smooth * 12_000.0) as i16);
    }
    let heard = |nth: u32| noise[(nth * FRAME) as usize..][..FRAME as usize].to_vec();
    let looks = played(&mut Ear::new(&TONES), 100, |_| false, heard);
    let most = looks.iter().map(|look| look.heard.len()).max();
    // A fluke of the dice is no tone that stays.
    assert!(most <= Some(1), "{looks:?}");
    let mut deaf = Ear::new(&TONES);
    let look = deaf.look(ms(4_000));
    assert!(look.heard.is_empty() && look.holes.is_empty(), "{look:?}");
}
