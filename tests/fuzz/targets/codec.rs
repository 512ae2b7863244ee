//! Any bytes, given to the decoder of every record that is kept or sent. What
//! decodes must encode again, and the second reading must be the first: a
//! record that changes by being passed on would break hashes and signatures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_model::codec::{Stored, decode, encode};
use weir_model::{decision, directory, fact, intent, state};

fuzz_target!(|bytes: &[u8]| {
    reads_back::<decision::Proposal>(bytes);
    reads_back::<decision::Answer>(bytes);
    reads_back::<directory::Record>(bytes);
    reads_back::<directory::ChangeSet>(bytes);
    reads_back::<fact::Fact>(bytes);
    reads_back::<intent::Intent>(bytes);
    reads_back::<intent::SignedIntent>(bytes);
    reads_back::<state::RecordKey>(bytes);
    reads_back::<state::Record>(bytes);
});

/// The head is repaired first: most random bytes would only prove that a wrong
/// kind is refused.
fn reads_back<T: Stored>(bytes: &[u8]) {
    let _ = decode::<T>(bytes);
    let mut headed = vec![T::KIND, T::VERSION];
    headed.extend_from_slice(bytes.get(2..).unwrap_or_default());

    let Ok(record) = decode::<T>(&headed) else {
        return;
    };
    let first = encode(&record).unwrap_or_else(|error| panic!("{} decodes only: {error}", T::NAME));
    let again = decode::<T>(&first).unwrap_or_else(|error| panic!("{} is lost: {error}", T::NAME));
    let second = encode(&again).unwrap_or_else(|error| panic!("{} is lost: {error}", T::NAME));
    assert_eq!(first, second, "{} changes by being passed on", T::NAME);
}
