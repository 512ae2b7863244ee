//! The stamps that the cluster agrees on never run backwards, whatever happens
//! to the wall clocks of its leaders.

use weir_consensus::disk::{Batch, Change, Family};
use weir_model::codec;
use weir_model::id::WallMs;
use weir_model::state::{Record, RecordKey};

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct StampsForward;

fn is_clock(key: &[u8]) -> bool {
    matches!(codec::decode(key), Ok(RecordKey::Clock))
}

fn stamp(record: &[u8]) -> Option<WallMs> {
    match codec::decode(record) {
        Ok(Record::Clock(stamp)) => Some(stamp),
        _ => None,
    }
}

fn stamp_in(batch: &Batch) -> Option<(&[u8], WallMs)> {
    batch.changes.iter().find_map(|change| match change {
        Change::Put { family: Family::State, key, value } if is_clock(key) => {
            stamp(value).map(|at| (key.as_slice(), at))
        }
        _ => None,
    })
}

impl Invariant for StampsForward {
    fn name(&self) -> &'static str {
        "stamps never run backwards"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Writes { node, batch, before } = seen else { return Ok(()) };
        let Some((key, new)) = stamp_in(batch) else { return Ok(()) };
        let old = before.get(Family::State, key).and_then(|bytes| stamp(bytes));
        match old {
            Some(old) if new < old => Err(format!("{node}: {old:?}, then {new:?}")),
            _ => Ok(()),
        }
    }
}
