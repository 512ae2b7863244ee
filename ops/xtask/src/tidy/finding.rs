//! One thing found: where, which rule, what, and what to do about it.

use std::fmt;

/// Every rule by name, so that the self-test can hold each one to its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    FunctionLength,
    FileLength,
    LineLength,
    Opening,
    ModuleName,
    MachinePath,
    RegistryHost,
    Purity,
    Sleep,
    Ignored,
    SliceLine,
    Door,
    Layer,
    PureDependency,
    LintsInherited,
    TestBinaries,
    Licence,
    BannedCrate,
}

/// Ordered by place, so that a run reads from file to file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, what, remedy } = self;
        write!(f, "{path}:{line}: {what}\n    {remedy} ({rule:?})")
    }
}
