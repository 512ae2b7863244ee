//! What another member may send, and what may lie on a disk: Raft's messages,
//! shipping, log entries, snapshots.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| weir_consensus::trial::any_bytes(bytes));
