//! Sounds on their way between nodes, in pieces. A transfer that was cut goes on
//! where it stopped, also after a restart; only a whole file with the right hash
//! gets its name. Refuses pieces out of order.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use weir_model::id::Hash;

use super::library::{GetError, Library, PutError, Shelf, hash_of};
use super::staged::FILE_MAX_BYTES;

/// Longest piece.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Why a piece, or the whole, was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    #[error("音频 {0} 已在本节点 / sound {0} is here already")]
    Here(Hash),
    #[error("音频 {0} 正在接收；请等待 / sound {0} is being received; wait for it")]
    Held(Hash),
    #[error("下一块应从 {expected} 字节开始 / the next piece starts at byte {expected}")]
    Order { expected: u64 },
    #[error(
        "音频 {0} 传输后校验不符，已丢弃；请从其他节点重取 / \
         sound {0} arrived with another hash and was dropped; fetch it from another node"
    )]
    Corrupt(Hash),
    #[error(transparent)]
    Put(#[from] PutError),
}

impl From<io::Error> for PartialError {
    fn from(error: io::Error) -> Self {
        Self::Put(error.into())
    }
}

impl Library {
    /// How long the sound is and its piece from byte `at` on, empty at the end.
    /// The whole is verified with its first piece; the receiver verifies anyway.
    ///
    /// # Errors
    /// When it is missing, corrupt or cannot be read.
    pub async fn chunk(&self, hash: Hash, at: u64) -> Result<(u64, Bytes), GetError> {
        self.with(move |shelf| shelf.chunk(hash, at)).await
    }

    /// Begins to receive `len` bytes, or goes on with what came before.
    ///
    /// # Errors
    /// When it is here, is being received, or there is no room.
    pub async fn receive(&self, hash: Hash, len: u64) -> Result<Partial, PartialError> {
        let library = self.clone();
        self.with(move |shelf| {
            let have = shelf.receive(hash, len)?;
            // Made here, so that a caller that went away gives the hold back.
            Ok(Partial { library, hash, len, have })
        })
        .await
    }
}

/// A sound of which a beginning is here. Dropped, it keeps what came.
#[derive(Debug)]
pub struct Partial {
    library: Library,
    hash: Hash,
    len: u64,
    have: u64,
}

impl Drop for Partial {
    fn drop(&mut self) {
        let mut index = self.library.shelf.index();
        index.held.remove(&self.hash);
        if let Some(room) = index.parts.get_mut(&self.hash) {
            *room = self.have;
        }
    }
}

impl Partial {
    /// Where the next piece starts.
    pub fn have(&self) -> u64 {
        self.have
    }

    pub fn is_whole(&self) -> bool {
        self.have == self.len
    }

    /// # Errors
    /// When the piece does not follow what is here, or the disk fails.
    pub async fn write(&mut self, at: u64, piece: Bytes) -> Result<(), PartialError> {
        let (hash, have) = (self.hash, self.have);
        let end = have.saturating_add(piece.len() as u64);
        if at != have || end > self.len || piece.len() > CHUNK_BYTES {
            return Err(PartialError::Order { expected: have });
        }
        let written = move |shelf: &Shelf| {
            let mut file = OpenOptions::new().write(true).open(shelf.path(hash, ".part"))?;
            file.seek(SeekFrom::Start(have))?;
            file.write_all(&piece)
        };
        self.library.with(written).await?;
        self.have = end;
        Ok(())
    }

    /// Verifies the whole and gives it its name, durably.
    ///
    /// # Errors
    /// When something lacks, the hash is another (what came is dropped then), or
    /// the disk fails.
    pub async fn finish(self) -> Result<Hash, PartialError> {
        if !self.is_whole() {
            return Err(PartialError::Order { expected: self.have });
        }
        let library = self.library.clone();
        // The hold goes along, and with it the room.
        library.with(move |shelf| shelf.finish(&self)).await
    }
}

impl Shelf {
    fn chunk(&self, hash: Hash, at: u64) -> Result<(u64, Bytes), GetError> {
        if at == 0 {
            let whole = self.get(hash)?;
            return Ok((whole.len() as u64, whole.slice(..whole.len().min(CHUNK_BYTES))));
        }
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => GetError::Missing(hash),
            _ => error.into(),
        };
        let mut file = fs::File::open(self.path(hash, "")).map_err(missing)?;
        file.seek(SeekFrom::Start(at))?;
        let mut piece = Vec::new();
        (&file).take(CHUNK_BYTES as u64).read_to_end(&mut piece)?;
        Ok((file.metadata()?.len(), piece.into()))
    }

    fn receive(&self, hash: Hash, len: u64) -> Result<u64, PartialError> {
        if self.get(hash).is_ok() {
            return Err(PartialError::Here(hash));
        }
        if !(1..=FILE_MAX_BYTES as u64).contains(&len) {
            return Err(PutError::Size(len).into());
        }
        if !self.index().held.insert(hash) {
            return Err(PartialError::Held(hash));
        }
        let begun = self.begin(hash, len);
        if begun.is_err() {
            self.index().held.remove(&hash);
        }
        begun
    }

    fn begin(&self, hash: Hash, len: u64) -> Result<u64, PartialError> {
        // What came before is counted as part of the whole, not beside it.
        let before = self.index().parts.remove(&hash);
        let number = match self.make_room(len) {
            Ok(number) => number,
            Err(error) => {
                before.and_then(|before| self.index().parts.insert(hash, before));
                return Err(error.into());
            }
        };
        {
            let mut index = self.index();
            index.give_room_back(number);
            index.parts.insert(hash, len);
        }
        let mut open = OpenOptions::new();
        open.write(true).create(true).truncate(false);
        let file = open.open(self.path(hash, ".part"))?;
        let have = file.metadata()?.len();
        if have <= len {
            return Ok(have);
        }
        file.set_len(0)?;
        Ok(0)
    }

    fn finish(&self, partial: &Partial) -> Result<Hash, PartialError> {
        let (hash, path) = (partial.hash, self.path(partial.hash, ".part"));
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.sync_all()?;
        let mut bytes = Vec::new();
        (&mut file).take(FILE_MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if hash_of(&bytes) != hash {
            fs::remove_file(&path)?;
            self.index().parts.remove(&hash);
            return Err(PartialError::Corrupt(hash));
        }
        self.shelve(&path, hash, partial.len)?;
        self.index().parts.remove(&hash);
        Ok(hash)
    }
}
