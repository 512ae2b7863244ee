//! The rules of Weir, pure: ids, decisions, facts, intents, the directory and
//! its plans, and how each becomes bytes. Nothing here reads a clock, rolls
//! dice, opens a socket or knows an async runtime: time is an argument, ids are
//! minted by whoever proposes, and the same inputs give the same outputs on
//! every node.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("bugs planted on purpose have no place in a release build");

pub mod codec;
pub mod decision;
pub mod directory;
pub mod fact;
pub mod home;
pub mod id;
pub mod intent;
pub mod refusal;
pub mod stamp;
pub mod state;
