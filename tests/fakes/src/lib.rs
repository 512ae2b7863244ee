//! What fake devices share: a ledger, and SIP with media as devices speak them.
//! It refuses to know Weir, and to decide how any device behaves.

pub mod ledger;
pub mod sip;
