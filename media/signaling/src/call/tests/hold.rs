//! Hold, resume and other changes in the middle of a call.

use super::*;

fn changed(bench: &Bench) -> usize {
    bench.records().iter().filter(|record| matches!(record, Record::Changed { .. })).count()
}

/// Hold by one side, and back.
fn hold_and_resume(holder: fn(LegId) -> Leg, held: fn(LegId) -> Leg, sides: [Side; 2]) {
    let (mut bench, id) = Bench::talk();
    let (holder, held) = (holder(id), held(id));
    let outputs = bench.changes(holder, &said(7, "8 0 101", "sendonly"));
    assert!(matches!(&outputs[..], [Output::Change { leg, .. }] if *leg == held));
    assert_eq!(heard(&outputs).direction, sdp::Direction::SendOnly);
    assert!(bench.aim(sides[0]).unwrap().hears, "nothing is agreed yet");

    let outputs = bench.agrees(held, &said(8, "8 0 101", "recvonly"));
    assert_eq!(heard(&outputs).direction, sdp::Direction::RecvOnly);
    let (a, b) = (bench.aim(sides[0]).unwrap(), bench.aim(sides[1]).unwrap());
    assert_eq!((a.hears, b.hears), (false, true));
    assert_eq!(a.rtp.to_string(), "10.0.0.7:4000");
    assert_eq!((bench.bridge.shown(), changed(&bench)), (Shown::Held, 1));

    let outputs = bench.changes(holder, &said(7, "8 0 101", "sendrecv"));
    assert_eq!(heard(&outputs).direction, sdp::Direction::Both);
    bench.agrees(held, &said(8, "8 0 101", "sendrecv"));
    assert!(bench.aim(sides[0]).unwrap().hears && bench.aim(sides[1]).unwrap().hears);
    assert_eq!((bench.bridge.shown(), changed(&bench)), (Shown::Talking, 1));
    bench.input(Input::HangUp);
}

#[test]
fn either_side_puts_the_other_on_hold_and_comes_back() {
    hold_and_resume(|_| Leg::Caller, Leg::Callee, [Side::A, Side::B]);
    hold_and_resume(Leg::Callee, |_| Leg::Caller, [Side::B, Side::A]);
}

#[test]
fn a_hold_with_an_address_of_zeros_stops_the_sound_and_is_passed_on() {
    let (mut bench, leg) = Bench::talk();
    let old = plain(1).replace("IP4 10.0.0.1\r\nt", "IP4 0.0.0.0\r\nt");
    assert!(old.contains("0.0.0.0"));
    let outputs = bench.changes(Leg::Caller, &old);
    assert_eq!(heard(&outputs).direction, sdp::Direction::SendOnly);
    bench.agrees(Leg::Callee(leg), &said(2, "8 0 101", "recvonly"));
    let aim = bench.aim(Side::A).unwrap();
    // Where it was: its sound is still believed to come from there.
    assert_eq!((aim.hears, aim.rtp.to_string()), (false, "10.0.0.1:4000".into()));
    bench.input(Input::HangUp);
}

#[test]
fn a_refused_change_changes_nothing() {
    let (mut bench, leg) = Bench::talk();
    let before = (bench.aim(Side::A), bench.aim(Side::B));
    for (code, passed) in [(488, 488), (491, 491), (408, 500), (481, 500), (401, 488), (0, 488)] {
        bench.changes(Leg::Caller, &said(9, "8", "inactive"));
        let outputs = bench.hear(Leg::Callee(leg), Event::Declined { code });
        assert_eq!(outputs, [Output::Decline { leg: Leg::Caller, code: passed }]);
    }
    let outputs = bench.changes(Leg::Caller, "garbage");
    assert_eq!(outputs, [Output::Decline { leg: Leg::Caller, code: 400 }]);
    let outputs = bench.changes(Leg::Caller, sdp::tests::phones::SECRET);
    assert_eq!(outputs, [Output::Decline { leg: Leg::Caller, code: 488 }]);
    bench.changes(Leg::Caller, &said(9, "8", "sendonly"));
    // It took what nobody offered; it is told how things stand.
    let outputs = bench.agrees(Leg::Callee(leg), &said(2, "0", "recvonly"));
    assert_eq!(outputs[0], Output::Decline { leg: Leg::Caller, code: 488 });
    assert_eq!(heard(&outputs).direction, sdp::Direction::Both);
    bench.agrees(Leg::Callee(leg), &plain(2));
    assert_eq!((bench.aim(Side::A), bench.aim(Side::B)), before);
    assert_eq!((bench.bridge.shown(), changed(&bench)), (Shown::Talking, 0));
    bench.input(Input::HangUp);
}

#[test]
fn a_change_that_nobody_answers_is_refused_after_twenty_seconds() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Caller, &said(1, "8", "sendonly"));
    assert_eq!(bench.wait(20 * S - 1), []);
    assert_eq!(bench.wait(1), [Output::Decline { leg: Leg::Caller, code: 500 }]);
    // Again: the answer to the first attempt is not taken for that to the second.
    bench.changes(Leg::Caller, &said(1, "8 0", "sendonly"));
    assert_eq!(bench.agrees(Leg::Callee(leg), &said(2, "8", "recvonly")), []);
    let outputs = bench.agrees(Leg::Callee(leg), &said(2, "8 0", "recvonly"));
    assert_eq!(numbers(&heard(&outputs)), [8, 0]);
    bench.input(Input::HangUp);
}

#[test]
fn one_who_agreed_too_late_is_brought_back() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Caller, &said(1, "8 0 101", "sendonly"));
    bench.wait(20 * S);
    // The caller was refused its hold; the callee must not stay in it.
    let outputs = bench.agrees(Leg::Callee(leg), &said(2, "8 0 101", "recvonly"));
    assert!(matches!(outputs[..], [Output::Change { leg: Leg::Callee(_), .. }]));
    assert_eq!(heard(&outputs).direction, sdp::Direction::Both);
    assert_eq!(bench.agrees(Leg::Callee(leg), &plain(2)), []);
    assert_eq!(bench.bridge.shown(), Shown::Talking);
    bench.input(Input::HangUp);
}

/// The caller moved to another port; only our address is shown to the callee.
#[test]
fn one_who_merely_moves_does_not_trouble_the_other() {
    let (mut bench, _) = Bench::talk();
    let outputs = bench.changes(Leg::Caller, &plain(1).replace("4000", "4444"));
    assert!(matches!(outputs.last(), Some(Output::Agree { leg: Leg::Caller, .. })));
    assert_eq!(bench.aim(Side::A).unwrap().rtp.port(), 4_444);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Change { .. })));
    bench.input(Input::HangUp);
}

#[test]
fn video_in_the_middle_of_a_call_is_declined_and_the_sound_goes_on() {
    let (mut bench, _) = Bench::talk();
    let video = format!("{}m=video 5000 RTP/AVP 99\r\n", plain(1));
    let answer = sdp_of(&bench.changes(Leg::Caller, &video));
    assert!(answer.ends_with("m=video 0 RTP/AVP 99\r\n"), "{answer}");
    bench.input(Input::HangUp);
}

#[test]
fn a_re_invite_without_an_offer_is_offered_what_the_other_side_has() {
    let (mut bench, leg) = Bench::talk();
    let outputs = bench.changes(Leg::Callee(leg), "");
    assert!(matches!(outputs[..], [Output::Agree { leg: Leg::Callee(_), .. }]));
    assert_eq!(numbers(&heard(&outputs)), [8, 0, 101]);
    // It answers as before: nothing to tell anybody.
    let moved = plain(2).replace("4000", "4444");
    let outputs = bench.confirms(Leg::Callee(leg), &moved);
    assert!(matches!(outputs[..], [Output::Aim { side: Side::B, .. }]));
    // And now it puts the caller on hold in the same way.
    bench.changes(Leg::Callee(leg), "");
    let outputs = bench.confirms(Leg::Callee(leg), &said(2, "8 0 101", "sendonly"));
    assert!(matches!(outputs.last(), Some(Output::Change { leg: Leg::Caller, .. })));
    assert_eq!(heard(&outputs).direction, sdp::Direction::SendOnly);
    bench.agrees(Leg::Caller, &said(1, "8 0 101", "recvonly"));
    assert_eq!(bench.bridge.shown(), Shown::Held);
    assert!(!bench.aim(Side::B).unwrap().hears);
    // And resumes: it must be offered more than the held caller last said.
    let outputs = bench.changes(Leg::Callee(leg), "");
    assert_eq!(heard(&outputs).direction, sdp::Direction::Both);
    let outputs = bench.confirms(Leg::Callee(leg), &plain(2));
    assert_eq!(heard(&outputs).direction, sdp::Direction::Both);
    bench.agrees(Leg::Caller, &plain(1));
    assert_eq!(bench.bridge.shown(), Shown::Talking);
    assert!(bench.aim(Side::B).unwrap().hears && bench.aim(Side::A).unwrap().hears);
    bench.input(Input::HangUp);
}

#[test]
fn a_held_phone_that_refreshes_does_not_end_the_hold() {
    let (mut bench, leg) = Bench::talk();
    bench.changes(Leg::Caller, &said(1, "8 0 101", "sendonly"));
    bench.agrees(Leg::Callee(leg), &said(2, "8 0 101", "recvonly"));
    let outputs = bench.changes(Leg::Callee(leg), &said(2, "8 0 101", "recvonly"));
    assert_eq!(heard(&outputs).direction, sdp::Direction::SendOnly);
    assert_eq!(bench.bridge.shown(), Shown::Held);
    bench.changes(Leg::Caller, &plain(1));
    bench.agrees(Leg::Callee(leg), &plain(2));
    assert_eq!(bench.bridge.shown(), Shown::Talking);
    bench.input(Input::HangUp);
}
