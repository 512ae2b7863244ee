//! A caller that wants to be offered: INVITE without SDP.

use super::*;

fn answered(answer: &str) -> (Bench, LegId, Vec<Output>) {
    let mut bench = Bench::calls(to_5402(), "");
    let kinds: Vec<sdp::Kind> = heard(&bench.log).formats.iter().map(|one| one.kind).collect();
    assert_eq!(kinds.len(), 5);
    let leg = bench.place("5402", 1)[0];
    let outputs = bench.answers(leg, answer);
    (bench, leg, outputs)
}

#[test]
fn the_caller_answers_in_its_ack() {
    let (mut bench, leg, outputs) = answered(&said(2, "9 8 101", "sendrecv"));
    assert_eq!(numbers(&heard(&outputs)), [9, 8, 101]);
    assert_eq!(bench.aim(Side::A), None, "nobody knows where the caller is");
    assert_eq!(bench.aim(Side::B).unwrap().leg, Leg::Callee(leg));
    let outputs = bench.confirms(Leg::Caller, &said(1, "9 8 101", "sendrecv"));
    assert!(matches!(outputs[..], [Output::Aim { side: Side::A, .. }]));
    assert_eq!(bench.aim(Side::A).unwrap().rtp.to_string(), "10.0.0.1:4000");
    bench.hear(Leg::Caller, Event::Ended);
    assert_eq!(bench.why(), Why::CallerHungUp);
}

#[test]
fn the_callee_is_asked_again_when_the_caller_takes_less() {
    let (mut bench, leg, _) = answered(&said(2, "9 8 101", "sendrecv"));
    let outputs = bench.confirms(Leg::Caller, &said(1, "8", "sendrecv"));
    assert!(matches!(outputs.last(), Some(Output::Change { leg: Leg::Callee(_), .. })));
    assert_eq!(numbers(&heard(&outputs)), [8]);
    bench.agrees(Leg::Callee(leg), &said(2, "8", "sendrecv"));
    bench.input(Input::HangUp);
}

#[test]
fn an_ack_without_an_answer_ends_the_call() {
    for ack in ["", "garbage", &said(1, "0", "sendrecv")] {
        let (mut bench, leg, _) = answered(&said(2, "8", "sendrecv"));
        let outputs = bench.confirms(Leg::Caller, ack);
        assert_eq!(hangs_up(&outputs), [Leg::Caller, Leg::Callee(leg)]);
        assert_eq!(bench.why(), Why::Refused { code: 488 });
    }
    let (mut bench, leg, _) = answered(&said(2, "8", "sendrecv"));
    assert_eq!(hangs_up(&bench.wait(40 * S)), [Leg::Caller, Leg::Callee(leg)]);
}

#[test]
fn there_is_no_early_sound_without_an_offer() {
    let mut bench = Bench::calls(to_5402(), "");
    let leg = bench.place("5402", 1)[0];
    assert_eq!(bench.early(leg, 183, &plain(2)), []);
    assert_eq!(bench.early(leg, 180, &plain(2)), [Output::Ring { code: 180, sdp: None }]);
    bench.hear(Leg::Caller, Event::Ended);
}

#[test]
fn a_change_of_the_callee_waits_for_the_ack() {
    let (mut bench, leg, _) = answered(&said(2, "8 101", "sendrecv"));
    let outputs = bench.changes(Leg::Callee(leg), &said(2, "8 101", "sendonly"));
    assert_eq!(outputs, [Output::Decline { leg: Leg::Callee(leg), code: 491 }]);
    bench.confirms(Leg::Caller, &said(1, "8 101", "sendrecv"));
    bench.input(Input::HangUp);
}
