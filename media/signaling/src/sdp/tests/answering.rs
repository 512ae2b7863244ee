//! Answers are held to what was offered.

use super::phones::*;
use super::*;

#[test]
fn an_answer_takes_some_of_what_was_offered_under_its_own_numbers() {
    let answer =
        SOFT.replace("96 9 8 0 97", "8 97 18").replace("a=label", "a=rtpmap:18 G729/8000\r\na=l");
    let agreed = read_answer(&answer, &audio(DESK)).unwrap().audio;
    assert_eq!(kinds(&agreed), [Kind::Pcma, Kind::Event]);
    // DESK says 101; what is sent to SOFT is to be 97.
    assert_eq!(numbers(&agreed), [8, 97]);
}

#[test]
fn keys_are_only_counted_on_where_both_have_them() {
    let agreed = read_answer(GATEWAY, &audio(DESK)).unwrap().audio;
    assert_eq!(kinds(&agreed), [Kind::Pcma, Kind::Pcmu]);
    let agreed = read_answer(DESK, &audio(GATEWAY)).unwrap().audio;
    assert_eq!(kinds(&agreed), [Kind::Pcmu, Kind::Pcma]);
    // Events, but at another clock.
    let slow = DESK.replace("telephone-event/8000", "telephone-event/48000");
    let agreed = read_answer(&slow, &audio(DESK)).unwrap().audio;
    assert_eq!(kinds(&agreed), [Kind::G722, Kind::Pcmu, Kind::Pcma]);
}

#[test]
fn an_answer_with_nothing_in_common_is_refused() {
    let only_opus = SOFT.replace("96 9 8 0 97", "96 97");
    assert_eq!(read_answer(&only_opus, &audio(DESK)), Err(SdpError::NoFormat));
    let only_keys = DESK.replace("9 0 8 18 101", "101");
    assert_eq!(read_answer(&only_keys, &audio(DESK)), Err(SdpError::NoFormat));
    let declined = DESK.replace("audio 11780", "audio 0");
    assert_eq!(read_answer(&declined, &audio(DESK)), Err(SdpError::Declined));
}

#[test]
fn a_number_that_the_offer_explained_needs_no_second_explanation() {
    let short = GATEWAY.replace("8 0\n", "96 97\n");
    assert_eq!(read(&short), Err(SdpError::NoFormat));
    let agreed = read_answer(&short, &audio(SOFT)).unwrap().audio;
    assert_eq!(kinds(&agreed), [Kind::Opus, Kind::Event]);
}

#[test]
fn nobody_is_sent_to_who_did_not_want_to_hear() {
    use Direction::*;
    let table = [
        (Both, Both, Both),
        (Both, SendOnly, SendOnly),
        (SendOnly, Both, RecvOnly),
        (SendOnly, RecvOnly, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, Both, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (Inactive, Both, Inactive),
    ];
    for (offer, answer, agreed) in table {
        assert_eq!(answer.answering(offer), agreed, "{answer:?} to {offer:?}");
    }
    let hold = DESK.replace("a=sendrecv", "a=sendonly");
    let agreed = read_answer(DESK, &audio(&hold)).unwrap().audio;
    assert_eq!(agreed.direction, RecvOnly);
}
