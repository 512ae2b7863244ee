//! Clients that write without pause, each to its own line of the duty board,
//! and know exactly what was acknowledged. A write without an answer is asked
//! for again, at the next node, with the same key. They refuse to go on once a
//! revision shows that a write was lost or doubled.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::id::Hash;

use crate::api::{Api, Line};
use crate::node::Node;
use crate::wait::eventually;

/// For one try; shorter than the node's own, so that a client moves on.
const TRY: Duration = Duration::from_secs(2);
/// Between tries.
const RETRY: Duration = Duration::from_millis(20);
/// Writes at one node before the next is its turn.
const TURN: u64 = 16;

/// What a line must be once its writer has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub key: String,
    pub revision: u64,
    pub chain: String,
    /// Tries without an answer.
    pub unanswered: u64,
}

/// What all writers are told and tell.
struct Shared {
    doors: watch::Receiver<Vec<PathBuf>>,
    stop: CancellationToken,
    text_bytes: usize,
}

/// See the module.
pub struct Writers {
    doors: watch::Sender<Vec<PathBuf>>,
    stop: CancellationToken,
    acknowledged: Vec<Arc<AtomicU64>>,
    tasks: JoinSet<Result<Written>>,
}

impl Writers {
    /// Starts `count` of them; each text is at least `text_bytes` long.
    pub fn start(count: usize, doors: Vec<PathBuf>, text_bytes: usize) -> Self {
        let (doors, seen) = watch::channel(doors);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut acknowledged = Vec::new();
        for number in 0..count {
            let mine = Arc::new(AtomicU64::new(0));
            acknowledged.push(mine.clone());
            let shared = Shared { doors: seen.clone(), stop: stop.clone(), text_bytes };
            tasks.spawn(write(number, shared, mine));
        }
        Self { doors, stop, acknowledged, tasks }
    }

    /// Nodes moved: their sockets are elsewhere now.
    pub fn redirect(&self, doors: Vec<PathBuf>) {
        self.doors.send_replace(doors);
    }

    /// Writes acknowledged so far, of all writers.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum()
    }

    /// Waits until every writer has had `more` further writes acknowledged.
    ///
    /// # Errors
    /// When that takes longer than `patience`, or a writer gave up.
    pub async fn progress(&mut self, more: u64, patience: Duration) -> Result<()> {
        let read = |counts: &[Arc<AtomicU64>]| -> Vec<u64> {
            counts.iter().map(|count| count.load(Ordering::SeqCst)).collect()
        };
        let before = read(&self.acknowledged);
        let went = eventually("every client goes on writing", patience, async || {
            if let Some(ended) = self.tasks.try_join_next() {
                return Ok(Err(ended));
            }
            let now = read(&self.acknowledged);
            let behind = before.iter().zip(&now).filter(|(then, now)| *now < &(*then + more));
            let behind = behind.count();
            ensure!(behind == 0, "{behind} clients wait for an answer");
            Ok(Ok(()))
        });
        match went.await? {
            Ok(()) => Ok(()),
            Err(ended) => Err(ended?.err().context("a client stopped unasked")?),
        }
    }

    /// Lets each finish the write it is at; what the board must show then.
    ///
    /// # Errors
    /// When a writer gave up, or is not answered within `patience`.
    pub async fn finish(mut self, patience: Duration) -> Result<Vec<Written>> {
        self.stop.cancel();
        let all = async {
            let mut written = Vec::new();
            while let Some(ended) = self.tasks.join_next().await {
                written.push(ended??);
            }
            Ok(written)
        };
        timeout(patience, all).await.context("some writes were never answered")?
    }
}

async fn write(number: usize, shared: Shared, count: Arc<AtomicU64>) -> Result<Written> {
    let key = format!("client-{number}");
    let mut written =
        Written { key, revision: 0, chain: Hash::default().to_string(), unanswered: 0 };
    let mut chain = Hash::default();
    let mut client = Client { doors: shared.doors, turn: number, api: None };
    while !shared.stop.is_cancelled() {
        let next = written.revision + 1;
        let text = format!("{next:>width$}", width = shared.text_bytes);
        let once = format!("{}-{next}", written.key);
        if next.is_multiple_of(TURN) {
            client.move_on();
        }
        let revision = client.acknowledged(&written.key, &text, &once, &mut written.unanswered);
        let revision = revision.await?;
        ensure!(revision == next, "{}: write {next} became revision {revision}", written.key);
        chain = Hash::of(&[&chain.0, text.as_bytes()]);
        written.revision = revision;
        written.chain = chain.to_string();
        count.store(revision, Ordering::SeqCst);
    }
    Ok(written)
}

/// One client and the node it talks to at the moment.
struct Client {
    doors: watch::Receiver<Vec<PathBuf>>,
    turn: usize,
    api: Option<Api>,
}

impl Client {
    fn move_on(&mut self) {
        self.turn += 1;
        self.api = None;
    }

    fn api(&mut self) -> Result<&mut Api> {
        let moved = self.doors.has_changed()?;
        let api = match self.api.take() {
            Some(api) if !moved => api,
            _ => {
                let doors = self.doors.borrow_and_update();
                let door = doors.get(self.turn % doors.len().max(1)).context("no node")?;
                Api::new(door, TRY)
            }
        };
        Ok(self.api.insert(api))
    }

    /// Asks until there is an answer, always with the same key.
    async fn acknowledged(
        &mut self,
        key: &str,
        text: &str,
        once: &str,
        unanswered: &mut u64,
    ) -> Result<u64> {
        let mut ticks = interval(RETRY);
        loop {
            ticks.tick().await;
            match self.api()?.post(key, text, once).await {
                Ok(posted) => return Ok(posted.revision),
                Err(error) if error.is_open() => {
                    *unanswered += 1;
                    self.move_on();
                }
                Err(error) => return Err(error).context(format!("{once} was turned down")),
            }
        }
    }
}

/// Waits until `node` shows every line as it was acknowledged: nothing lost,
/// nothing twice, nothing swapped.
///
/// # Errors
/// When it does not within `patience`; shows the lines that differ.
pub async fn shows_each_once(node: &Node, written: &[Written], patience: Duration) -> Result<()> {
    let api = &mut node.api();
    let what = format!("{} shows every acknowledged write once", node.name);
    let asked = Instant::now();
    eventually(&what, patience, async || {
        let board = api.board().await?;
        let differs = |one: &&Written| {
            let line = board.iter().find(|line| line.key == one.key);
            let same = |line: &Line| line.revision == one.revision && line.chain == one.chain;
            !line.is_some_and(same)
        };
        let wrong: Vec<_> = written.iter().filter(differs).collect();
        let found: Vec<_> =
            board.iter().map(|line| (&line.key, line.revision, &line.chain)).collect();
        ensure!(wrong.is_empty(), "after {:?}: {wrong:?} in {found:?}", asked.elapsed());
        Ok(())
    })
    .await
}
