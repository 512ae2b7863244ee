//! What fake devices share: a ledger, SIP with media as devices speak them, and an
//! ear for tones.
//! It refuses to know Weir, and to decide how any device behaves.

pub mod ledger;
pub mod sip;
pub mod tones;
