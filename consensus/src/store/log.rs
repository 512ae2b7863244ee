//! The Raft log on a [`Disk`]. An append is readable when it returns and is
//! reported to openraft only once it is durable; a vote is synced by itself
//! before it is answered. It never holds an entry in memory that the disk does
//! not have.

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{LogIdOptionExt, OptionalSend};

use super::wire::{self, Ballot, LogEntry, Place, decode, encode};
use crate::disk::{Batch, Disk, Family, Limit};
use crate::types::{Entry, LogId, Runtime, Types, Vote};

const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const PURGED: &[u8] = b"purged";

/// Most bytes of entries in one replication request: half a second of a
/// 512 kbit/s uplink.
const BATCH_BYTES: usize = 32 << 10;
/// Most entries read at once.
const BATCH_COUNT: usize = 4096;

/// See the module. Clones read and write the same log.
#[derive(Debug)]
pub struct LogStore<R, D> {
    disk: D,
    runtime: PhantomData<fn() -> R>,
}

impl<R, D: Clone> Clone for LogStore<R, D> {
    fn clone(&self) -> Self {
        Self::new(self.disk.clone())
    }
}

impl<R, D> LogStore<R, D> {
    pub fn new(disk: D) -> Self {
        Self { disk, runtime: PhantomData }
    }
}

fn key(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

/// The first index of a range and the one after its last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(&index) => index,
        Bound::Excluded(&index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(&index) => index.saturating_add(1),
        Bound::Excluded(&index) => index,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl<R: Runtime, D: Disk> LogStore<R, D> {
    async fn entries(&self, from: u64, to: u64, limit: Limit) -> io::Result<Vec<Entry>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let pairs = self.disk.scan(Family::Log, key(from), key(to), limit).await?;
        pairs
            .iter()
            .map(|(_, bytes)| decode::<LogEntry>(bytes)?.entry().map_err(io::Error::from))
            .collect()
    }

    async fn read_place(&self, name: &[u8]) -> io::Result<Option<LogId>> {
        let bytes = self.disk.get(Family::Meta, name.to_vec()).await?;
        bytes.map(|bytes| decode::<Place>(&bytes).map(LogId::from)).transpose()
    }
}

impl<R: Runtime, D: Disk> RaftLogReader<Types<R>> for LogStore<R, D> {
    async fn try_get_log_entries<B: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: B,
    ) -> io::Result<Vec<Entry>> {
        let (mut from, to) = bounds(&range);
        let mut entries = Vec::new();
        loop {
            let limit = Limit { count: BATCH_COUNT, bytes: usize::MAX };
            let batch = self.entries(from, to, limit).await?;
            from += batch.len() as u64;
            let full = batch.len() == BATCH_COUNT;
            entries.extend(batch);
            if !full {
                return Ok(entries);
            }
        }
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        let bytes = self.disk.get(Family::Meta, VOTE.to_vec()).await?;
        bytes.map(|bytes| decode::<Ballot>(&bytes).map(Vote::from)).transpose()
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let limit = Limit { count: BATCH_COUNT, bytes: BATCH_BYTES };
        self.entries(start, end, limit).await
    }
}

impl<R: Runtime, D: Disk> RaftLogStorage<Types<R>> for LogStore<R, D> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types<R>>> {
        let last_purged_log_id = self.read_place(PURGED).await?;
        let last = match self.disk.last(Family::Log, vec![0xff; 9]).await? {
            Some((_, bytes)) => Some(LogId::from(decode::<LogEntry>(&bytes)?.place)),
            None => None,
        };
        let last_log_id = last.max(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(Family::Meta, VOTE, encode(&Ballot::from(vote))?);
        self.disk.write_synced(batch).await
    }

    /// Unsynced on purpose: an old value is safe, it only costs a read index.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let mut batch = Batch::default();
        match wire::place(committed.as_ref()) {
            Some(place) => batch.put(Family::Meta, COMMITTED, encode(&place)?),
            None => batch.delete(Family::Meta, COMMITTED),
        }
        self.disk.write(batch).await
    }

    /// Never beyond the log: the index is kept lazily and the log may have been
    /// shortened since.
    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let committed = self.read_place(COMMITTED).await?;
        let last = self.get_log_state().await?.last_log_id;
        Ok(committed.filter(|committed| Some(committed.index()) <= last.index()))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<R>>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = Batch::default();
        for entry in entries {
            let index = entry.log_id.index();
            batch.put(Family::Log, key(index), encode(&LogEntry::from(entry))?);
        }
        self.disk.write_then(batch, Box::new(move |result| callback.io_completed(result))).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.delete_range(Family::Log, key(last.next_index()), vec![0xff; 9]);
        self.disk.write_synced(batch).await
    }

    async fn purge(&mut self, to: LogId) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(Family::Meta, PURGED, encode(&Place::from(&to))?);
        batch.delete_range(Family::Log, key(0), key(to.index() + 1));
        self.disk.write(batch).await
    }
}
