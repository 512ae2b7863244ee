//! Snapshots as files: the head, every record of the state in order, and a
//! hash over all of it. The same state gives the same bytes on every node, so
//! that chunks can be addressed by content. A snapshot whose hash is wrong is
//! refused, never installed in part.

use std::io;

use bytes::Bytes;
use openraft::storage::RaftSnapshotBuilder;
use weir_model::id::Hash;
use weir_model::state::{Answers, State};

use super::wire::{SnapshotHead, WireError, decode, encode};
use crate::disk::{Disk, Family, Pair};
use crate::types::{Runtime, Snapshot, SnapshotMeta, Types};

/// Longest snapshot that is written, sent or installed.
pub const SNAPSHOT_BYTES: usize = 64 << 20;

/// Every snapshot file's name starts like this.
const PREFIX: &str = "snapshot-";
/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;

fn push(bytes: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    let len = u32::try_from(part.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(part);
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], WireError> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(WireError::SnapshotCut)?;
    let len = u32::from_be_bytes(*len) as usize;
    let (part, rest) = rest.split_at_checked(len).ok_or(WireError::SnapshotCut)?;
    *bytes = rest;
    Ok(part)
}

/// The bytes of a snapshot.
pub(super) fn write(head: &SnapshotHead, state: &State, answers: &Answers) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    push(&mut bytes, &encode(head)?)?;
    let pairs =
        state.encode_all(answers).map_err(|error| io::Error::from(WireError::from(error)))?;
    for (key, record) in pairs {
        push(&mut bytes, &key)?;
        push(&mut bytes, &record)?;
    }
    let hash = Hash::of(&[&bytes]);
    bytes.extend_from_slice(&hash.0);
    if bytes.len() > SNAPSHOT_BYTES {
        let reason = format!("a snapshot of {} bytes is over {SNAPSHOT_BYTES}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes.into())
}

/// The head and the records of a snapshot whose hash is right.
pub(crate) fn read(bytes: &[u8]) -> io::Result<(SnapshotHead, Vec<Pair>)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a snapshot's hash is wrong");
    let body = bytes.len().checked_sub(HASH_BYTES).ok_or_else(wrong)?;
    let (mut body, hash) = bytes.split_at(body);
    if Hash::of(&[body]).0 != hash {
        return Err(wrong());
    }
    let head = decode(take(&mut body)?)?;
    let mut pairs = Vec::new();
    while !body.is_empty() {
        pairs.push((take(&mut body)?.to_vec(), take(&mut body)?.to_vec()));
    }
    Ok((head, pairs))
}

/// Writes a snapshot file, then removes those it replaces.
pub(super) async fn keep<D: Disk>(disk: &D, head: &SnapshotHead, bytes: Bytes) -> io::Result<()> {
    let last = head.last.map_or((0, 0), |last| (last.term, last.index));
    let name = format!("{PREFIX}{:016x}-{:016x}", last.1, last.0);
    disk.put_file(name.clone(), bytes).await?;
    for old in disk.files(PREFIX.to_owned()).await? {
        if old < name {
            disk.delete_file(old).await?;
        }
    }
    Ok(())
}

/// The newest snapshot on disk that is whole.
pub(super) async fn newest<D: Disk>(disk: &D) -> io::Result<Option<Snapshot>> {
    for name in disk.files(PREFIX.to_owned()).await?.into_iter().rev() {
        let Some(bytes) = disk.get_file(name.clone()).await? else { continue };
        match read(&bytes) {
            Ok((head, _)) => {
                return Ok(Some(Snapshot { meta: head.meta()?, snapshot: bytes }));
            }
            Err(error) => {
                tracing::error!(name, %error, "a damaged snapshot is passed over / 快照损坏，跳过");
            }
        }
    }
    Ok(None)
}

/// Builds a snapshot of the state as it was when the builder was made.
pub struct Builder<D> {
    pub(super) disk: D,
    pub(super) meta: SnapshotMeta,
    pub(super) state: State,
    pub(super) answers: Answers,
}

impl<R: Runtime, D: Disk> RaftSnapshotBuilder<Types<R>> for Builder<D> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let head = SnapshotHead::from(&self.meta);
        let bytes = write(&head, &self.state, &self.answers)?;
        keep(&self.disk, &head, bytes.clone()).await?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot: bytes })
    }
}

/// Every key of the state family lies between these.
pub(super) fn all_of_state() -> (Family, Vec<u8>, Vec<u8>) {
    (Family::State, Vec::new(), vec![0xff; 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_snapshot_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        /// The hash is right, what it stands over is not a snapshot.
        #[test]
        fn a_forged_snapshot_is_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let hash = Hash::of(&[&body]);
            let forged = [body, hash.0.to_vec()].concat();
            prop_assert!(read(&forged).is_err());
        }
    }
}
