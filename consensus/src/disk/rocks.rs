//! The real disk: RocksDB with one write-ahead log, and a folder of files. One
//! thread writes (and syncs for everybody who waits: group commit), another
//! reads; no async task ever blocks on storage. A failed write ends writing for
//! good: storage that lied once is not asked again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use rocksdb::{
    ColumnFamilyDescriptor, DB, DBCompressionType, Direction, IteratorMode, Options, ReadOptions,
    WriteBatch, WriteOptions,
};
use tokio::sync::{mpsc, oneshot};

use super::{Batch, Change, Disk, Family, Limit, Pair, Synced};

/// Requests that may wait for a disk thread before callers wait too.
const QUEUE: usize = 1024;
/// Most writes made durable by one sync.
const GROUP: usize = 512;

/// Why the storage folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("打不开数据目录 {folder} / cannot open the data folder {folder}: {source}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error(
        "数据目录 {folder} 被占用或已损坏；是否有另一个 weir 在运行？ / the database in {folder} is \
         in use or damaged; is another weir running on it? ({reason})"
    )]
    Database { folder: PathBuf, reason: String },
}

enum Wanted {
    /// Answer once it is readable.
    Readable,
    /// Answer once it is readable, call back once it is durable.
    Then(Synced),
    /// Answer once it is durable.
    Durable,
}

struct Write1 {
    batch: Batch,
    wanted: Wanted,
    answer: oneshot::Sender<io::Result<()>>,
}

type Read1 = Box<dyn FnOnce(&Reader) + Send>;

struct Reader {
    db: Arc<DB>,
    files: PathBuf,
}

struct Threads {
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    // The queues are closed by then (they are dropped before), so both end.
    fn drop(&mut self) {
        for thread in self.readers.drain(..).chain(self.writer.take()) {
            let _ = thread.join();
        }
    }
}

struct Shared {
    writes: mpsc::Sender<Write1>,
    reads: mpsc::Sender<Read1>,
    /// Apart from the other reads: syncing a file may take long.
    file_work: mpsc::Sender<Read1>,
    /// Why writing ended, once it has.
    failed: Arc<OnceLock<String>>,
    _threads: Threads,
}

/// See the module.
#[derive(Clone)]
pub struct RocksDisk(Arc<Shared>);

impl RocksDisk {
    /// Opens, or creates, the database and the folder of files in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written, or another process holds it.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let files = folder.join("files");
        fs::create_dir_all(&files)
            .map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        let families = Family::ALL
            .iter()
            .map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(*family)));
        let db =
            DB::open_cf_descriptors(&options(), folder.join("db"), families).map_err(|error| {
                OpenError::Database { folder: folder.to_owned(), reason: error.to_string() }
            })?;
        let db = Arc::new(db);
        let failed: Arc<OnceLock<String>> = Arc::default();
        let first = failed.clone();
        let (writes, write_queue) = mpsc::channel(QUEUE);
        let (reads, read_queue) = mpsc::channel(QUEUE);
        let (file_work, file_queue) = mpsc::channel(QUEUE);
        let reader = Reader { db: db.clone(), files: files.clone() };
        let file_reader = Reader { db: db.clone(), files };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })
        };
        let writer = spawn("disk-write", Box::new(move || write_loop(&db, write_queue, &first)))?;
        let readers = vec![
            spawn("disk-read", Box::new(move || read_loop(&reader, read_queue)))?,
            spawn("disk-files", Box::new(move || read_loop(&file_reader, file_queue)))?,
        ];
        let threads = Threads { writer: Some(writer), readers };
        Ok(Self(Arc::new(Shared { writes, reads, file_work, failed, _threads: threads })))
    }

    async fn submit(&self, batch: Batch, wanted: Wanted) -> io::Result<()> {
        let (answer, answered) = oneshot::channel();
        let write = Write1 { batch, wanted, answer };
        self.0.writes.send(write).await.map_err(|_| self.closed())?;
        answered.await.map_err(|_| self.closed())?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.ask(&self.0.reads, read).await
    }

    async fn file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.ask(&self.0.file_work, work).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        queue: &mpsc::Sender<Read1>,
        read: impl FnOnce(&Reader) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        let task: Read1 = Box::new(move |reader| {
            // Nobody waits any more: the caller was cancelled.
            let _ = answer.send(read(reader));
        });
        queue.send(task).await.map_err(|_| self.closed())?;
        answered.await.map_err(|_| self.closed())?
    }

    fn closed(&self) -> io::Error {
        let why = self.0.failed.get().map_or("it was closed", String::as_str);
        let text = format!("存储已停止，请排除故障后重启 / storage has stopped, mend it: {why}");
        io::Error::new(io::ErrorKind::BrokenPipe, text)
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_keep_log_file_num(2);
    options.set_max_background_jobs(2);
    options.set_max_total_wal_size(64 << 20);
    // A torn tail of the log is what a power cut leaves; anything else is damage.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
    options
}

fn family_options(family: Family) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(if family == Family::Log { 32 << 20 } else { 8 << 20 });
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

/// Writes what waits, then syncs once for all of it.
fn write_loop(db: &DB, mut queue: mpsc::Receiver<Write1>, failed: &OnceLock<String>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(next) => group.push(next),
                Err(_) => break,
            }
        }
        if let Err(error) = write_group(db, &mut group, failed) {
            tracing::error!(%error, "a write failed; storage stops / 写盘失败，存储停止");
            return;
        }
    }
}

fn write_group(db: &DB, group: &mut Vec<Write1>, stopped: &OnceLock<String>) -> io::Result<()> {
    let mut waiting: Vec<Synced> = Vec::new();
    for Write1 { batch, wanted, answer } in group.drain(..) {
        let outcome = write_one(db, batch);
        let failed = outcome.as_ref().err().map(copy_error);
        if let Some(error) = &failed {
            // Before anybody's answer is dropped, so that whoever asks finds it.
            let _ = stopped.set(error.to_string());
        }
        match wanted {
            Wanted::Readable => drop(answer.send(outcome)),
            Wanted::Then(synced) => {
                if failed.is_none() {
                    waiting.push(synced);
                }
                drop(answer.send(outcome));
            }
            Wanted::Durable if failed.is_none() => {
                waiting.push(Box::new(move |result| drop(answer.send(result))));
            }
            Wanted::Durable => drop(answer.send(outcome)),
        }
        if let Some(error) = failed {
            for synced in waiting {
                synced(Err(copy_error(&error)));
            }
            return Err(error);
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let outcome = db.flush_wal(true).map_err(io::Error::other);
    if let Err(error) = &outcome {
        let _ = stopped.set(error.to_string());
    }
    for synced in waiting {
        synced(match &outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(copy_error(error)),
        });
    }
    outcome
}

fn copy_error(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

fn write_one(db: &DB, batch: Batch) -> io::Result<()> {
    let mut writes = WriteBatch::default();
    for change in batch.changes {
        match change {
            Change::Put { family, key, value } => writes.put_cf(handle(db, family)?, key, value),
            Change::Delete { family, key } => writes.delete_cf(handle(db, family)?, key),
            Change::DeleteRange { family, from, to } => {
                writes.delete_range_cf(handle(db, family)?, from, to);
            }
        }
    }
    let mut unsynced = WriteOptions::default();
    unsynced.set_sync(false);
    db.write_opt(writes, &unsynced).map_err(io::Error::other)
}

fn handle(db: &DB, family: Family) -> io::Result<&rocksdb::ColumnFamily> {
    db.cf_handle(family.name())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "a column family is missing"))
}

fn read_loop(reader: &Reader, mut queue: mpsc::Receiver<Read1>) {
    while let Some(task) = queue.blocking_recv() {
        task(reader);
    }
}

impl Reader {
    fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: Vec<u8>,
        limit: Limit,
    ) -> io::Result<Vec<Pair>> {
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_upper_bound(to);
        let start = IteratorMode::From(from, Direction::Forward);
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        for pair in self.db.iterator_cf_opt(handle(&self.db, family)?, bounds, start) {
            let (key, value) = pair.map_err(io::Error::other)?;
            bytes += key.len() + value.len();
            if pairs.len() >= limit.count || (!pairs.is_empty() && bytes > limit.bytes) {
                break;
            }
            pairs.push((key.into_vec(), value.into_vec()));
        }
        Ok(pairs)
    }

    fn last(&self, family: Family, to: Vec<u8>) -> io::Result<Option<Pair>> {
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_upper_bound(to);
        let mut backwards =
            self.db.iterator_cf_opt(handle(&self.db, family)?, bounds, IteratorMode::End);
        let pair = backwards.next().transpose().map_err(io::Error::other)?;
        Ok(pair.map(|(key, value)| (key.into_vec(), value.into_vec())))
    }

    /// Under another name first, so that a crash leaves the old file or the new.
    fn put_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.files.join(format!("{name}.unfinished"));
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.files.join(name))?;
        File::open(&self.files)?.sync_all()
    }

    fn files(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.files)? {
            if let Ok(name) = entry?.file_name().into_string()
                && name.starts_with(prefix)
                && !name.ends_with(".unfinished")
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Turns "there is none" into `None`.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Disk for RocksDisk {
    async fn write(&self, batch: Batch) -> io::Result<()> {
        self.submit(batch, Wanted::Readable).await
    }

    async fn write_then(&self, batch: Batch, synced: Synced) -> io::Result<()> {
        self.submit(batch, Wanted::Then(synced)).await
    }

    async fn write_synced(&self, batch: Batch) -> io::Result<()> {
        self.submit(batch, Wanted::Durable).await
    }

    async fn get(&self, family: Family, key: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        self.read(move |reader| {
            reader.db.get_cf(handle(&reader.db, family)?, key).map_err(io::Error::other)
        })
        .await
    }

    async fn scan(
        &self,
        family: Family,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: Limit,
    ) -> io::Result<Vec<Pair>> {
        self.read(move |reader| reader.scan(family, &from, to, limit)).await
    }

    async fn last(&self, family: Family, to: Vec<u8>) -> io::Result<Option<Pair>> {
        self.read(move |reader| reader.last(family, to)).await
    }

    async fn put_file(&self, name: String, bytes: Bytes) -> io::Result<()> {
        self.file(move |reader| reader.put_file(&name, &bytes)).await
    }

    async fn get_file(&self, name: String) -> io::Result<Option<Bytes>> {
        self.file(move |reader| Ok(found(fs::read(reader.files.join(name)))?.map(Bytes::from)))
            .await
    }

    async fn files(&self, prefix: String) -> io::Result<Vec<String>> {
        self.file(move |reader| reader.files(&prefix)).await
    }

    async fn delete_file(&self, name: String) -> io::Result<()> {
        self.file(move |reader| found(fs::remove_file(reader.files.join(name))).map(drop)).await
    }
}
