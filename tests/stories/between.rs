//! Sites talk with each other: calls and conferences over ground and satellite. Who
//! heard whom is the judge, and what their telephones were told.

mod basin;
mod conference;
mod cut;
mod orange;
mod sites;
mod talk;
