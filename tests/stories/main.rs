//! Stories played against real processes on this machine. A module is one part
//! of what Weir promises, a test one thing that a person would see.

mod between;
mod calls;
mod cut;
mod directory;
mod ear;
mod face;
mod failover;
mod hearing;
mod island;
mod kept;
mod metrics;
mod page;
mod people;
mod refused;
mod simulation;
mod unknown;
