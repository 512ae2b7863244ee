//! The rules of telephony, pure: who may register, where a phone is to be
//! reached, how a call goes, how people are rung. Nothing here reads a clock,
//! rolls dice, opens a socket or knows a SIP stack: time and random bytes are
//! arguments, and the same inputs give the same outputs.

pub mod between;
pub mod call;
pub mod callout;
pub mod digest;
pub mod digits;
pub mod focus;
pub mod paging;
pub mod picture;
pub mod registrar;
pub mod sdp;
pub mod wan;
