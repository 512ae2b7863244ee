//! The crate graph as cargo resolves it: which crate may name which other one,
//! and what every crate of the workspace has in common.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId};

use super::finding::{Finding, Rule};
use super::tree::Tree;

/// A dependency and the only crates that may name it. A name that ends in `*`
/// stands for all that begin so.
const DOORS: [(&str, &[&str]); 9] = [
    ("openraft*", &["weir-consensus", "weir-simulation"]),
    ("rocksdb", &["weir-consensus"]),
    ("librocksdb-sys", &["weir-consensus"]),
    ("quinn*", &["weir-link"]),
    ("gstreamer*", &["weir-media-worker"]),
    ("opus", &["weir-media"]),
    ("str0m*", &["weir-media"]),
    ("openssl*", &[]),
    ("axum*", &["weir"]),
];

/// Each crate of ours and those of ours it may name; `*` is all of them. As
/// drawn in ARCHITECTURE.md.
const LAYERS: [(&str, &[&str]); 11] = [
    ("weir-model", &[]),
    ("weir-link", &["weir-model"]),
    ("weir-consensus", &["weir-link", "weir-model"]),
    ("weir-ops", &["weir-model"]),
    ("weir-signaling", &["weir-model"]),
    ("weir-media-worker", &["weir-model"]),
    ("weir-media", &["weir-media-worker", "weir-signaling", "weir-model"]),
    ("weir", &["weir-consensus", "weir-media*", "weir-ops", "weir-link", "weir-model"]),
    ("weir-simulation", &["*"]),
    ("weir-tests", &["*"]),
    // Fakes that shared our code would share our mistakes.
    ("weir-fakes", &[]),
];

/// Crates that only decide, and what they may not reach by any path.
const PURE: [&str; 2] = ["weir-model", "weir-signaling"];
const IMPURE: [&str; 9] = [
    "tokio*",
    "quinn*",
    "openraft*",
    "*rocksdb*",
    "getrandom",
    "rand",
    "fastrand",
    "mio",
    "socket2",
];

/// Every test binary links the world once more.
const TEST_BINARIES: usize = 6;

pub(crate) fn check(tree: &Tree, graph: &Metadata, found: &mut Vec<Finding>) -> Result<()> {
    for package in graph.workspace_packages() {
        let manifest = Manifest { path: tree.relative(package.manifest_path.as_std_path()), tree };
        doors(package, &manifest, found);
        layers(package, &manifest, found);
        lints(&manifest, found);
        if PURE.contains(&package.name.as_str()) {
            pure_dependencies(package, &manifest, graph, found)?;
        }
    }
    test_binaries(graph, found);
    Ok(())
}

/// A crate's Cargo.toml, for findings that lie in it.
struct Manifest<'a> {
    path: String,
    tree: &'a Tree,
}

impl Manifest<'_> {
    fn finding(&self, needle: &str, rule: Rule, what: String, remedy: &'static str) -> Finding {
        let line = self.tree.file(&self.path).map_or(1, |file| file.line_with(needle));
        Finding { path: self.path.clone(), line, rule, what, remedy }
    }
}

/// `*` at either end of the pattern stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

fn doors(package: &Package, manifest: &Manifest<'_>, found: &mut Vec<Finding>) {
    let named: BTreeSet<&str> = package.dependencies.iter().map(|d| d.name.as_str()).collect();
    for name in named {
        let door = DOORS.iter().find(|(pattern, _)| fits(pattern, name));
        if let Some((_, owners)) = door
            && !owners.contains(&package.name.as_str())
        {
            let what = format!("{} names {name}, as only {owners:?} may", package.name);
            let remedy = "ask that crate for what is needed, in Weir's own words";
            found.push(manifest.finding(name, Rule::Door, what, remedy));
        }
    }
}

fn is_ours(name: &str) -> bool {
    name == "weir" || name.starts_with("weir-")
}

fn layers(package: &Package, manifest: &Manifest<'_>, found: &mut Vec<Finding>) {
    if !is_ours(&package.name) {
        return;
    }
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == package.name.as_str()) else {
        let what = format!("{} has no place among the layers", package.name);
        let remedy = "give it one in DESIGN and ARCHITECTURE, then in LAYERS of this check";
        found.push(manifest.finding("name = ", Rule::Layer, what, remedy));
        return;
    };
    let named: BTreeSet<&str> = package.dependencies.iter().map(|d| d.name.as_str()).collect();
    for name in named.into_iter().filter(|name| is_ours(name)) {
        if !below.iter().any(|pattern| fits(pattern, name)) {
            let what = format!("{} names {name}, which does not lie below it", package.name);
            let remedy = "pass plain values through the crate that stands above both";
            found.push(manifest.finding(name, Rule::Layer, what, remedy));
        }
    }
}

fn lints(manifest: &Manifest<'_>, found: &mut Vec<Finding>) {
    let text = manifest.tree.file(&manifest.path).map_or("", |file| file.text.as_str());
    let inherits = toml::from_str::<toml::Table>(text)
        .ok()
        .and_then(|table| table.get("lints")?.get("workspace")?.as_bool())
        .unwrap_or(false);
    if !inherits {
        let what = "the crate does not take the workspace's lints".into();
        let remedy = "add `[lints]` with `workspace = true`";
        found.push(manifest.finding("[lints]", Rule::LintsInherited, what, remedy));
    }
}

fn pure_dependencies(
    package: &Package,
    manifest: &Manifest<'_>,
    graph: &Metadata,
    found: &mut Vec<Finding>,
) -> Result<()> {
    let resolve = graph.resolve.as_ref().context("cargo resolved nothing")?;
    let nodes: BTreeMap<&PackageId, &Node> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: BTreeMap<&PackageId, &str> =
        graph.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();

    let mut paths = BTreeMap::from([(&package.id, package.name.to_string())]);
    let mut queue = VecDeque::from([&package.id]);
    while let Some(id) = queue.pop_front() {
        let reached = paths.get(id).cloned().unwrap_or_default();
        for next in nodes.get(id).into_iter().flat_map(|node| shipped_dependencies(node)) {
            let name = names.get(next).copied().unwrap_or_default();
            if paths.contains_key(next) {
                continue;
            }
            let path = format!("{reached} → {name}");
            if IMPURE.iter().any(|pattern| fits(pattern, name)) {
                let direct = path.split(" → ").nth(1).unwrap_or_default();
                let remedy =
                    "leave I/O and dice to the crates above; drop the feature or the crate";
                found.push(manifest.finding(direct, Rule::PureDependency, path.clone(), remedy));
            }
            paths.insert(next, path);
            queue.push_back(next);
        }
    }
    Ok(())
}

/// Without those that only tests use.
fn shipped_dependencies(node: &Node) -> impl Iterator<Item = &PackageId> {
    let shipped = node
        .deps
        .iter()
        .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
    shipped.map(|dep| &dep.pkg)
}

fn test_binaries(graph: &Metadata, found: &mut Vec<Finding>) {
    let packages = graph.workspace_packages();
    let tested = packages.iter().flat_map(|package| {
        let targets = package.targets.iter().filter(|target| target.test);
        targets.map(|target| format!("{}/{}", package.name, target.name))
    });
    let tested: Vec<String> = tested.collect();
    if tested.len() > TEST_BINARIES {
        found.push(Finding {
            path: "Cargo.toml".into(),
            line: 1,
            rule: Rule::TestBinaries,
            what: format!("{} test binaries: {}", tested.len(), tested.join(", ")),
            remedy: "make them modules of one binary; `test = false` where nothing is tested",
        });
    }
}
