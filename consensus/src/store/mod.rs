//! What openraft keeps, on a [`Disk`](crate::disk::Disk): the log and its vote,
//! the applied state, snapshots.

#[cfg(test)]
mod contract;
mod log;
mod machine;
mod snapshot;
pub mod wire;

pub use log::LogStore;
pub use machine::{AppliedView, Machine};
pub use snapshot::SNAPSHOT_BYTES;
pub(crate) use snapshot::read as read_snapshot;
