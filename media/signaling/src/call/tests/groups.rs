//! Several numbers, together and one after the other.

use super::*;

#[test]
fn nobody_picks_up_and_the_next_group_rings() {
    let route = ordinary(vec![group(&["5402", "5403"], 20), group(&["5404"], 30)]);
    let mut bench = Bench::calls(route, &plain(1));
    assert_eq!(bench.dialled(), ["5402", "5403"]);
    let (b, c) = (bench.place("5402", 1)[0], bench.place("5403", 1)[0]);
    bench.rings(b);
    let outputs = bench.wait(20 * S);
    assert_eq!(hangs_up(&outputs), [Leg::Callee(b), Leg::Callee(c)]);
    assert_eq!(bench.dialled(), ["5402", "5403", "5404"]);
    let d = bench.place("5404", 1)[0];
    let outputs = bench.wait(30 * S);
    assert_eq!(hangs_up(&outputs), [Leg::Callee(d)]);
    assert_eq!((bench.refused(), bench.why()), (Some(480), Why::NoAnswer));
}

#[test]
fn when_all_of_a_group_refused_the_next_does_not_wait() {
    let route = ordinary(vec![group(&["5402", "5403"], 20), group(&["5404"], 30)]);
    let mut bench = Bench::calls(route, &plain(1));
    let b = bench.place("5402", 1)[0];
    bench.refuses(b, 486);
    assert_eq!(bench.dialled().len(), 2, "5403 may still ring");
    bench.not_placed("5403", NotPlaced::NotRegistered);
    assert_eq!(bench.dialled().len(), 3);
    let d = bench.place("5404", 1)[0];
    bench.answers(d, &plain(4));
    assert_eq!(bench.bridge.by(), Some("5404"));
    bench.input(Input::HangUp);
}

#[test]
fn a_number_placed_after_its_groups_time_is_hung_up() {
    let route = ordinary(vec![group(&["5402"], 20), group(&["5404"], 30)]);
    let mut bench = Bench::calls(route, &plain(1));
    bench.wait(20 * S);
    let b = bench.place("5402", 2);
    assert_eq!(bench.watch.open.len(), 0, "{b:?}");
    let d = bench.place("5404", 1)[0];
    bench.answers(d, &plain(4));
    bench.hear(Leg::Caller, Event::Ended);
}

#[test]
fn all_groups_together_ring_three_minutes_at_most() {
    let route = ordinary(vec![group(&["5402"], 170), group(&["5403"], 170)]);
    let mut bench = Bench::calls(route, &plain(1));
    bench.place("5402", 1);
    bench.wait(170 * S);
    let Some(Output::Place { ring_ms, .. }) = bench.log.last() else { panic!() };
    assert_eq!(*ring_ms, 10 * S);
    bench.place("5403", 1);
    bench.wait(10 * S);
    assert_eq!((bench.refused(), bench.why()), (Some(480), Why::NoAnswer));
}

#[test]
fn a_number_named_twice_is_rung_once_and_a_trunk_once_for_each_it_dials() {
    let through = |dial: &str| Dial { number: "P290".into(), dial: Some(dial.into()), at: None };
    let numbers = vec![dial("5402"), dial("5402"), through("119"), through("110"), through("119")];
    let mut bench = Bench::calls(ordinary(vec![Group { numbers, ring_ms: 9 * S }]), &plain(1));
    assert_eq!(bench.dialled(), ["5402", "P290", "P290"]);
    bench.hear(Leg::Caller, Event::Ended);
    bench.wait(10 * S);
}
