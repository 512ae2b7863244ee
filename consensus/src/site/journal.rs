//! The journal on a [`Disk`]: this node's own facts, and those that other nodes
//! shipped here for safe keeping. A fact is synced before anybody is told. It
//! refuses to overwrite: of two histories under one name both are kept.

use std::io;

use weir_model::codec::{self, DecodeError};
use weir_model::fact::{
    Broken, Chain, ChainError, Fact, FactBody, FactId, Head, Place, Written, verify,
};
use weir_model::id::{Hash, Incarnation, NodeId, SiteId, WallMs};

use crate::disk::{Batch, Disk, Family, Limit, Pair};

/// Facts in the order of their names.
const FACT: u8 = b'f';
/// Other histories under a name that is taken.
const FORK: u8 = b'x';
const EPOCH: &[u8] = b"epoch";
/// How much is read at once.
const READ: Limit = Limit { count: 1024, bytes: 1 << 20 };

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("日志读写失败 / the journal cannot be read or written: {0}")]
    Disk(#[from] io::Error),
    #[error("日志记录有误 / the journal cannot hold this fact: {0}")]
    Chain(#[from] ChainError),
    #[error("日志已损坏：{0} / the journal is damaged: {0}")]
    Broken(Box<Broken>),
    #[error("日志记录无法解读 / a fact cannot be read: {0}")]
    Decode(#[from] DecodeError),
}

/// See the module.
pub struct Journal<D> {
    disk: D,
    chain: Chain,
}

/// Who writes it, and what the writer had seen when it opened the journal.
pub struct Writer {
    pub node: NodeId,
    pub site: SiteId,
    pub at: WallMs,
    pub seen: u64,
}

fn key(kind: u8, id: FactId) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(id.node.0.to_be_bytes());
    key.extend(id.incarnation.0.to_be_bytes());
    key.extend(id.seq.to_be_bytes());
    key
}

fn after_all(kind: u8, node: NodeId) -> Vec<u8> {
    key(kind, FactId { node, incarnation: Incarnation(u32::MAX), seq: u64::MAX })
}

fn first(node: NodeId) -> FactId {
    FactId { node, incarnation: Incarnation(0), seq: 0 }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal, beginning its first incarnation if there is none, and
    /// returns every fact of this node, oldest first.
    ///
    /// # Errors
    /// When the disk fails, or the node's own chain does not verify.
    pub async fn open(disk: D, writer: Writer) -> Result<(Self, Vec<Fact>), JournalError> {
        let records = read_all(&disk, writer.node).await?;
        let mut facts = Vec::with_capacity(records.len());
        for (_, bytes) in &records {
            facts.push(codec::decode::<Fact>(bytes)?);
        }
        let Some(last) = facts.last() else {
            let (chain, began) = Chain::begin(
                writer.site,
                writer.node,
                Incarnation(1),
                None,
                writer.at,
                writer.seen,
            )?;
            let mut journal = Self { disk, chain };
            journal.sync(std::slice::from_ref(&began)).await?;
            return Ok((journal, vec![began.fact]));
        };
        let head = check(&facts, &records)?;
        let chain = Chain::resume(last, head.hash);
        Ok((Self { disk, chain }, facts))
    }

    pub fn head(&self) -> &Head {
        self.chain.head()
    }

    /// Writes facts and returns once they are synced.
    ///
    /// # Errors
    /// When the disk fails; nothing was acknowledged then.
    pub async fn append(
        &mut self,
        bodies: Vec<FactBody>,
        at: WallMs,
        seen: u64,
        parents: &[Place],
    ) -> Result<Vec<Written>, JournalError> {
        let mut written = Vec::with_capacity(bodies.len());
        for body in bodies {
            written.push(self.chain.next(body, at, seen, parents)?);
        }
        self.sync(&written).await?;
        Ok(written)
    }

    /// Others know more of this node than it does itself: its disk was lost or
    /// restored. A new incarnation names what they know.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn begin_again(
        &mut self,
        writer: Writer,
        known: Head,
    ) -> Result<Written, JournalError> {
        let next = Incarnation(known.id.incarnation.0.max(self.head().id.incarnation.0) + 1);
        let (chain, began) =
            Chain::begin(writer.site, writer.node, next, Some(known), writer.at, writer.seen)?;
        self.chain = chain;
        self.sync(std::slice::from_ref(&began)).await?;
        Ok(began)
    }

    async fn sync(&mut self, written: &[Written]) -> io::Result<()> {
        let mut batch = Batch::default();
        for one in written {
            batch.put(Family::Journal, key(FACT, one.fact.id), one.bytes.clone());
        }
        self.disk.write_synced(batch).await
    }

    /// Keeps facts of other nodes; durable on return. Those marked as another
    /// history stand beside the first.
    pub(super) async fn keep(&self, facts: &[(FactId, Vec<u8>, bool)]) -> io::Result<()> {
        let mut batch = Batch::default();
        for (id, bytes, fork) in facts {
            let mut at = key(if *fork { FORK } else { FACT }, *id);
            if *fork {
                at.extend(Fact::hash_of(bytes).0);
            }
            batch.put(Family::Journal, at, bytes.clone());
        }
        if batch.is_empty() { Ok(()) } else { self.disk.write_synced(batch).await }
    }
}

/// Verifies each incarnation by itself. Between two of them facts may be
/// missing: a disk that was restored does not hold what it forgot, and the new
/// incarnation names how far others knew it had come.
fn check(facts: &[Fact], records: &[Pair]) -> Result<Head, JournalError> {
    let broken = |broken| JournalError::Broken(Box::new(broken));
    let mut rest = records;
    let mut head = None;
    for life in facts.chunk_by(|one, next| one.id.incarnation == next.id.incarnation) {
        let (these, after) = rest.split_at(life.len().min(rest.len()));
        head = Some(verify(these.iter().map(|(_, bytes)| bytes), None).map_err(broken)?);
        rest = after;
    }
    match head {
        Some(head) => Ok(head),
        None => verify(std::iter::empty::<&[u8]>(), None).map_err(broken),
    }
}

async fn read_all<D: Disk>(disk: &D, node: NodeId) -> io::Result<Vec<Pair>> {
    let mut from = key(FACT, first(node));
    let mut all = Vec::new();
    loop {
        let pairs = disk.scan(Family::Journal, from, after_all(FACT, node), READ).await?;
        let Some((last, _)) = pairs.last() else { return Ok(all) };
        from = last.iter().copied().chain([0]).collect();
        all.extend(pairs);
    }
}

/// Reads facts without disturbing the writer.
#[derive(Clone)]
pub struct Reader<D> {
    disk: D,
}

impl<D: Disk> Reader<D> {
    pub(super) fn new(disk: D) -> Self {
        Self { disk }
    }

    /// The raw facts of `node` after `after`, a page of them.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn page(
        &self,
        node: NodeId,
        after: Option<FactId>,
        limit: Limit,
    ) -> io::Result<Vec<Vec<u8>>> {
        let mut from = key(FACT, after.unwrap_or(first(node)));
        if after.is_some() {
            from.push(0);
        }
        let pairs = self.disk.scan(Family::Journal, from, after_all(FACT, node), limit).await?;
        Ok(pairs.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// The last fact of each incarnation of every node but `but`.
    pub(super) async fn heads(&self, but: NodeId) -> Result<Vec<Head>, JournalError> {
        let mut heads = Vec::new();
        let mut below = vec![FACT + 1];
        // From the end backwards, one look a line.
        while let Some((at, bytes)) = self.disk.last(Family::Journal, below).await? {
            if at.first() != Some(&FACT) {
                break;
            }
            let fact: Fact = codec::decode(&bytes)?;
            let FactId { node, incarnation, .. } = fact.id;
            if node != but {
                heads.push(Head { id: fact.id, hash: Fact::hash_of(&bytes) });
            }
            below = key(FACT, FactId { node, incarnation, seq: 0 });
        }
        Ok(heads)
    }

    /// The last fact of `node` that is kept here.
    pub(super) async fn last_of(&self, node: NodeId) -> Result<Option<Head>, JournalError> {
        let below = after_all(FACT, node);
        let Some((_, bytes)) = self.disk.last(Family::Journal, below).await? else {
            return Ok(None);
        };
        // What stands before it may be another node's, or not a fact at all.
        let fact = codec::decode::<Fact>(&bytes).ok().filter(|fact| fact.id.node == node);
        Ok(fact.map(|fact| Head { id: fact.id, hash: Fact::hash_of(&bytes) }))
    }

    /// The hash of the fact that is kept under this name.
    pub(super) async fn hash_of(&self, id: FactId) -> io::Result<Option<Hash>> {
        let bytes = self.disk.get(Family::Journal, key(FACT, id)).await?;
        Ok(bytes.map(|bytes| Fact::hash_of(&bytes)))
    }

    /// A number higher at every call, across restarts.
    pub(super) async fn next_epoch(&self) -> io::Result<u64> {
        let stored = self.disk.get(Family::Meta, EPOCH.to_vec()).await?;
        let before = stored.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        let mut batch = Batch::default();
        batch.put(Family::Meta, EPOCH, (before + 1).to_be_bytes());
        self.disk.write_synced(batch).await?;
        Ok(before + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RocksDisk;

    fn writer() -> Writer {
        Writer { node: NodeId(4), site: SiteId::new("R5").unwrap(), at: WallMs(1), seen: 0 }
    }

    fn note(text: &str) -> Vec<FactBody> {
        vec![FactBody::DutyNote { who: None, text: text.into() }]
    }

    /// The disk was restored from a copy; others knew more of this node. Its
    /// journal goes on in a new incarnation, and opens again ever after.
    #[tokio::test]
    async fn a_journal_that_was_rolled_back_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let known = {
            let disk = RocksDisk::open(folder.path()).unwrap();
            let (mut journal, _) = Journal::open(disk, writer()).await.unwrap();
            journal.append(note("kept"), WallMs(2), 0, &[]).await.unwrap();
            let id = FactId { seq: 9, ..journal.head().id };
            let known = Head { id, hash: Hash([7; 32]) };
            journal.begin_again(writer(), known.clone()).await.unwrap();
            journal.append(note("after"), WallMs(3), 0, &[]).await.unwrap();
            known
        };
        let disk = RocksDisk::open(folder.path()).unwrap();
        let (journal, facts) = Journal::open(disk, writer()).await.unwrap();
        assert_eq!(journal.head().id.incarnation, Incarnation(2));
        assert_eq!(facts.len(), 4);
        assert!(facts.iter().any(|f| f.body == FactBody::Began { after: Some(known.clone()) }));
    }

    #[tokio::test]
    async fn a_journal_with_a_changed_byte_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RocksDisk::open(folder.path()).unwrap();
        let (mut journal, _) = Journal::open(disk.clone(), writer()).await.unwrap();
        let written = journal.append(note("one"), WallMs(2), 0, &[]).await.unwrap();
        journal.append(note("two"), WallMs(3), 0, &[]).await.unwrap();
        let mut bytes = written[0].bytes.clone();
        *bytes.last_mut().unwrap() ^= 1;
        journal.keep(&[(written[0].fact.id, bytes, false)]).await.unwrap();
        let opened = Journal::open(disk, writer()).await;
        assert!(matches!(opened, Err(JournalError::Broken(_))));
    }
}
