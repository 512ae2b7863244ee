//! Orders and keeps: the only crate that names openraft and RocksDB. It offers
//! concrete types: propose a decision, read what was agreed, keep a journal.
//! It refuses to know what a decision means; `weir_model` does.

mod cluster;
pub mod disk;
pub mod net;
mod profile;
mod reconcile;
pub mod site;
mod status;
pub mod store;
#[doc(hidden)]
pub mod trial;
pub mod types;

pub use cluster::{Consensus, ProposeError, Settings, StartError, WallClock, Wish};
pub use profile::{Timing, timing};
pub use status::{Part, Status};

/// The runtime that nodes run on.
pub mod runtime {
    pub use openraft_rt_tokio::TokioRuntime;
}
