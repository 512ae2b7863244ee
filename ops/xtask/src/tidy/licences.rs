//! What may be linked in: every crate has a licence that deny.toml allows, and
//! none is on its list of bans. deny.toml is the one list; `make audit` reads it
//! too, with the network's advisories.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};

use super::finding::{Finding, Rule};
use super::tree::Tree;

const POLICY: &str = "deny.toml";

pub(crate) fn check(tree: &Tree, graph: &Metadata, found: &mut Vec<Finding>) -> Result<()> {
    let policy = Policy::read(tree)?;
    for package in &graph.packages {
        let place = |rule, what, remedy| Finding {
            path: "Cargo.lock".into(),
            line: lock_line(tree, package),
            rule,
            what,
            remedy,
        };
        let named = format!("{} {}", package.name, package.version);
        let ban = policy.banned.iter().find(|ban| ban.name == package.name.as_str());
        if ban.is_some_and(|ban| !ban.wrapped(package, graph)) {
            let what = format!("{named} is banned in {POLICY}");
            found.push(place(Rule::BannedCrate, what, "see the reason there"));
        }
        let expression = match &package.license {
            Some(expression) => expression.clone(),
            None => by_its_file(package),
        };
        if !Expression::holds(&expression, &policy.allowed) {
            let what = format!("{named} has the licence {expression:?}");
            let remedy = "use another crate, or allow the licence in deny.toml and say why";
            found.push(place(Rule::Licence, what, remedy));
        }
    }
    Ok(())
}

/// Some crates name no licence and carry its text. Only the one whose text
/// begins with its name is known here; `make audit` reads them all.
fn by_its_file(package: &Package) -> String {
    let text = package.license_file().map(std::fs::read_to_string);
    let text = text.and_then(Result::ok).unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some("MIT License") => "MIT".into(),
        _ => String::new(),
    }
}

/// Where the lock file names this version; its name and version follow another.
fn lock_line(tree: &Tree, package: &Package) -> usize {
    let Some(lock) = tree.file("Cargo.lock") else {
        return 1;
    };
    let entry = format!("name = \"{}\"\nversion = \"{}\"", package.name, package.version);
    lock.text.find(&entry).map_or(1, |at| lock.text[..at].matches('\n').count() + 1)
}

struct Ban {
    name: String,
    /// Whoever may bring it in nevertheless.
    wrappers: Vec<String>,
}

impl Ban {
    /// Whether nobody brings `package` in but its wrappers.
    fn wrapped(&self, package: &Package, graph: &Metadata) -> bool {
        let nodes = graph.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let users = nodes.filter(|node| node.dependencies.contains(&package.id));
        let may = |name: &str| self.wrappers.iter().any(|wrapper| wrapper == name);
        !self.wrappers.is_empty() && users.into_iter().all(|node| may(&graph[&node.id].name))
    }
}

struct Policy {
    allowed: Vec<String>,
    banned: Vec<Ban>,
}

impl Policy {
    fn read(tree: &Tree) -> Result<Self> {
        let file = tree.file(POLICY).with_context(|| format!("there is no {POLICY}"))?;
        let table: toml::Table =
            toml::from_str(&file.text).with_context(|| format!("{POLICY} does not parse"))?;
        let list = |section: &str, key: &str| {
            let found = table.get(section).and_then(|found| found.get(key)?.as_array());
            found.with_context(|| format!("{POLICY} has no list {section}.{key}"))
        };
        let allowed = list("licenses", "allow")?.iter().filter_map(|name| name.as_str());
        let banned = list("bans", "deny")?.iter().filter_map(|entry| {
            let name = entry.get("crate").or_else(|| entry.get("name")).unwrap_or(entry);
            let wrappers = entry.get("wrappers").and_then(toml::Value::as_array);
            let wrappers = wrappers.into_iter().flatten().filter_map(toml::Value::as_str);
            Some(Ban {
                name: name.as_str()?.to_owned(),
                wrappers: wrappers.map(str::to_owned).collect(),
            })
        });
        Ok(Self { allowed: allowed.map(str::to_owned).collect(), banned: banned.collect() })
    }
}

/// A licence expression (SPDX 2.3, annex D), as far as manifests use it; `/`
/// is the older way of writing OR.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [String],
}

impl<'a> Expression<'a> {
    /// Whether the allowed licences satisfy all of `text`. An empty or broken
    /// expression is satisfied by nothing.
    fn holds(text: &str, allowed: &[String]) -> bool {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words = spaced.split_whitespace().collect();
        let mut expression = Expression { words, at: 0, allowed };
        let held = expression.any();
        held && expression.at == expression.words.len()
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at).is_some_and(|next| *next == word);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> bool {
        let mut held = self.all();
        while self.next_is("OR") {
            // Read first: the words must be consumed either way.
            held = self.all() || held;
        }
        held
    }

    fn all(&mut self) -> bool {
        let mut held = self.one();
        while self.next_is("AND") {
            held = self.one() && held;
        }
        held
    }

    fn one(&mut self) -> bool {
        if self.next_is("(") {
            let held = self.any();
            return self.next_is(")") && held;
        }
        let Some(name) = self.words.get(self.at).copied() else {
            return false;
        };
        self.at += 1;
        let mut full: Vec<&'a str> = vec![name];
        if self.next_is("WITH") {
            full.push("WITH");
            full.extend(self.words.get(self.at));
            self.at += 1;
        }
        let full = full.join(" ");
        self.allowed.contains(&full)
    }
}
