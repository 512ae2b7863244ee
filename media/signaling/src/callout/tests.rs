//! What becomes of calls to people who do what people do.

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { ack: '1', ring_ms: 40_000, clip_ms: 9_000 };

fn ended(out: &[Output]) -> Option<Outcome> {
    out.iter().find_map(|one| match one {
        Output::Over(outcome) => Some(*outcome),
        Output::Speak | Output::HangUp => None,
    })
}

#[test]
fn a_person_who_presses_the_key_has_acknowledged() {
    let mut call = Callout::new(1_000, RULES);
    assert_eq!(call.step(2_000, Input::Ringing), []);
    assert_eq!(call.step(8_000, Input::Answered), [Output::Speak]);
    let outcome = Outcome::Acknowledged { rang_ms: 7_000, spoke_ms: 4_000 };
    let out = call.step(12_000, Input::Key('1'));
    assert_eq!(out, [Output::HangUp, Output::Over(outcome)]);
    assert_eq!(call.step(12_001, Input::Key('1')), []);
    assert_eq!(call.next_ms(), None);
}

#[test]
fn voice_mail_that_answers_and_presses_nothing_acknowledges_nothing() {
    let mut call = Callout::new(0, RULES);
    call.step(3_000, Input::Answered);
    let until_ms = call.next_ms().unwrap();
    assert_eq!(until_ms, 33_000);
    assert_eq!(call.step(until_ms - 1, Input::Tick), []);
    assert_eq!(ended(&call.step(until_ms, Input::Tick)), Some(Outcome::NotAcknowledged));
}

#[test]
fn early_media_and_keys_before_the_answer_are_no_acknowledgement() {
    let mut call = Callout::new(0, RULES);
    call.step(500, Input::Ringing);
    assert_eq!(call.step(1_000, Input::Key('1')), []);
    assert_eq!(ended(&call.step(40_000, Input::Tick)), Some(Outcome::NoAnswer));
}

#[test]
fn three_wrong_keys_end_the_call() {
    let mut call = Callout::new(0, RULES);
    call.step(0, Input::Answered);
    assert_eq!(call.step(1_000, Input::Key('7')), []);
    assert_eq!(call.step(2_000, Input::Key('8')), []);
    assert_eq!(ended(&call.step(3_000, Input::Key('9'))), Some(Outcome::WrongKey));
}

#[test]
fn whoever_corrects_a_wrong_key_has_acknowledged() {
    let mut call = Callout::new(0, RULES);
    call.step(0, Input::Answered);
    call.step(1_000, Input::Key('7'));
    let outcome = ended(&call.step(2_000, Input::Key('1')));
    assert!(matches!(outcome, Some(Outcome::Acknowledged { .. })));
}

#[test]
fn an_order_withdrawn_while_it_rings_stops_ringing() {
    let mut call = Callout::new(0, RULES);
    call.step(100, Input::Ringing);
    let out = call.step(200, Input::Cease);
    assert_eq!(out, [Output::HangUp, Output::Over(Outcome::Ceased)]);
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Ringing),
        Just(Input::Answered),
        Just(Input::Unplayable),
        (300_u16..700).prop_map(|code| Input::Refused { code }),
        Just(Input::Silent),
        Just(Input::Gone),
        Just(Input::Unreachable),
        prop::char::range('0', '9').prop_map(Input::Key),
        Just(Input::Cease),
        Just(Input::Tick),
    ]
}

proptest! {
    /// Whatever comes in whatever order, it ends once, in bounded time, and
    /// nobody acknowledges without an answer and the right key.
    #[test]
    fn it_always_ends_once(inputs in prop::collection::vec((0_u64..20_000, input()), 0..40)) {
        let mut call = Callout::new(0, RULES);
        let (mut now_ms, mut overs, mut answered) = (0, 0, false);
        for (gap_ms, input) in inputs {
            now_ms += gap_ms;
            answered |= input == Input::Answered;
            let out = call.step(now_ms, input);
            overs += usize::from(ended(&out).is_some());
            if let Some(Outcome::Acknowledged { .. }) = ended(&out) {
                prop_assert!(answered && input == Input::Key('1'));
            }
        }
        while let Some(next_ms) = call.next_ms() {
            now_ms = now_ms.max(next_ms);
            overs += usize::from(ended(&call.step(now_ms, Input::Tick)).is_some());
        }
        prop_assert_eq!(overs, 1);
    }
}
