//! Somebody calls for help.

use super::*;

fn help() -> Route {
    Route { groups: vec![group(&["P001"], 20), group(&["5402", "5403"], 20)], emergency: true }
}

#[test]
fn the_caller_hears_ringing_before_anything_rings() {
    let mut bench = Bench::calls(help(), &plain(1));
    assert_eq!(bench.log[0], Output::Ring { code: 180, sdp: None });
    let leg = bench.place("P001", 1)[0];
    assert_eq!(bench.rings(leg), []);
    bench.answers(leg, &plain(2));
    bench.hear(Leg::Caller, Event::Ended);
    assert!(matches!(bench.records().last(), Some(Record::Ended { missed: false, .. })));
}

#[test]
fn busy_or_gone_it_begins_again_until_somebody_answers() {
    let mut bench = Bench::calls(help(), &plain(1));
    let leg = bench.place("P001", 1)[0];
    bench.refuses(leg, 486);
    bench.not_placed("5402", NotPlaced::NotRegistered);
    let leg = bench.place("5403", 1)[0];
    bench.refuses(leg, 603);
    assert_eq!(bench.dialled(), ["P001", "5402", "5403"], "a pause, no hammering");
    bench.wait(2 * S);
    assert_eq!(bench.dialled(), ["P001", "5402", "5403", "P001"]);
    bench.place("P001", 1);
    bench.wait(20 * S);
    let leg = bench.place("5402", 1)[0];
    bench.answers(leg, &plain(2));
    assert_eq!(bench.bridge.by(), Some("5402"));
    bench.hear(Leg::Caller, Event::Ended);
    bench.wait(10 * S);
}

#[test]
fn after_three_minutes_it_is_missed_and_never_busy() {
    let mut bench = Bench::calls(help(), &plain(1));
    while bench.now_ms < 50_000 + 180 * S {
        for dial in bench.places.clone().into_values() {
            let leg = bench.place(&dial.number, 1)[0];
            if bench.watch.open.contains(&leg) {
                bench.refuses(leg, 486);
            }
        }
        assert_eq!(bench.refused(), None);
        bench.wait(500);
    }
    assert_eq!((bench.refused(), bench.why()), (Some(480), Why::NoAnswer));
    let missed = Record::Ended { why: Why::NoAnswer, by: None, talked_ms: None, missed: true };
    assert_eq!(bench.records(), [missed]);
    assert!(bench.dialled().len() < 300);
    bench.wait(10 * S);
}

#[test]
fn a_call_for_help_that_was_given_up_is_missed_too() {
    let mut bench = Bench::calls(help(), &plain(1));
    bench.place("P001", 1);
    bench.hear(Leg::Caller, Event::Ended);
    assert!(matches!(
        bench.records()[..],
        [Record::Ended { why: Why::Cancelled, missed: true, .. }]
    ));
}

#[test]
fn with_nobody_to_ring_it_rings_its_time_without_a_rush() {
    let mut bench = Bench::calls(Route { groups: vec![], emergency: true }, &plain(1));
    bench.wait(179 * S);
    assert_eq!(bench.refused(), None);
    bench.wait(S);
    assert_eq!(bench.refused(), Some(480));
}
