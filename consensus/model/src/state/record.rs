//! The state as storage and snapshots keep it: one record a key, each encoded
//! on its own, so that applying an entry writes only what it touched.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answers::Given;
use super::{Answers, BoardLine, Cluster, Phc, Rendering, SipSecret, State, TokenState};
use crate::codec::{self, DecodeError, Stored};
use crate::decision::Member;
use crate::directory;
use crate::fact::Head;
use crate::id::{Extension, Hash, NodeId, PersonId, RequestKey, WallMs};

/// Where a record is kept. The order of the variants is part of the format.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecordKey {
    Cluster,
    Clock,
    Forgotten,
    DirectoryVersion,
    Member(NodeId),
    Token(Hash),
    Board(String),
    Head(NodeId),
    Directory(directory::RecordRef),
    Answer(RequestKey),
    Secret(Extension),
    Rendering(Hash),
    Password(PersonId),
}

impl Stored for RecordKey {
    const KIND: u8 = 3;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 512;
    const NAME: &'static str = "state key";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    Cluster(Cluster),
    Clock(WallMs),
    Forgotten(u64),
    DirectoryVersion(u64),
    Member(Member),
    Token(TokenState),
    Board(BoardLine),
    Head(Head),
    Directory(directory::Record),
    Answer(Given),
    Secret(SipSecret),
    Rendering(Rendering),
    Password(Phc),
}

impl Stored for Record {
    const KIND: u8 = 4;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 10;
    const NAME: &'static str = "state record";
}

/// An encoded key and its encoded record.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Why stored bytes are not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the record under {0:?} is of another kind")]
    Mismatch(RecordKey),
}

impl State {
    /// Every key there is, in order.
    pub fn keys(&self, answers: &Answers) -> Vec<RecordKey> {
        let mut keys = vec![RecordKey::Clock, RecordKey::Forgotten, RecordKey::DirectoryVersion];
        keys.extend(self.cluster.iter().map(|_| RecordKey::Cluster));
        keys.extend(self.members.keys().map(|&node| RecordKey::Member(node)));
        keys.extend(self.tokens.keys().map(|&hash| RecordKey::Token(hash)));
        keys.extend(self.board.keys().map(|name| RecordKey::Board(name.clone())));
        keys.extend(self.heads.keys().map(|&node| RecordKey::Head(node)));
        keys.extend(self.passwords.keys().map(|person| RecordKey::Password(person.clone())));
        keys.extend(
            self.directory.records().map(|record| RecordKey::Directory(record.reference())),
        );
        keys.extend(answers.keys().map(|&key| RecordKey::Answer(key)));
        keys.extend(self.secrets.keys().map(|number| RecordKey::Secret(number.clone())));
        keys.extend(self.renderings.keys().map(|&of| RecordKey::Rendering(of)));
        keys.sort();
        keys
    }

    /// Every record, encoded, in the order of the keys: the same state gives
    /// the same bytes on every node.
    ///
    /// # Errors
    /// When a record is longer than the format allows.
    pub fn encode_all(&self, answers: &Answers) -> Result<Vec<Pair>, DecodeError> {
        let mut pairs = Vec::new();
        for key in self.keys(answers) {
            if let Some(record) = self.record(answers, &key) {
                pairs.push((codec::encode(&key)?, codec::encode(&record)?));
            }
        }
        Ok(pairs)
    }

    /// Reads a state back from its records, in any order.
    ///
    /// # Errors
    /// When a record does not decode or stands under another kind's key.
    pub fn decode_all<I, B>(pairs: I) -> Result<(Self, Answers), RecordError>
    where
        I: IntoIterator<Item = (B, B)>,
        B: AsRef<[u8]>,
    {
        let (mut state, mut answers) = (Self::default(), Answers::default());
        for (key, record) in pairs {
            let key: RecordKey = codec::decode(key.as_ref())?;
            let record: Record = codec::decode(record.as_ref())?;
            state.restore(&mut answers, key, record)?;
        }
        Ok((state, answers))
    }

    fn restore(
        &mut self,
        answers: &mut Answers,
        key: RecordKey,
        record: Record,
    ) -> Result<(), RecordError> {
        match (key, record) {
            (RecordKey::Cluster, Record::Cluster(cluster)) => self.cluster = Some(cluster),
            (RecordKey::Clock, Record::Clock(now)) => self.now = now,
            (RecordKey::Forgotten, Record::Forgotten(to)) => answers.restore_forgotten_to(to),
            (RecordKey::DirectoryVersion, Record::DirectoryVersion(version)) => {
                Arc::make_mut(&mut self.directory).version = version;
            }
            (RecordKey::Member(node), Record::Member(member)) => {
                Arc::make_mut(&mut self.members).insert(node, member);
            }
            (RecordKey::Token(hash), Record::Token(token)) => {
                Arc::make_mut(&mut self.tokens).insert(hash, token);
            }
            (RecordKey::Board(name), Record::Board(line)) => {
                Arc::make_mut(&mut self.board).insert(name, line);
            }
            (RecordKey::Head(node), Record::Head(head)) => {
                Arc::make_mut(&mut self.heads).insert(node, head);
            }
            (RecordKey::Password(person), Record::Password(phc)) => {
                Arc::make_mut(&mut self.passwords).insert(person, phc);
            }
            (RecordKey::Directory(_), Record::Directory(record)) => {
                Arc::make_mut(&mut self.directory).put_record(record);
            }
            (RecordKey::Answer(key), Record::Answer(given)) => answers.restore(key, given),
            (RecordKey::Secret(number), Record::Secret(secret)) => {
                Arc::make_mut(&mut self.secrets).insert(number, secret);
            }
            (RecordKey::Rendering(of), Record::Rendering(rendering)) => {
                Arc::make_mut(&mut self.renderings).insert(of, rendering);
            }
            (key, _) => return Err(RecordError::Mismatch(key)),
        }
        Ok(())
    }
}
