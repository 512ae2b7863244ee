//! Names that say nothing, and names that only one machine knows.

use super::code;
use super::finding::{Finding, Rule};
use super::tree::{File, Tree};

const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "common", "manager", "managers", "helper", "helpers", "misc"];

/// Put together here, so that this file does not find itself.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/"), concat!("/", "Users/")];

const REGISTRY_HOSTS: [&str; 8] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "npmmirror.com"),
    concat!("pypi.", "org/simple"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("artifact", "ory"),
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    for file in &tree.files {
        machine_paths(file, found);
        registry_hosts(file, found);
        if file.path.ends_with("Cargo.lock") {
            lock_sources(file, found);
        }
    }
    for file in tree.rust() {
        module_names(file, found);
    }
}

fn module_names(file: &File, found: &mut Vec<Finding>) {
    let mut report = |line: usize, name: &str| {
        found.push(Finding {
            path: file.path.clone(),
            line,
            rule: Rule::ModuleName,
            what: format!("`{name}` does not say what lives there"),
            remedy: "name the module after the thing it is about",
        });
    };
    let of_path = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    if let Some(name) = of_path.into_iter().find(|part| EMPTY_NAMES.contains(part)) {
        report(1, name);
    }
    for at in code::words(&file.code, "mod") {
        let rest = file.code[at + 3..].trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        // `mod utils;` is found by the file it names.
        if EMPTY_NAMES.contains(&&rest[..end]) && rest[end..].trim_start().starts_with('{') {
            report(code::line_at(&file.code, at), &rest[..end]);
        }
    }
}

/// An absolute path into somebody's folders; `docs/home/` is not one.
fn names_a_machine(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.})*~".contains(c))
    })
}

fn machine_paths(file: &File, found: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_a_machine(line, folder)) {
            found.push(Finding {
                path: file.path.clone(),
                line: index + 1,
                rule: Rule::MachinePath,
                what: format!("a path under {folder}, which other machines do not have"),
                remedy: "start from the repository, $HOME or a setting",
            });
        }
    }
}

fn registry_hosts(file: &File, found: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(**host)) {
            found.push(Finding {
                path: file.path.clone(),
                line: index + 1,
                rule: Rule::RegistryHost,
                what: format!("the package registry {host} is written down"),
                remedy: "leave the choice of registry to the machine's own settings",
            });
        }
    }
}

fn lock_sources(file: &File, found: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        if line.starts_with("source = ") && !line.contains(CRATES_IO) {
            found.push(Finding {
                path: file.path.clone(),
                line: index + 1,
                rule: Rule::RegistryHost,
                what: format!("a crate that does not come from crates.io: {line}"),
                remedy: "use a published version, which its checksum covers",
            });
        }
    }
}
