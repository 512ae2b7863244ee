//! Seeded simulation of what ships: the consensus facade with its store and
//! framing, and the sites' part with journal, home machine, outbox and shipping,
//! on a runtime in virtual time, over a network in memory and disks that forget
//! what was not synced. A seed names a run; the same seed gives the same run.
//! Nothing here is built into Weir.
//!
//! Not simulated: RocksDB and QUIC themselves, disks that return errors, and a
//! journal shipped to more than one site at once (its sessions wait on one
//! tokio watch, which wakes them by dice that no seed reaches).

pub mod bus;
pub mod clients;
pub mod cluster;
pub mod dice;
pub mod disk;
pub mod invariants;
pub mod links;
pub mod nemesis;
pub mod part;
pub mod pipe;
pub mod planted;
pub mod platter;
pub mod run;
pub mod runtime;
pub mod shared;
pub mod sites;
pub mod trace;
pub mod watch;
pub mod world;
