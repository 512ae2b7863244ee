//! Intents as bytes, and what people are told about them.

use proptest::prelude::*;

use super::*;
use crate::codec::{decode, encode};
use crate::id::WallMs;

fn sample() -> Intent {
    let plan = PlanId::new("P-38-page").unwrap();
    Intent {
        id: IntentId([7; 16]),
        home: SiteId::new("R3").unwrap(),
        body: IntentBody::Launch { plan, version: Hash([3; 32]) },
        who: PersonId::new("li").unwrap(),
        via: NodeId(1),
        priority: Priority::Evacuation,
        mode: Mode::Real,
        issued: WallMs(1_000),
        not_after: WallMs(1_000 + Window::Page.ms()),
        attempt: 1,
    }
}

#[test]
fn windows_are_as_promised() {
    let windows = [Window::Page, Window::Call, Window::Message].map(Window::ms);
    assert_eq!(windows, [120_000, 300_000, 1_800_000]);
}

#[test]
fn a_signed_intent_opens_to_what_was_signed() {
    let signed = SignedIntent::new(encode(&sample()).unwrap(), vec![1; SIGNATURE_BYTES], NodeId(1));
    assert_eq!(signed.open(), Ok(sample()));
    let sent = encode(&signed).unwrap();
    assert_eq!(decode::<SignedIntent>(&sent).unwrap(), signed);
}

/// Two spellings of one request would be two requests to whoever compares
/// hashes.
#[test]
fn an_intent_has_one_form_only() {
    let mut bytes = encode(&sample()).unwrap();
    let last = bytes.pop().unwrap();
    // The same number, written longer.
    bytes.extend([last | 0x80, 0]);
    let signed = SignedIntent::new(bytes, Vec::new(), NodeId(1));
    assert_eq!(signed.open(), Err(DecodeError::Body { what: Intent::NAME }));
}

#[test]
fn every_answer_is_said_in_both_languages() {
    let expired = IntentStatus::Expired { not_after: WallMs(1_000), judged: WallMs(2_500) };
    assert!(expired.said().zh.contains("2 秒"), "{expired}");
    assert!(expired.said().en.starts_with("2 s too late"), "{expired}");
    let refused = IntentStatus::Refused(IntentRefusal::ActivationsFull { most: 64 });
    assert_eq!(refused.code(), "activations-full");
    assert!(refused.said().zh.contains("64") && refused.said().en.contains("abort"), "{refused}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, at: prop::sample::Index, value: u8) {
        let _ = decode::<SignedIntent>(&bytes);
        let _ = SignedIntent::new(bytes, Vec::new(), NodeId(1)).open();
        let mut damaged = encode(&sample()).unwrap();
        let at = at.index(damaged.len());
        damaged[at] = value;
        let _ = SignedIntent::new(damaged, Vec::new(), NodeId(1)).open();
    }
}
