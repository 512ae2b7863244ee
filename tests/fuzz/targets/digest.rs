//! Any bytes as an Authorization header: it is an answer to a challenge, or it
//! is refused; and nothing that no challenge asked for is ever accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_signaling::digest::{
    Authenticator, Authorization, Credential, NonceLimits, Outcome, Realm, Request,
};

fuzz_target!(|bytes: &[u8]| {
    let read = Authorization::parse(bytes);
    let Ok(realm) = Realm::new("weir") else { return };
    let mut desk = Authenticator::new(realm, NonceLimits::default());
    let request = Request { method: "REGISTER", authorizations: &[bytes], origin: 0 };
    let outcome = desk.check(0, request, |_| Some(Credential::Password("secret".into())));
    assert!(!matches!(outcome, Outcome::Accepted { .. }), "accepted without a challenge");
    if let Ok(answer) = read {
        assert!(answer.nonce.len() <= bytes.len(), "more came out than went in");
    }
});
