//! Events to browsers: one task compares and publishes, every stream only
//! listens.

mod hub;
mod producer;
mod stream;

pub(super) use hub::Hub;
pub(super) use producer::produce;
pub(super) use stream::stream;
