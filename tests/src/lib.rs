//! Weir as a person meets it: processes on this machine, started, killed, cut
//! off and asked through their own API. It holds what the stories in
//! `tests/stories` share and judges nothing itself. It refuses to wait without
//! a deadline and to leave a process behind.

pub mod api;
pub mod capability;
pub mod cluster;
pub mod disk;
pub mod hearing;
pub mod node;
pub mod people;
pub mod phones;
pub mod ports;
pub mod program;
pub mod relay;
pub mod sms;
pub mod speakers;
pub mod spoken;
pub mod wait;
pub mod writers;
