//! Sending a snapshot: the receiver is told the hash of every chunk and asks
//! for those it lacks, so that a transfer cut in the middle goes on where it
//! stopped. Chunks received are files until the snapshot is whole; those of a
//! snapshot that is no longer wanted are removed.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use weir_model::codec::{self, DecodeError};
use weir_model::id::{Hash, NodeId};

use super::message::{Opening, SnapshotFrame, pack};
use super::{Lane, Pipe, SendError, Transport};
use crate::disk::Disk;
use crate::store::SNAPSHOT_BYTES;
use crate::store::wire::{Ballot, SnapshotHead};
use crate::types::{Snapshot, Vote};

/// Bytes of a chunk: a second at 128 kbit/s.
const CHUNK_BYTES: usize = 16 << 10;
/// How long one side waits for the other's next frame.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every chunk file's name starts like this.
const PREFIX: &str = "chunk-";

/// Why a snapshot did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error("the peer could not be reached for a snapshot: {0}")]
    Unreachable(SendError),
    #[error("the snapshot's pipe broke")]
    Closed,
    #[error("nothing was heard for {PATIENCE:?} during a snapshot")]
    Silent,
    #[error("the peer refused the snapshot: {0}")]
    Refused(String),
    #[error("the peer asked for what is not a chunk")]
    BadAnswer,
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Sends the snapshot and returns the receiver's vote.
pub(super) async fn send<T: Transport>(
    transport: &T,
    to: NodeId,
    vote: &Vote,
    snapshot: Snapshot,
) -> Result<Vote, Unsent> {
    let chunks: Vec<Bytes> = split(&snapshot.snapshot);
    let opening = Opening::Snapshot {
        vote: Ballot::from(vote),
        head: SnapshotHead::from(&snapshot.meta),
        bytes: snapshot.snapshot.len() as u64,
        chunks: chunks.iter().map(|chunk| Hash::of(&[chunk])).collect(),
    };
    let opened = transport.open(to, Lane::Bulk, pack(&opening)?, PATIENCE).await;
    let mut pipe = opened.map_err(Unsent::Unreachable)?;
    loop {
        match receive(&mut pipe).await? {
            SnapshotFrame::Done(vote) => return Ok(vote.into()),
            SnapshotFrame::Refused(why) => return Err(Unsent::Refused(why)),
            SnapshotFrame::Need(numbers) => {
                for number in numbers {
                    let chunk = chunks.get(number as usize).ok_or(Unsent::BadAnswer)?;
                    let bytes = chunk.to_vec();
                    put(&pipe, &SnapshotFrame::Chunk { number, bytes }).await?;
                }
            }
            SnapshotFrame::Chunk { .. } => return Err(Unsent::BadAnswer),
        }
    }
}

fn split(bytes: &Bytes) -> Vec<Bytes> {
    let cuts = (0..bytes.len()).step_by(CHUNK_BYTES);
    cuts.map(|from| bytes.slice(from..bytes.len().min(from + CHUNK_BYTES))).collect()
}

async fn receive(pipe: &mut Pipe) -> Result<SnapshotFrame, Unsent> {
    let frame = timeout(PATIENCE, pipe.incoming.recv()).await.map_err(|_| Unsent::Silent)?;
    Ok(codec::decode(&frame.ok_or(Unsent::Closed)?)?)
}

async fn put(pipe: &Pipe, frame: &SnapshotFrame) -> Result<(), Unsent> {
    let sent = timeout(PATIENCE, pipe.outgoing.send(pack(frame)?)).await;
    sent.map_err(|_| Unsent::Silent)?.map_err(|_| Unsent::Closed)
}

/// Why a snapshot was not received.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreceived {
    #[error("a snapshot of {0} bytes is longer than {SNAPSHOT_BYTES} allowed")]
    TooLong(u64),
    #[error("a chunk does not have the hash announced for it")]
    WrongChunk,
    #[error(transparent)]
    Pipe(#[from] Unsent),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

fn name(hash: &Hash) -> String {
    format!("{PREFIX}{hash}")
}

/// Receives the chunks that are missing and puts the snapshot together.
pub(super) async fn collect<D: Disk>(
    disk: &D,
    pipe: &mut Pipe,
    bytes: u64,
    chunks: &[Hash],
) -> Result<Bytes, Unreceived> {
    let most = chunks.len() as u64 * CHUNK_BYTES as u64;
    if bytes > SNAPSHOT_BYTES as u64 || bytes > most {
        return Err(Unreceived::TooLong(bytes));
    }
    let wanted: BTreeSet<String> = chunks.iter().map(name).collect();
    let mut here = BTreeSet::new();
    for file in disk.files(PREFIX.to_owned()).await? {
        if wanted.contains(&file) {
            here.insert(file);
        } else {
            disk.delete_file(file).await?;
        }
    }
    let missing: Vec<u32> = (0u32..)
        .zip(chunks)
        .filter(|(_, hash)| !here.contains(&name(hash)))
        .map(|(number, _)| number)
        .collect();
    let mut due = missing.len();
    put(pipe, &SnapshotFrame::Need(missing)).await?;
    while due > 0 {
        let SnapshotFrame::Chunk { number, bytes } = receive(pipe).await? else {
            return Err(Unsent::BadAnswer.into());
        };
        let announced = chunks.get(number as usize).ok_or(Unreceived::WrongChunk)?;
        if Hash::of(&[&bytes]) != *announced {
            return Err(Unreceived::WrongChunk);
        }
        disk.put_file(name(announced), bytes.into()).await?;
        due -= 1;
    }
    join(disk, bytes, chunks).await
}

async fn join<D: Disk>(disk: &D, bytes: u64, chunks: &[Hash]) -> Result<Bytes, Unreceived> {
    let mut whole = BytesMut::new();
    for hash in chunks {
        let chunk = disk.get_file(name(hash)).await?.ok_or(Unreceived::WrongChunk)?;
        whole.extend_from_slice(&chunk);
    }
    if whole.len() as u64 != bytes {
        return Err(Unreceived::WrongChunk);
    }
    Ok(whole.freeze())
}

/// Removes the chunk files, once the snapshot is installed.
pub(super) async fn clear<D: Disk>(disk: &D) -> io::Result<()> {
    for file in disk.files(PREFIX.to_owned()).await? {
        disk.delete_file(file).await?;
    }
    Ok(())
}
