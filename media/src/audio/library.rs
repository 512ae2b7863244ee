//! Sounds in a folder, each file named by the SHA-256 of its bytes, so that
//! `sha256sum` can check it. Every read verifies: a file that is not what its
//! name says is moved aside as `.bad` and never served.
//!
//! A power cut finds either nothing or the whole file under a name: bytes are
//! written and synced under another name, then renamed, then the folder is
//! synced, and only then is the sound said to be here. Refuses to grow over its
//! limit, and removes no sound by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use weir_model::id::Hash;

use super::staged::{self, FILE_MAX_BYTES, Staged, StagedError};

/// File operations at a time; more wait.
const AT_ONCE: usize = 4;
/// More files than any directory of plans names.
const FILES_MAX: usize = 10_000;

#[derive(Debug, thiserror::Error)]
#[error(
    "音频库 {path} 打不开（{source}）；请检查磁盘和权限 / cannot open the sounds in {path} \
    ({source}); check the disk and its rights"
)]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// Why a sound cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    #[error("本节点没有音频 {0}；等待同步或重新生成 / sound {0} is not here; ship or render it")]
    Missing(Hash),
    #[error(
        "音频 {0} 已损坏，已移为 .bad；请检查磁盘，从其他节点重取 / \
         sound {0} is corrupt and was set aside as .bad; check the disk, fetch it again"
    )]
    Corrupt(Hash),
    #[error("音频读不出（{0}）；请检查磁盘 / a sound cannot be read ({0}); check the disk")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Staged(#[from] StagedError),
}

/// Why a sound was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(
        "{0} 字节，不是一个暂存的音频（1 到 {FILE_MAX_BYTES} 字节）/ \
         {0} bytes are no staged sound (1 to {FILE_MAX_BYTES})"
    )]
    Size(u64),
    #[error(
        "音频库已满（{used} / {most} 字节）；请删除不用的音频或调高上限 / \
         the sounds' folder is full ({used} of {most} bytes); remove sounds or raise the limit"
    )]
    Full { used: u64, most: u64 },
    #[error("音频写不下（{0}）；请检查磁盘空间 / a sound cannot be written ({0}); check the disk")]
    Io(#[from] io::Error),
}

/// What a file is named by.
pub fn hash_of(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// See the module. Clones share one folder.
#[derive(Debug, Clone)]
pub struct Library {
    pub(super) shelf: Arc<Shelf>,
    turns: Arc<Semaphore>,
}

impl Library {
    /// What a write left unfinished is removed; partials are kept.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub async fn open(folder: PathBuf, most_bytes: u64) -> Result<Self, OpenError> {
        let path = folder.clone();
        let opened = on_disk(move || Shelf::open(folder, most_bytes)).await;
        let shelf = Arc::new(opened.map_err(|source| OpenError { path, source })?);
        Ok(Self { shelf, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Durable when it returns; a sound that is here already stays as it is.
    ///
    /// # Errors
    /// When it has no size of a sound, there is no room, or the disk fails.
    pub async fn put(&self, bytes: Bytes) -> Result<Hash, PutError> {
        self.with(move |shelf| shelf.put(&bytes)).await
    }

    /// The whole file, verified now.
    ///
    /// # Errors
    /// When it is missing, corrupt (and then set aside) or cannot be read.
    pub async fn get(&self, hash: Hash) -> Result<Bytes, GetError> {
        self.with(move |shelf| shelf.get(hash)).await
    }

    /// The sound in it.
    ///
    /// # Errors
    /// As [`Self::get`], and when the file is no staged sound.
    pub async fn staged(&self, hash: Hash) -> Result<Staged, GetError> {
        Ok(staged::parse(&self.get(hash).await?)?)
    }

    /// What is here by name, with sizes; content is verified when it is read.
    pub fn list(&self) -> Vec<(Hash, u64)> {
        self.shelf.index().files.iter().map(|(hash, len)| (*hash, *len)).collect()
    }

    /// Bytes taken, with partials and files set aside.
    pub fn used(&self) -> u64 {
        self.shelf.index().used()
    }

    /// What is not here is removed already.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn remove(&self, hash: Hash) -> io::Result<()> {
        self.with(move |shelf| shelf.remove(hash)).await
    }

    /// Runs off the async threads, a few at a time. What has begun is finished
    /// even when nobody waits any more.
    pub(super) async fn with<T, E>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<io::Error> + Send + 'static,
    {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| io::Error::other("the library is closed"))?;
        let shelf = self.shelf.clone();
        on_disk(move || {
            let done = work(&shelf);
            drop(turn);
            done
        })
        .await
    }
}

async fn on_disk<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The folder itself; everything here blocks.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    most_bytes: u64,
    index: Mutex<Index>,
    /// Held while a name changes its meaning.
    renaming: Mutex<()>,
    /// Of the next write.
    number: AtomicU64,
}

/// What lies in the folder, by bytes.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) files: BTreeMap<Hash, u64>,
    /// Room kept for what is being received, or taken by what was.
    pub(super) parts: BTreeMap<Hash, u64>,
    /// Partials that somebody holds.
    pub(super) held: BTreeSet<Hash>,
    bad: BTreeMap<Hash, u64>,
    /// Room kept for writes under way.
    writes: BTreeMap<u64, u64>,
}

impl Index {
    fn used(&self) -> u64 {
        let named = [&self.files, &self.parts, &self.bad].into_iter().flat_map(BTreeMap::values);
        named.chain(self.writes.values()).sum()
    }

    fn keep_room(&mut self, number: u64, len: u64, most_bytes: u64) -> bool {
        let fits = self.used().saturating_add(len) <= most_bytes && self.files.len() < FILES_MAX;
        if fits {
            self.writes.insert(number, len);
        }
        fits
    }

    pub(super) fn give_room_back(&mut self, number: u64) {
        self.writes.remove(&number);
    }
}

impl Shelf {
    fn open(folder: PathBuf, most_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut index = Index::default();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let (hex, kind) = name.split_once('.').unwrap_or((name, ""));
            let Some(hash) = from_hex(hex) else { continue };
            let len = entry.metadata()?.len();
            match kind {
                "" => index.files.insert(hash, len),
                "part" => index.parts.insert(hash, len),
                "bad" => index.bad.insert(hash, len),
                // Only a crash leaves one, and nobody was told of it.
                kind if kind.ends_with("tmp") => fs::remove_file(entry.path()).map(|()| None)?,
                _ => None,
            };
        }
        let (index, renaming) = (Mutex::new(index), Mutex::default());
        Ok(Self { folder, most_bytes, index, renaming, number: AtomicU64::new(0) })
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self, hash: Hash, kind: &str) -> PathBuf {
        self.folder.join(format!("{hash}{kind}"))
    }

    fn put(&self, bytes: &[u8]) -> Result<Hash, PutError> {
        let hash = hash_of(bytes);
        // Read again rather than believed: this may be the repair of a bad disk.
        if self.get(hash).is_ok() {
            return Ok(hash);
        }
        let number = self.make_room(bytes.len() as u64)?;
        let temporary = self.path(hash, &format!(".{number}.tmp"));
        let written = write_synced(&temporary, bytes)
            .and_then(|()| self.shelve(&temporary, hash, bytes.len() as u64));
        self.index().give_room_back(number);
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        Ok(written.map(|()| hash)?)
    }

    /// Keeps `len` bytes from now on, so that two writers cannot both have the
    /// last room. Given back by the number returned.
    pub(super) fn make_room(&self, len: u64) -> Result<u64, PutError> {
        if !(1..=FILE_MAX_BYTES as u64).contains(&len) {
            return Err(PutError::Size(len));
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut index = self.index();
        if index.keep_room(number, len, self.most_bytes) {
            return Ok(number);
        }
        self.clear_out(&mut index);
        if index.keep_room(number, len, self.most_bytes) {
            return Ok(number);
        }
        Err(PutError::Full { used: index.used(), most: self.most_bytes })
    }

    /// What can be had again or is good for nothing goes before a sound does.
    fn clear_out(&self, index: &mut Index) {
        let idle: Vec<Hash> =
            index.parts.keys().filter(|hash| !index.held.contains(hash)).copied().collect();
        for hash in idle {
            if fs::remove_file(self.path(hash, ".part")).is_ok() {
                index.parts.remove(&hash);
            }
        }
        let folder = &self.folder;
        index.bad.retain(|hash, _| fs::remove_file(folder.join(format!("{hash}.bad"))).is_err());
    }

    /// Gives a written and synced file its name.
    pub(super) fn shelve(&self, from: &Path, hash: Hash, len: u64) -> io::Result<()> {
        let renaming = self.renaming.lock().unwrap_or_else(PoisonError::into_inner);
        fs::rename(from, self.path(hash, ""))?;
        self.sync_folder()?;
        drop(renaming);
        let mut index = self.index();
        index.files.insert(hash, len);
        if index.bad.remove(&hash).is_some() {
            let _ = fs::remove_file(self.path(hash, ".bad"));
        }
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    pub(super) fn get(&self, hash: Hash) -> Result<Bytes, GetError> {
        let path = self.path(hash, "");
        if let Some(bytes) = self.read(&path, hash)? {
            return Ok(bytes);
        }
        // Once more, now that nobody can put the right file under our hands.
        let _renaming = self.renaming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = self.read(&path, hash)? {
            return Ok(bytes);
        }
        fs::rename(&path, self.path(hash, ".bad"))?;
        self.sync_folder()?;
        let mut index = self.index();
        let len = index.files.remove(&hash).unwrap_or_default();
        index.bad.insert(hash, len);
        tracing::error!(%hash, "a sound is corrupt and was set aside / 音频损坏，已移为 .bad");
        Err(GetError::Corrupt(hash))
    }

    /// `None`: there, and not what its name says.
    fn read(&self, path: &Path, hash: Hash) -> Result<Option<Bytes>, GetError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(GetError::Missing(hash));
            }
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(FILE_MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok((hash_of(&bytes) == hash).then(|| bytes.into()))
    }

    fn remove(&self, hash: Hash) -> io::Result<()> {
        match fs::remove_file(self.path(hash, "")) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.sync_folder()?;
        self.index().files.remove(&hash);
        Ok(())
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn from_hex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    if text.len() != 64 || !text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Hash(hash))
}
