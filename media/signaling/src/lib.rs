//! The rules of telephony, pure: who may register, where a phone is to be
//! reached. Nothing here reads a clock, rolls dice, opens a socket or knows a
//! SIP stack: time and random bytes are arguments, and the same inputs give the
//! same outputs.

pub mod digest;
pub mod paging;
pub mod registrar;
