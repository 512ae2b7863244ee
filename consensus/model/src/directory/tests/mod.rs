//! Stories about the directory: what its keeper sees when a file is read,
//! refused, compared and applied.

mod changes;
mod dial;
mod hostile;
mod reading;
mod rights;

use super::{Directory, Mistake, Problem, read};

pub(super) const DEMO: &str = include_str!("../../../../../ops/deploy/demo/directory.toml");

pub(super) fn demo() -> Directory {
    read(DEMO).unwrap_or_else(|mistakes| panic!("{}", shown(&mistakes)))
}

/// The demo directory as a cluster holds it.
pub(super) fn applied() -> Directory {
    let empty = Directory::default();
    empty
        .apply(&empty.diff(&demo()))
        .unwrap_or_else(|problems: Vec<Problem>| panic!("{problems:?}"))
}

pub(super) fn shown(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

pub(super) fn id<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().unwrap()
}
