//! What the store needs of a disk: ordered keys in four families, writes that
//! can be read at once and are durable later, and files. RocksDB is one; the
//! simulation's disk, which forgets what was not synced, is the other.
//!
//! The contract that everything above rests on: a write is readable when
//! `write` returns, and survives a crash only once it was reported synced.
//! Writes become durable in the order in which they were made, a batch wholly
//! or not at all.

mod rocks;

use std::future::Future;
use std::io;

use bytes::Bytes;

pub use rocks::{OpenError, RocksDisk};

/// Where a key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Vote, committed index, last applied, membership.
    Meta,
    /// The Raft log, by index.
    Log,
    /// The applied state, by record key.
    State,
    /// Facts, by node, incarnation and sequence.
    Journal,
}

impl Family {
    pub const ALL: [Self; 4] = [Self::Meta, Self::Log, Self::State, Self::Journal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Log => "log",
            Self::State => "state",
            Self::Journal => "journal",
        }
    }
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put {
        family: Family,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        family: Family,
        key: Vec<u8>,
    },
    /// From `from` (included) to `to` (excluded).
    DeleteRange {
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub changes: Vec<Change>,
}

impl Batch {
    pub fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(Change::Put { family, key: key.into(), value: value.into() });
    }

    pub fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.changes.push(Change::Delete { family, key: key.into() });
    }

    pub fn delete_range(
        &mut self,
        family: Family,
        from: impl Into<Vec<u8>>,
        to: impl Into<Vec<u8>>,
    ) {
        self.changes.push(Change::DeleteRange { family, from: from.into(), to: to.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Called once, when a write is durable or has failed.
pub type Synced = Box<dyn FnOnce(io::Result<()>) + Send>;

/// How much a scan may return.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub count: usize,
    /// At least one pair is returned, however long.
    pub bytes: usize,
}

pub type Pair = (Vec<u8>, Vec<u8>);

pub trait Disk: Clone + Send + Sync + 'static {
    /// Readable on return, durable with some later sync.
    fn write(&self, batch: Batch) -> impl Future<Output = io::Result<()>> + Send;

    /// Readable on return; `synced` is called once it is durable.
    fn write_then(
        &self,
        batch: Batch,
        synced: Synced,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Durable on return, with everything written before it.
    fn write_synced(&self, batch: Batch) -> impl Future<Output = io::Result<()>> + Send;

    fn get(
        &self,
        family: Family,
        key: Vec<u8>,
    ) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;

    /// Pairs from `from` (included) to `to` (excluded), in order.
    fn scan(
        &self,
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: Limit,
    ) -> impl Future<Output = io::Result<Vec<Pair>>> + Send;

    /// The pair with the greatest key below `to`.
    fn last(
        &self,
        family: Family,
        to: Vec<u8>,
    ) -> impl Future<Output = io::Result<Option<Pair>>> + Send;

    /// Writes a whole file, durable on return; it replaces one of that name.
    fn put_file(&self, name: String, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    fn get_file(&self, name: String) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;

    /// Names of files that start with `prefix`, in order.
    fn files(&self, prefix: String) -> impl Future<Output = io::Result<Vec<String>>> + Send;

    fn delete_file(&self, name: String) -> impl Future<Output = io::Result<()>> + Send;
}
