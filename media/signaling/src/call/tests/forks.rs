//! Several devices ring; one is picked up.

use super::*;

#[test]
fn the_first_answer_wins_and_all_others_are_hung_up_at_once() {
    let route = ordinary(vec![group(&["5402", "5403"], 60)]);
    let mut bench = Bench::calls(route, &plain(1));
    let (b, c) = (bench.place("5402", 3), bench.place("5403", 1)[0]);
    b.iter().for_each(|leg| drop(bench.rings(*leg)));
    let outputs = bench.answers(b[1], &plain(2));
    assert_eq!(hangs_up(&outputs), [Leg::Callee(b[0]), Leg::Callee(b[2]), Leg::Callee(c)]);
    assert_eq!(bench.bridge.by(), Some("5402"));
    // Its 200 crossed: it was told to hang up, and is not told twice.
    assert_eq!(bench.answers(c, &plain(3)), []);
    assert_eq!(bench.hear(Leg::Callee(c), Event::Ended), []);
    assert_eq!(bench.aim(Side::B).unwrap().leg, Leg::Callee(b[1]));
    bench.hear(Leg::Caller, Event::Ended);
}

#[test]
fn a_device_placed_after_the_answer_is_hung_up() {
    let route = ordinary(vec![group(&["5402", "5403"], 60)]);
    let mut bench = Bench::calls(route, &plain(1));
    let b = bench.place("5402", 1)[0];
    bench.answers(b, &plain(2));
    bench.place("5403", 2);
    assert_eq!(bench.watch.open, [b].into());
    bench.hear(Leg::Caller, Event::Ended);
}

#[test]
fn one_that_cannot_talk_leaves_the_others_ringing() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    let outputs = bench.answers(legs[0], &said(2, "96", "sendrecv"));
    assert_eq!(outputs, [Output::HangUp { leg: Leg::Callee(legs[0]) }]);
    bench.answers(legs[1], &plain(3));
    assert_eq!(bench.bridge.shown(), Shown::Talking);
    bench.input(Input::HangUp);
}

#[test]
fn no_more_than_thirty_two_ring() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    bench.place("5402", 40);
    assert_eq!(bench.watch.open.len(), LEGS_MAX);
    bench.hear(Leg::Caller, Event::Ended);
    let names: Vec<String> = (0..40).map(|n| format!("54{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::calls(ordinary(vec![group(&names, 20)]), &plain(1));
    assert_eq!(bench.dialled().len(), LEGS_MAX);
    bench.hear(Leg::Caller, Event::Ended);
    bench.wait(10 * S);
}
