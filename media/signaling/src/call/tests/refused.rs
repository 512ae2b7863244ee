//! What a caller is told when nobody answers (RFC 3261 §16.7).

use super::*;

fn told(codes: &[u16]) -> (u16, Why) {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", u32::try_from(codes.len()).unwrap());
    for (leg, code) in legs.into_iter().zip(codes) {
        bench.refuses(leg, *code);
    }
    (bench.refused().unwrap(), bench.why())
}

#[test]
fn the_best_refusal_is_passed_on() {
    let cases: [(&[u16], u16, Why); 10] = [
        (&[486], 486, Why::Busy),
        (&[500, 486, 404], 486, Why::Busy),
        (&[486, 603, 404], 603, Why::Refused { code: 603 }),
        (&[600, 486], 600, Why::Busy),
        (&[404, 480], 480, Why::Refused { code: 480 }),
        (&[503], 500, Why::Refused { code: 503 }),
        (&[408], 480, Why::NoAnswer),
        // A challenge or a redirection was for us, not for the caller.
        (&[401], 480, Why::Refused { code: 401 }),
        (&[302], 480, Why::Refused { code: 302 }),
        (&[503, 403], 403, Why::Refused { code: 403 }),
    ];
    for (codes, code, why) in cases {
        assert_eq!(told(codes), (code, why), "{codes:?}");
    }
}

#[test]
fn a_decline_of_one_device_leaves_the_others_ringing() {
    let mut bench = Bench::calls(to_5402(), &plain(1));
    let legs = bench.place("5402", 2);
    assert_eq!(bench.refuses(legs[0], 603), []);
    bench.answers(legs[1], &plain(3));
    assert_eq!(bench.bridge.shown(), Shown::Talking);
    bench.input(Input::HangUp);
}

#[test]
fn numbers_that_cannot_be_called() {
    let cases = [
        (NotPlaced::UnknownNumber, 404, Why::UnknownNumber),
        (NotPlaced::NotRegistered, 480, Why::NotRegistered),
        (NotPlaced::Unreachable, 480, Why::NotRegistered),
        (NotPlaced::Full, 503, Why::Refused { code: 503 }),
    ];
    for (not_placed, code, why) in cases {
        let mut bench = Bench::calls(to_5402(), &plain(1));
        bench.not_placed("5402", not_placed);
        assert_eq!((bench.refused(), bench.why()), (Some(code), why));
    }
    for groups in [vec![], vec![group(&[], 20), group(&[], 20)]] {
        let bench = Bench::calls(ordinary(groups), &plain(1));
        assert_eq!((bench.refused(), bench.why()), (Some(404), Why::UnknownNumber));
    }
}

#[test]
fn a_caller_whose_offer_is_of_no_use_rings_nobody() {
    for (offer, code) in [(sdp::tests::phones::SECRET, 488), ("v=0\r\nm=audio\r\n", 400)] {
        let bench = Bench::calls(to_5402(), offer);
        assert_eq!((bench.refused(), bench.dialled().len()), (Some(code), 0));
        assert_eq!(bench.why(), Why::Refused { code });
    }
}

#[test]
fn an_answer_without_a_common_codec_ends_both() {
    for answer in [said(2, "9", "sendrecv"), plain(2).replace("4000", "0"), String::new()] {
        let mut bench = Bench::calls(to_5402(), &said(1, "8 0 101", "sendrecv"));
        let leg = bench.place("5402", 1)[0];
        let outputs = bench.answers(leg, &answer);
        assert_eq!(hangs_up(&outputs), [Leg::Callee(leg)]);
        assert_eq!((bench.refused(), bench.why()), (Some(488), Why::Refused { code: 488 }));
    }
}
