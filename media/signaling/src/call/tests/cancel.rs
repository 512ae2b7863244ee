//! The caller gives up, and what crosses it.

use super::*;

#[test]
fn the_caller_gives_up_and_every_device_stops_ringing() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    bench.early(legs[0], 183, &plain(2));
    let outputs = bench.hear(Leg::Caller, Event::Ended);
    assert_eq!(hangs_up(&outputs), [Leg::Callee(legs[0]), Leg::Callee(legs[1])]);
    assert_eq!(outputs.last(), Some(&Output::Over));
    assert_eq!((bench.refused(), bench.why()), (None, Why::Cancelled));
    assert_eq!(bench.answers(legs[1], &plain(3)), []);
}

#[test]
fn the_caller_gives_up_while_the_call_is_being_placed() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let outputs = bench.hear(Leg::Caller, Event::Ended);
    assert!(!outputs.contains(&Output::Over), "a device is about to ring");
    assert_eq!(bench.bridge.shown(), Shown::Over);
    bench.place("5402", 2);
    assert!(bench.watch.over && bench.watch.open.is_empty());
}

#[test]
fn a_call_that_is_never_placed_does_not_hold_the_end_for_long() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    bench.hear(Leg::Caller, Event::Ended);
    bench.wait(4 * S);
    assert!(!bench.watch.over);
    bench.wait(S);
    assert!(bench.watch.over);
    assert_eq!(bench.bridge.next_ms(), None);
}

/// CANCEL crossed our 200: the call lives until the caller's BYE.
#[test]
fn the_caller_gives_up_just_after_the_answer() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let leg = bench.place("5402", 1)[0];
    bench.answers(leg, &plain(2));
    let outputs = bench.hear(Leg::Caller, Event::Ended);
    assert_eq!(hangs_up(&outputs), [Leg::Callee(leg)]);
    assert_eq!(bench.why(), Why::CallerHungUp);
    assert_eq!(bench.hear(Leg::Callee(leg), Event::Ended), []);
}
