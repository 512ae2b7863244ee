//! Keys as telephones, gateways and noise tell them.

mod once;
mod reading;
mod tones;
