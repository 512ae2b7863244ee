//! The applied state on a [`Disk`]. Applying a run of entries is one batch: the
//! records they touched, last-applied, membership. What others read is a view
//! published after the batch was written, never the state in the making.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::watch;
use weir_model::codec;
use weir_model::decision::Proposal;
use weir_model::id::NodeId;
use weir_model::state::{Answers, Record, RecordKey, State};

use super::snapshot::{self, Builder};
use super::wire::{self, Place, StoredVoters, WireError, decode, encode};
use crate::disk::{Batch, Disk, Family, Limit};
use crate::types::{
    Entry, LogId, Reply, Runtime, Snapshot, SnapshotBytes, SnapshotMeta, StoredMembership, Types,
};

const APPLIED: &[u8] = b"applied";
const VOTERS: &[u8] = b"voters";
/// Records read at once when the node starts.
const LOAD: Limit = Limit { count: 4096, bytes: 4 << 20 };
/// Most entries applied in one batch.
const RUN: usize = 256;

/// The state as it was after some entry.
#[derive(Debug, Clone, Default)]
pub struct AppliedView {
    pub state: State,
    /// Index of the last entry applied; 0 before any.
    pub applied: u64,
    pub voters: BTreeSet<NodeId>,
    pub learners: BTreeSet<NodeId>,
}

/// See the module.
pub struct Machine<D> {
    disk: D,
    state: State,
    answers: Answers,
    applied: Option<LogId>,
    membership: StoredMembership,
    published: watch::Sender<Arc<AppliedView>>,
}

impl<D: Disk> Machine<D> {
    /// Reads the state back from the disk.
    ///
    /// # Errors
    /// When the disk cannot be read or holds what is not a state.
    pub async fn open(disk: D) -> io::Result<(Self, watch::Receiver<Arc<AppliedView>>)> {
        let (family, mut from, to) = snapshot::all_of_state();
        let mut pairs = Vec::new();
        loop {
            let batch = disk.scan(family, from.clone(), to.clone(), LOAD).await?;
            let Some((last, _)) = batch.last() else { break };
            from = last.iter().copied().chain([0]).collect();
            pairs.extend(batch);
        }
        let (state, answers) = State::decode_all(pairs).map_err(invalid)?;
        let applied = disk.get(Family::Meta, APPLIED.to_vec()).await?;
        let applied = applied.map(|b| decode::<Place>(&b).map(LogId::from)).transpose()?;
        let membership = match disk.get(Family::Meta, VOTERS.to_vec()).await? {
            Some(bytes) => decode::<StoredVoters>(&bytes)?.membership()?,
            None => StoredMembership::default(),
        };
        let (published, view) = watch::channel(Arc::default());
        let machine = Self { disk, state, answers, applied, membership, published };
        machine.publish();
        Ok((machine, view))
    }

    fn publish(&self) {
        let membership = self.membership.membership();
        self.published.send_replace(Arc::new(AppliedView {
            state: self.state.clone(),
            applied: self.applied.as_ref().map_or(0, LogId::index),
            voters: membership.voter_ids().collect(),
            learners: membership.learner_ids().collect(),
        }));
    }

    /// Applies one entry and says which records it touched.
    fn apply_one(&mut self, entry: Entry) -> io::Result<(Reply, BTreeSet<RecordKey>)> {
        let index = entry.log_id.index();
        let mut done = (None, BTreeSet::new());
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            EntryPayload::Normal(command) => {
                let proposal: Proposal = decode(&command.0)?;
                let applied = self.state.apply(&mut self.answers, index, &proposal);
                done = (Some(applied.answer), applied.touched);
            }
        }
        self.applied = Some(entry.log_id);
        Ok(done)
    }

    /// Everything the batch needs to bring the disk to the state in memory.
    fn batch(&self, touched: BTreeSet<RecordKey>) -> io::Result<Batch> {
        let mut batch = Batch::default();
        for key in touched {
            put_record(&mut batch, &key, self.state.record(&self.answers, &key))?;
        }
        self.put_position(&mut batch)?;
        Ok(batch)
    }

    fn put_position(&self, batch: &mut Batch) -> io::Result<()> {
        if let Some(applied) = wire::place(self.applied.as_ref()) {
            batch.put(Family::Meta, APPLIED, encode(&applied)?);
        }
        batch.put(Family::Meta, VOTERS, encode(&StoredVoters::from(&self.membership))?);
        Ok(())
    }
}

fn invalid(error: weir_model::state::RecordError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn put_record(batch: &mut Batch, key: &RecordKey, record: Option<Record>) -> io::Result<()> {
    let key = codec::encode(key).map_err(WireError::from)?;
    match record {
        Some(record) => {
            batch.put(Family::State, key, codec::encode(&record).map_err(WireError::from)?);
        }
        None => batch.delete(Family::State, key),
    }
    Ok(())
}

impl<R: Runtime, D: Disk> RaftStateMachine<Types<R>> for Machine<D> {
    type SnapshotData = SnapshotBytes;
    type SnapshotBuilder = Builder<D>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types<R>>>> + Unpin + OptionalSend,
    {
        let mut runs = entries.ready_chunks(RUN);
        while let Some(run) = runs.next().await {
            let (mut touched, mut answers) = (BTreeSet::new(), Vec::with_capacity(run.len()));
            for item in run {
                let (entry, responder) = item?;
                let (reply, keys) = self.apply_one(entry)?;
                touched.extend(keys);
                answers.extend(responder.map(|responder| (responder, reply)));
            }
            self.disk.write(self.batch(touched)?).await?;
            self.publish();
            for (responder, reply) in answers {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<D> {
        let meta =
            SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        Builder {
            disk: self.disk.clone(),
            meta,
            state: self.state.clone(),
            answers: self.answers.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, bytes: Bytes) -> io::Result<()> {
        let (head, pairs) = snapshot::read(&bytes)?;
        let (state, answers) =
            State::decode_all(pairs.iter().map(|(key, record)| (key, record))).map_err(invalid)?;
        (self.state, self.answers) = (state, answers);
        (self.applied, self.membership) = (meta.last_log_id, meta.last_membership.clone());
        let mut batch = Batch::default();
        let (family, from, to) = snapshot::all_of_state();
        batch.delete_range(family, from, to);
        for (key, record) in pairs {
            batch.put(family, key, record);
        }
        self.put_position(&mut batch)?;
        snapshot::keep(&self.disk, &head, bytes).await?;
        self.disk.write_synced(batch).await?;
        self.publish();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        snapshot::newest(&self.disk).await
    }
}
