//! A node's disk in one of its lives: every write is shown to the invariants,
//! syncs take seeded time and are shared by those who wait, and a crash that
//! the nemesis has armed falls between a write and its sync. The platter under
//! it outlives the node.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;
use tokio::sync::{Notify, oneshot};
use weir_consensus::disk::{Batch, Change, Disk, Family, Limit, Pair, Synced};
use weir_model::id::NodeId;

use crate::invariants::Seen;
use crate::nemesis::Moment;
use crate::planted::Planted;
use crate::platter::Platter;
use crate::runtime::SimRuntime;
use crate::shared::Shared;
use crate::world::World;

pub const VOTE: &[u8] = b"vote";
pub const APPLIED: &[u8] = b"applied";
pub const VOTERS: &[u8] = b"voters";
/// Every snapshot's file starts like this.
pub const SNAPSHOT: &str = "snapshot-";

/// See the module.
#[derive(Clone)]
pub struct SimDisk {
    node: NodeId,
    world: Arc<World>,
    platter: Shared<Platter>,
    wake: Arc<Notify>,
}

/// What kind of write a batch is, for arming crashes.
fn moment(batch: &Batch) -> Option<Moment> {
    batch.changes.iter().find_map(|change| match change {
        Change::Put { family: Family::Meta, key, .. } if key == VOTE => Some(Moment::Vote),
        Change::Put { family: Family::Meta, key, .. } if key == APPLIED => Some(Moment::Apply),
        Change::Put { family: Family::Log, .. } => Some(Moment::Append),
        Change::DeleteRange { family: Family::Log, .. } => Some(Moment::Truncate),
        Change::Put { family: Family::Journal, .. } => Some(Moment::Journal),
        _ => None,
    })
}

fn is_key(change: &Change, name: &[u8]) -> bool {
    matches!(change, Change::Put { family: Family::Meta, key, .. } if key == name)
}

fn family_of(change: &Change) -> Family {
    match change {
        Change::Put { family, .. }
        | Change::Delete { family, .. }
        | Change::DeleteRange { family, .. } => *family,
    }
}

impl SimDisk {
    /// Takes up a platter. Must be called by a task of the node's group, which
    /// the flushing then belongs to.
    pub fn open(world: Arc<World>, node: NodeId, platter: Shared<Platter>) -> Self {
        let disk = Self { node, world, platter, wake: Arc::new(Notify::new()) };
        drop(SimRuntime::spawn(disk.clone().flush()));
        disk
    }

    async fn flush(self) {
        loop {
            self.wake.notified().await;
            while let Some(to) = self.platter.with(|platter| platter.sync_wanted()) {
                tokio::time::sleep(self.world.sync_takes()).await;
                let done = self.platter.with(|platter| platter.sync(to));
                self.world.note("synced", [self.node.0, to, done.len() as u64]);
                done.into_iter().for_each(|synced| synced(Ok(())));
            }
        }
    }

    fn is_planted(&self, planted: Planted) -> bool {
        self.world.planted == Some(planted)
    }

    /// What the mistakes of this run make of a batch.
    fn spoil(&self, mut batch: Batch) -> Vec<Batch> {
        if self.is_planted(Planted::AnswersForgotten) {
            batch.changes.retain(|change| !is_answer(change));
        }
        if self.is_planted(Planted::VotersForgotten) {
            batch.changes.retain(|change| !is_key(change, VOTERS));
        }
        let installs =
            |change: &Change| matches!(change, Change::DeleteRange { family: Family::State, .. });
        if self.is_planted(Planted::SnapshotPositionOnly) && batch.changes.iter().any(installs) {
            batch.changes.retain(|change| family_of(change) != Family::State);
        }
        if self.is_planted(Planted::AppliedTorn) && moment(&batch) == Some(Moment::Apply) {
            let (state, position) = std::mem::take(&mut batch.changes)
                .into_iter()
                .partition(|change| family_of(change) == Family::State);
            return vec![Batch { changes: position }, Batch { changes: state }];
        }
        vec![batch]
    }

    /// Makes a batch readable; returns its number.
    fn put(&self, batch: Batch) -> u64 {
        let moment = moment(&batch);
        let mut number = 0;
        for batch in self.spoil(batch) {
            number = self.platter.with(|platter| {
                let before = &platter.visible;
                self.world.saw(&Seen::Writes { node: self.node, batch: &batch, before });
                let number = platter.write(batch.clone());
                let after = &platter.visible;
                self.world.saw(&Seen::Wrote { node: self.node, batch: &batch, after });
                number
            });
        }
        self.world.note("write", [self.node.0, number, moment.map_or(0, |m| m as u64)]);
        if let Some(moment) = moment {
            self.world.reached(self.node, moment);
        }
        number
    }

    fn wait(&self, number: u64, synced: Synced) {
        self.platter.with(|platter| platter.wait(number, synced));
        self.wake.notify_one();
    }

    async fn synced(&self, number: u64) -> io::Result<()> {
        let (done, synced) = oneshot::channel();
        // Nobody listens any more when the writer was cancelled.
        let tell = move |result| drop(done.send(result));
        self.wait(number, Box::new(tell));
        synced.await.map_err(io::Error::other)?
    }

    /// Whether this run's mistake makes a synced write return early.
    fn returns_early(&self, batch: &Batch) -> bool {
        match moment(batch) {
            Some(Moment::Vote) => self.is_planted(Planted::VoteUnsynced),
            Some(Moment::Journal) => self.is_planted(Planted::FactUnsynced),
            _ => false,
        }
    }
}

fn is_answer(change: &Change) -> bool {
    let Change::Put { family: Family::State, key, .. } = change else { return false };
    matches!(weir_model::codec::decode(key), Ok(weir_model::state::RecordKey::Answer(_)))
}

impl Disk for SimDisk {
    async fn write(&self, batch: Batch) -> io::Result<()> {
        tokio::time::sleep(self.world.write_takes()).await;
        self.put(batch);
        Ok(())
    }

    async fn write_then(&self, batch: Batch, synced: Synced) -> io::Result<()> {
        let number = self.put(batch);
        if self.is_planted(Planted::AcknowledgedBeforeSync) {
            synced(Ok(()));
        } else {
            self.wait(number, synced);
        }
        Ok(())
    }

    async fn write_synced(&self, batch: Batch) -> io::Result<()> {
        let early = self.returns_early(&batch);
        let number = self.put(batch.clone());
        if !early {
            self.synced(number).await?;
        }
        self.world.saw(&Seen::Kept { node: self.node, batch: &batch });
        Ok(())
    }

    async fn get(&self, family: Family, key: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        Ok(self.platter.with(|platter| platter.visible.get(family, &key).cloned()))
    }

    async fn scan(
        &self,
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: Limit,
    ) -> io::Result<Vec<Pair>> {
        Ok(self.platter.with(|platter| platter.visible.scan(family, &from, &to, limit)))
    }

    async fn last(&self, family: Family, to: Vec<u8>) -> io::Result<Option<Pair>> {
        Ok(self.platter.with(|platter| platter.visible.last(family, &to)))
    }

    async fn put_file(&self, name: String, bytes: Bytes) -> io::Result<()> {
        self.world.reached(self.node, Moment::File);
        tokio::time::sleep(self.world.sync_takes()).await;
        self.world.saw(&Seen::File { node: self.node, name: &name, bytes: &bytes });
        self.world.note("file", [self.node.0, bytes.len() as u64, 0]);
        self.platter.with(|platter| platter.put_file(&name, &bytes));
        // Durable, but the writer may fall before it hears of it.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    async fn get_file(&self, name: String) -> io::Result<Option<Bytes>> {
        Ok(self.platter.with(|platter| platter.visible.files.get(&name).cloned()))
    }

    async fn files(&self, prefix: String) -> io::Result<Vec<String>> {
        Ok(self.platter.with(|platter| {
            let names = platter.visible.files.keys();
            names.filter(|name| name.starts_with(&prefix)).cloned().collect()
        }))
    }

    async fn delete_file(&self, name: String) -> io::Result<()> {
        self.platter.with(|platter| platter.delete_file(&name));
        Ok(())
    }
}
