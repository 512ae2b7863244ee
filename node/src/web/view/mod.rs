//! What a screen shows, as JSON: copies of what is known, in the words of the
//! API. Nothing here changes anything or waits for anybody.

pub(crate) mod board;
pub(crate) mod calls;
pub(crate) mod conferences;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod plans;
mod roster;
pub(crate) mod zones;
