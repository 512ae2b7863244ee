//! Sound before the answer: ring-back tones, announcements, "powered off".

use super::*;

#[test]
fn the_first_device_that_makes_a_sound_is_heard() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    let outputs = bench.early(legs[0], 183, &said(2, "8", "sendrecv"));
    assert!(matches!(outputs.last(), Some(Output::Ring { code: 183, sdp: Some(_) })));
    assert_eq!(numbers(&heard(&outputs)), [8]);
    // Both ways: an announcement may want a key.
    assert_eq!(bench.aim(Side::B).unwrap().leg, Leg::Callee(legs[0]));
    assert!(bench.aim(Side::A).unwrap().hears && bench.aim(Side::B).unwrap().hears);
    // The other one only rings, and a 180 now would drown the sound.
    assert_eq!(bench.early(legs[1], 183, &plain(3)), []);
    assert_eq!(bench.rings(legs[1]), []);
    // Told again, nothing is new.
    assert_eq!(bench.early(legs[0], 183, &said(2, "8", "sendrecv")), []);

    let outputs = bench.answers(legs[1], &plain(3));
    assert_eq!(numbers(&heard(&outputs)), [8, 0, 101]);
    assert_eq!(hangs_up(&outputs), [Leg::Callee(legs[0])]);
    assert_eq!(bench.aim(Side::B).unwrap().rtp, "10.0.0.3:4000".parse().unwrap());
    bench.input(Input::HangUp);
}

#[test]
fn a_180_with_sound_is_sound_and_its_answer_may_say_nothing_more() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let leg = bench.place("5402", 1)[0];
    let early = bench.early(leg, 180, &plain(2));
    assert!(matches!(early.last(), Some(Output::Ring { code: 183, sdp: Some(_) })));
    let answered = bench.answers(leg, "");
    assert_eq!(sdp_of(&answered), sdp_of(&early));
    assert!(!answered.iter().any(|output| matches!(output, Output::Aim { .. })));
    bench.input(Input::HangUp);
}

#[test]
fn when_the_sound_is_refused_the_caller_hears_the_others_ring() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    bench.early(legs[0], 183, &plain(2));
    bench.rings(legs[1]);
    let outputs = bench.refuses(legs[0], 486);
    assert_eq!(outputs.last(), Some(&Output::Ring { code: 180, sdp: None }));
    assert_eq!((bench.aim(Side::A), bench.aim(Side::B)), (None, None));
    assert!(matches!(
        bench.early(legs[1], 183, &said(3, "0", "sendrecv")).last(),
        Some(Output::Ring { code: 183, sdp: Some(_) })
    ));
    bench.hear(Leg::Caller, Event::Ended);
}

#[test]
fn sound_that_cannot_be_used_is_only_ringing() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let leg = bench.place("5402", 1)[0];
    assert_eq!(bench.early(leg, 183, "garbage"), []);
    assert_eq!(bench.early(leg, 180, "garbage"), [Output::Ring { code: 180, sdp: None }]);
    assert_eq!(bench.aim(Side::B), None);
    bench.hear(Leg::Caller, Event::Ended);
}
