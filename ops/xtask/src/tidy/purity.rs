//! What rules and tests may not touch: a rule reads no clock, no network and no
//! map without order; a test waits for its condition instead of sleeping, and
//! none is left out.

use super::code;
use super::finding::{Finding, Rule};
use super::tree::{File, Tree};

/// Folders of crates that only decide.
const PURE: [&str; 2] = ["consensus/model/src/", "media/signaling/src/"];

const IMPURE: [(&str, &str); 6] = [
    ("std::time::", "take the time as an argument; core::time has Duration"),
    ("SystemTime", "take the time as an argument"),
    ("Instant::now", "take the time as an argument"),
    ("std::net", "keep addresses as the text or bytes they came in; core::net has IpAddr"),
    ("HashMap", "use BTreeMap, whose order is the same everywhere"),
    ("HashSet", "use BTreeSet, whose order is the same everywhere"),
];

/// Fake devices keep time like the real ones, and the simulation's runtime is
/// what other code sleeps on.
const MAY_SLEEP: [&str; 2] = ["tests/fakes/", "tests/simulation/src/"];

pub(crate) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    for file in tree.rust() {
        if PURE.iter().any(|folder| file.path.starts_with(folder)) {
            purity(file, found);
        }
        if !MAY_SLEEP.iter().any(|folder| file.path.starts_with(folder)) {
            sleeps(file, found);
        }
        ignored(file, found);
    }
}

fn purity(file: &File, found: &mut Vec<Finding>) {
    for (index, line) in file.code.lines().enumerate() {
        if let Some((word, remedy)) = IMPURE.iter().find(|(word, _)| line.contains(word)) {
            found.push(Finding {
                path: file.path.clone(),
                line: index + 1,
                rule: Rule::Purity,
                what: format!("`{word}` in a crate that only decides"),
                remedy,
            });
        }
    }
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn sleeps(file: &File, found: &mut Vec<Finding>) {
    let test_modules = code::test_modules(&file.code);
    for (at, _) in file.code.match_indices("sleep") {
        let rest = file.code[at..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        let line = code::line_at(&file.code, at);
        let in_test = is_test_file(&file.path) || test_modules.iter().any(|span| span.holds(line));
        if in_test && rest.starts_with('(') {
            found.push(Finding {
                path: file.path.clone(),
                line,
                rule: Rule::Sleep,
                what: "a test sleeps".into(),
                remedy: "wait for the condition, with a time-out, or advance a paused clock",
            });
        }
    }
}

fn ignored(file: &File, found: &mut Vec<Finding>) {
    for (at, _) in file.code.match_indices("#[ignore") {
        found.push(Finding {
            path: file.path.clone(),
            line: code::line_at(&file.code, at),
            rule: Rule::Ignored,
            what: "a test that never runs".into(),
            remedy: "repair it or delete it; only `WEIR_SKIP=wan` may leave tests out",
        });
    }
}
