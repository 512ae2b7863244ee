//! Reads the repository as it stands, committed or not, and names what breaks
//! the house rules. It repairs nothing and knows no exceptions: a rule that
//! does not fit is changed here, where a reviewer sees it.

mod code;
mod crates;
mod finding;
mod licences;
mod names;
mod purity;
mod self_test;
mod sizes;
mod status;
mod tree;

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

use finding::Finding;
pub(crate) use self_test::self_test;
use tree::Tree;

/// Whether the crate graph must be the one Cargo.lock pins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Committed,
    /// For the self-test's scratch repository, which has none.
    None,
}

/// Everything found under `root`, in order of place.
pub(crate) fn findings(root: &Path, lock: Lock) -> Result<Vec<Finding>> {
    let root = root.canonicalize().with_context(|| format!("{} is gone", root.display()))?;
    let tree = Tree::read(&root)?;
    let graph = crate_graph(&root, lock)?;

    let mut found = Vec::new();
    sizes::check(&tree, &mut found);
    names::check(&tree, &mut found);
    purity::check(&tree, &mut found);
    status::check(&tree, &mut found);
    crates::check(&tree, &graph, &mut found)?;
    licences::check(&tree, &graph, &mut found)?;
    found.sort();
    Ok(found)
}

fn crate_graph(root: &Path, lock: Lock) -> Result<Metadata> {
    let mut options = vec!["--offline".to_owned()];
    if lock == Lock::Committed {
        options.push("--locked".to_owned());
    }
    MetadataCommand::new()
        .features(CargoOpt::AllFeatures)
        .current_dir(root)
        .other_options(options)
        .exec()
        .context("the crate graph could not be read; run `make setup`, which fetches every crate")
}
