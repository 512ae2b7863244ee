//! Any bytes, given to the decoder of every record between nodes and on disk that
//! only this crate knows: for fuzzing. Refuses to be part of a product: it checks,
//! and panics when a rule of its own is broken.

use weir_model::codec::{Stored, decode, encode};
use weir_model::id::Hash;

use crate::net::message::{Append, Opening, Request, Response, SnapshotFrame, StreamAnswer};
use crate::runtime::TokioRuntime;
use crate::site::wire::{ShipFrame, ShipOpening, SiteRequest, SiteResponse};
use crate::store::wire::{Ballot, LogEntry, Place, SnapshotHead, StoredVoters};

/// See the module.
///
/// # Panics
/// When a record changes by being passed on.
pub fn any_bytes(bytes: &[u8]) {
    reads_back::<Request>(bytes);
    reads_back::<Response>(bytes);
    reads_back::<Opening>(bytes);
    reads_back::<SnapshotFrame>(bytes);
    reads_back::<StreamAnswer>(bytes);
    reads_back::<Place>(bytes);
    reads_back::<Ballot>(bytes);
    reads_back::<LogEntry>(bytes);
    reads_back::<StoredVoters>(bytes);
    reads_back::<SiteResponse>(bytes);
    reads_back::<ShipOpening>(bytes);
    reads_back::<ShipFrame>(bytes);
    if let Some(append) = reads_back::<Append>(bytes) {
        let _refused_or_read = append.request::<TokioRuntime>();
    }
    if let Some(head) = reads_back::<SnapshotHead>(bytes) {
        let _refused_or_read = head.meta();
    }
    if let Some(SiteRequest::Intent(signed)) = reads_back::<SiteRequest>(bytes) {
        let _refused_or_read = signed.open();
    }
    // Under a hash that is right, or all would be refused for that.
    let hash = Hash::of(&[bytes]);
    let _refused_or_read = crate::store::read_snapshot(&[bytes, &hash.0].concat());
}

/// The head is repaired first: most random bytes would only prove that a wrong
/// kind is refused.
fn reads_back<T: Stored>(bytes: &[u8]) -> Option<T> {
    let mut headed = vec![T::KIND, T::VERSION];
    headed.extend_from_slice(bytes.get(2..).unwrap_or_default());
    let record = decode::<T>(&headed).ok()?;
    let first = encode(&record);
    assert!(first.is_ok(), "{} decodes and does not encode", T::NAME);
    let first = first.unwrap_or_default();
    let again = decode::<T>(&first).ok().and_then(|record| encode(&record).ok());
    assert_eq!(again.as_ref(), Some(&first), "{} changes by being passed on", T::NAME);
    Some(record)
}
