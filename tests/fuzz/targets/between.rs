//! What another site's node may say of a call: its first words, and whatever
//! follows, through the end that is called.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use weir_signaling::between::{Deed, End, Far, Input, Message, Output, Path, Word};
use weir_signaling::sdp;

/// Frames, each behind its length; the first must be a call. Between them our own
/// telephone answers.
fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut far = None;
    let mut now_ms = 0;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(after.len());
        let (body, after) = after.split_at(len);
        rest = after;
        now_ms += 500;
        // The head is repaired: most bytes would only prove that a kind is refused.
        let framed = [&[64, 1], body].concat();
        let read = Message::read(&framed);
        if let Ok(message) = &read {
            let again = message.bytes().unwrap_or_else(|error| panic!("lost: {error}"));
            assert_eq!(Message::read(&again).as_ref(), Ok(message), "changes by being passed on");
        }
        let outputs = match (&mut far, read) {
            (None, Ok(Message { word: Word::Setup(setup), .. })) => {
                let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
                let end = End::new(1, at, Path { same: true, wide: true });
                let Ok((mut called, offer)) = Far::called(0, &setup, 1, end) else { return };
                assert!(sdp::read(&offer).is_ok(), "an offer that nobody can read");
                let mut outputs = called.step(0, Input::Begin);
                let sdp = offer.clone();
                outputs.extend(called.step(0, Input::Deed(Deed::Answer { sdp })));
                far = Some(called);
                outputs
            }
            (Some(far), Ok(message)) => far.step(now_ms, Input::Frame(message)),
            (Some(far), Err(_)) => far.step(now_ms, Input::Garbage),
            (None, _) => return,
        };
        for output in outputs {
            if let Output::Send(message) = output {
                let bytes = message.bytes().unwrap_or_else(|error| panic!("too long: {error}"));
                assert!(Message::read(&bytes).is_ok(), "we say what we refuse: {message:?}");
            }
        }
    }
});
