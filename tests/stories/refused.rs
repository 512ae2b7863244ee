//! Who is not let in, and what they are told.

mod certificates;
mod tokens;
