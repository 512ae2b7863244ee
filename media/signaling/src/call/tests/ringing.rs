//! One telephone calls another.

use super::*;

#[test]
fn a_telephone_rings_and_is_answered() {
    let mut bench = Bench::calls(to_5402(), &said(1, "9 8 18 101", "sendrecv"));
    let offer = heard(&bench.log);
    assert_eq!((numbers(&offer), offer.rtp.port()), (vec![9, 8, 101], 30_002));
    let leg = bench.place("5402", 1)[0];
    assert_eq!(bench.rings(leg), [Output::Ring { code: 180, sdp: None }]);
    bench.wait(4 * S);
    let outputs = bench.answers(leg, &said(2, "8 101", "sendrecv"));
    let answer = heard(&outputs);
    assert_eq!((numbers(&answer), answer.rtp.port()), (vec![8, 101], 30_000));
    // The relay is ready before the caller is told.
    let at = |what: fn(&Output) -> bool| outputs.iter().position(what).unwrap();
    assert!(
        at(|output| matches!(output, Output::Aim { side: Side::B, .. }))
            < at(|output| matches!(output, Output::Answer { .. }))
    );
    let (a, b) = (bench.aim(Side::A).unwrap(), bench.aim(Side::B).unwrap());
    assert_eq!((a.rtp, a.leg, a.hears), ("10.0.0.1:4000".parse().unwrap(), Leg::Caller, true));
    assert_eq!((b.rtp, b.leg, b.hears), ("10.0.0.2:4000".parse().unwrap(), Leg::Callee(leg), true));
    assert_eq!((bench.bridge.shown(), bench.bridge.by()), (Shown::Talking, Some("5402")));
    assert_eq!(bench.bridge.since_ms(), 54_000);
}

#[test]
fn the_caller_hears_of_the_ringing_once() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    assert_eq!(bench.early(legs[0], 183, ""), []);
    assert_eq!(bench.early(legs[0], 182, ""), []);
    assert_eq!(bench.rings(legs[0]).len(), 1);
    assert_eq!(bench.rings(legs[0]), []);
    assert_eq!(bench.rings(legs[1]), []);
    bench.hear(Leg::Caller, Event::Ended);
}

/// B says 96 for what A calls 101: A must send 96, and the relay must know both.
#[test]
fn the_answerers_numbers_are_passed_on() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let leg = bench.place("5402", 1)[0];
    let other = plain(2).replace("8 0 101", "8 97").replace(":101", ":97");
    let answer = heard(&bench.answers(leg, &other));
    assert_eq!(numbers(&answer), [8, 97]);
    let of = |aim: Aim| aim.formats.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(of(bench.aim(Side::A).unwrap()), [8, 97, 0, 101]);
    assert_eq!(of(bench.aim(Side::B).unwrap()), [8, 0, 101, 97]);
}

#[test]
fn the_callee_hangs_up() {
    let (mut bench, leg) = Bench::talk();
    bench.wait(65 * S);
    let outputs = bench.hear(Leg::Callee(leg), Event::Ended);
    assert_eq!(hangs_up(&outputs), [Leg::Caller]);
    assert_eq!(outputs.last(), Some(&Output::Over));
    let ended = Record::Ended {
        why: Why::CalleeHungUp,
        by: Some("5402".into()),
        talked_ms: Some(65 * S),
        missed: false,
    };
    assert_eq!(bench.records().last(), Some(&ended));
    assert_eq!(bench.hear(Leg::Caller, Event::Ended), []);
}

#[test]
fn keys_in_info_go_through_to_the_other_side() {
    let (mut bench, leg) = Bench::talk();
    let key =
        |body: &[u8]| Event::Info { kind: "application/dtmf-relay".into(), body: body.into() };
    let passed = bench.hear(Leg::Caller, key(b"Signal=5"));
    let kind = "application/dtmf-relay".into();
    assert_eq!(passed, [Output::Info { leg: Leg::Callee(leg), kind, body: b"Signal=5".into() }]);
    assert!(matches!(
        bench.hear(Leg::Callee(leg), key(b"Signal=6"))[..],
        [Output::Info { leg: Leg::Caller, .. }]
    ));
    assert_eq!(bench.hear(Leg::Caller, key(&[b'1'; 4_000])), []);
    bench.input(Input::HangUp);
}

#[test]
fn an_operator_the_relay_and_the_nodes_end_hang_up_both() {
    let whys = [
        (Input::HangUp, Why::Operator),
        (Input::MediaLost, Why::MediaLost),
        (Input::Stop, Why::NodeStopped),
    ];
    for (input, why) in whys {
        let (mut bench, leg) = Bench::talk();
        let outputs = bench.input(input.clone());
        assert_eq!(hangs_up(&outputs), [Leg::Caller, Leg::Callee(leg)]);
        assert_eq!(bench.why(), why);
        let mut bench = Bench::calls(to_5402(), &plain(1));
        let leg = bench.place("5402", 1)[0];
        assert_eq!(hangs_up(&bench.input(input)), [Leg::Callee(leg)]);
        assert!(bench.refused().is_some());
        assert_eq!(bench.why(), why);
    }
}

#[test]
fn no_call_is_longer_than_a_day() {
    let (mut bench, leg) = Bench::talk();
    assert_eq!(bench.wait(24 * 3_600 * S - 1), []);
    assert_eq!(hangs_up(&bench.wait(1)), [Leg::Caller, Leg::Callee(leg)]);
    assert_eq!(bench.why(), Why::TimedOut);
}
