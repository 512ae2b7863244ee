//! A picture's clock and what is kept of it, in simulated time.

use super::pack::{Frame, Packer};
use super::stage::{Next, Stage};
use super::*;

fn frame(unit: &Unit) -> Arc<Frame> {
    let mut packer = Packer::default();
    Arc::new(packer.pack(unit).unwrap())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_clock_only_goes_forward_whoever_the_source_is() {
    let began = Instant::now();
    let mut stage = Stage::new(u32::MAX - 1_000);
    let mut show = |at: u64, at_ms: u32| stage.show(began + ms(at), &frame(&delta(at_ms, 10, 1)));
    let first = show(0, u32::MAX - 20);
    assert_eq!(show(40, 19).wrapping_sub(first), 40 * 90, "the source's clock wraps");
    assert_eq!(show(45, 59).wrapping_sub(first), 80 * 90, "jitter on the way is not the source's");
    // It starts again from nothing, two seconds later.
    assert_eq!(show(2_045, 0).wrapping_sub(first), 2_080 * 90);
    // Twice the same, or backwards a little: still forward.
    assert_eq!(show(2_045, 0).wrapping_sub(first), 2_081 * 90);
    assert_eq!(show(2_046, u32::MAX).wrapping_sub(first), 2_082 * 90);
}

/// A browser would stand still for the time that the new source's clock is ahead.
#[test]
fn a_source_that_starts_again_with_a_later_clock_skips_no_time() {
    let began = Instant::now();
    let mut stage = Stage::new(0);
    let mut show = |at: u64, at_ms: u32| stage.show(began + ms(at), &frame(&delta(at_ms, 10, 1)));
    show(0, 8_000);
    assert_eq!(show(740, 12_345), 740 * 90);
    assert_eq!(show(780, 12_385), 780 * 90);
}

#[test]
fn frames_that_were_held_up_keep_their_own_times() {
    let began = Instant::now();
    let mut stage = Stage::new(0);
    let mut show = |at: u64, at_ms: u32| stage.show(began + ms(at), &frame(&delta(at_ms, 10, 1)));
    show(0, 0);
    // A road that is closed for three seconds.
    let held: Vec<u32> = (1..=75).map(|number| show(3_000, number * 40)).collect();
    assert_eq!(held.last(), Some(&(3_000 * 90)));
    assert!(held.windows(2).all(|two| two[1] - two[0] == 40 * 90));
    // A source that slept for a minute, and its clock with it.
    assert_eq!(show(63_000, 3_040), 63_000 * 90);
}

/// What a late viewer gets: times and first bytes of its payloads.
fn all(stage: &Stage) -> Vec<(u32, bool)> {
    let mut got = Vec::new();
    let mut place = stage.begin().unwrap();
    while let Next::Payload { ticks, marker, then, .. } = stage.next(place) {
        got.push((ticks, marker));
        place = then;
    }
    assert!(matches!(stage.next(place), Next::Caught));
    got
}

#[test]
fn a_late_viewer_is_given_times_that_let_it_catch_up() {
    let began = Instant::now();
    let mut stage = Stage::new(0);
    stage.show(began, &frame(&key(0, 10, 1)));
    for number in 1..=50_u32 {
        let at = began + ms(u64::from(number) * 40);
        stage.show(at, &frame(&delta(number * 40, 10, 1)));
    }
    let got = all(&stage);
    // STAP-A and IDR, then one packet each.
    assert_eq!(got.len(), 52);
    let newest = 2_000 * 90;
    assert_eq!(got.last(), Some(&(newest, true)));
    assert_eq!(got[0], (newest - 50 * 90, false));
    assert!(got.windows(2).all(|two| two[0].0 <= two[1].0));
}

#[test]
fn more_than_is_good_is_not_kept() {
    let now = Instant::now();
    let mut stage = Stage::new(0);
    stage.show(now, &frame(&delta(0, 10, 1)));
    assert!(stage.begin().is_none(), "without a key frame there is nothing to begin with");
    stage.show(now, &frame(&key(0, 10, 1)));
    for number in 1..300 {
        stage.show(now, &frame(&delta(number, 10, 1)));
    }
    assert!(stage.begin().is_some());
    let place = stage.begin().unwrap();
    stage.show(now, &frame(&delta(300, 10, 1)));
    assert!(stage.begin().is_none(), "300 frames");
    assert!(matches!(stage.next(place), Next::Gone));
    stage.show(now, &frame(&key(301, 390_000, 1)));
    for number in 302..309 {
        stage.show(now, &frame(&delta(number, 390_000, 1)));
    }
    assert!(stage.begin().is_none(), "3 MB");
    stage.show(now, &frame(&key(310, 10, 1)));
    assert!(stage.begin().is_some());
}

#[test]
fn however_many_ask_a_source_hears_it_once_a_second() {
    let began = Instant::now();
    let mut stage = Stage::new(0);
    assert!(!stage.ask(began));
    stage.want_key();
    assert!(stage.ask(began));
    stage.want_key();
    assert!(!stage.ask(began + ms(999)));
    assert_eq!(stage.asks_at(), Some(began + ms(1_000)));
    assert!(stage.ask(began + ms(1_000)));
    stage.want_key();
    // It comes by itself.
    stage.show(began + ms(1_500), &frame(&key(0, 10, 1)));
    assert!(!stage.ask(began + ms(3_000)));
    assert_eq!(stage.asks_at(), None);
}
