//! Events to browsers: one task compares and publishes, every stream only
//! listens.

mod hub;
mod producer;
mod pulse;
mod stream;

pub(super) use hub::Hub;
pub(super) use producer::produce;
pub(super) use pulse::Pulse;
pub(super) use stream::stream;
