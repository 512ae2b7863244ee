//! An exported journal: a line of text that says what it is, then every record
//! with its length in front. It verifies offline, without a cluster.

use weir_model::codec;
use weir_model::fact::{Fact, Head, verify};

use crate::api::journal::Verified;

const FIRST_LINE: &[u8] = b"weir journal 1\n";

/// Why a file is not an exported journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("不是 weir 导出的日志 / not a journal exported by weir")]
    NotOurs,
    #[error("文件在第 {position} 条记录中断 / the file ends inside record {position}")]
    Cut { position: usize },
}

pub(crate) fn write(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = FIRST_LINE.to_vec();
    for record in records {
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        bytes.extend(len.to_be_bytes());
        bytes.extend(record);
    }
    bytes
}

pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
    let mut rest = bytes.strip_prefix(FIRST_LINE).ok_or(FileError::NotOurs)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let cut = FileError::Cut { position: records.len() };
        let (len, after) = rest.split_first_chunk::<4>().ok_or(cut.clone())?;
        let len = u32::from_be_bytes(*len) as usize;
        let (record, after) = after.split_at_checked(len).ok_or(cut)?;
        records.push(record.to_vec());
        rest = after;
    }
    Ok(records)
}

/// What `weir journal verify` says of one node's records; `known` is a head
/// learnt elsewhere.
pub(crate) fn check(node: u64, records: &[Vec<u8>], known: Option<&Head>) -> Verified {
    let (head, broken) = match verify(records.iter(), known) {
        Ok(head) => (Some(head.id.to_string()), None),
        Err(broken) => (None, Some(broken.said().to_string())),
    };
    Verified { node, records: records.len(), head, broken }
}

/// Whose journal it is, from its first record.
pub(crate) fn owner(records: &[Vec<u8>]) -> u64 {
    let first = records.first().and_then(|record| codec::decode::<Fact>(record).ok());
    first.map_or(0, |fact| fact.id.node.0)
}
