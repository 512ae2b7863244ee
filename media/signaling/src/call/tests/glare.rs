//! Both sides change the call at once.

use super::*;

#[test]
fn the_later_of_two_changes_is_told_to_try_again() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Caller, &said(1, "8", "sendonly"));
    let later = bench.changes(Leg::Callee(leg), &said(2, "8", "sendonly"));
    assert_eq!(later, [Output::Decline { leg: Leg::Callee(leg), code: 491 }]);
    let outputs = bench.agrees(Leg::Callee(leg), &said(2, "8", "recvonly"));
    assert!(matches!(outputs.last(), Some(Output::Record(Record::Changed { held: true, .. }))));
    // Then it is free again.
    let again = bench.changes(Leg::Callee(leg), &said(2, "8", "inactive"));
    assert!(matches!(again[..], [Output::Change { leg: Leg::Caller, .. }]));
    bench.input(Input::HangUp);
}

#[test]
fn a_change_during_an_unconfirmed_offer_is_told_to_try_again() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Callee(leg), "");
    let later = bench.changes(Leg::Caller, &said(1, "8", "sendonly"));
    assert_eq!(later, [Output::Decline { leg: Leg::Caller, code: 491 }]);
    // The ACK without its answer: all stays as it was.
    assert_eq!(bench.confirms(Leg::Callee(leg), ""), []);
    assert!(matches!(
        bench.changes(Leg::Caller, &said(1, "8", "sendonly"))[..],
        [Output::Change { .. }]
    ));
    bench.input(Input::HangUp);
}

#[test]
fn the_call_may_end_in_the_middle_of_a_change() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Caller, &said(1, "8", "sendonly"));
    let outputs = bench.hear(Leg::Callee(leg), Event::Ended);
    assert_eq!(hangs_up(&outputs), [Leg::Caller]);
    assert_eq!(bench.agrees(Leg::Callee(leg), &plain(2)), []);
}
