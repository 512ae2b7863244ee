//! Holds every rule to its fault: a scratch repository with one fault of each
//! kind, beside code that only looks faulty. A rule that finds too little or
//! too much fails the check.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::finding::Rule;
use super::{Lock, findings};

/// Plants, reads and compares.
pub(crate) fn self_test() -> Result<()> {
    let scratch = tempfile::tempdir().context("no scratch folder could be made")?;
    let root = scratch.path();
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(root).status();
    ensure!(made.context("git did not start; install git")?.success(), "git init failed");
    plant(root)?;

    let found: BTreeSet<_> = findings(root, Lock::None)?
        .into_iter()
        .map(|finding| (finding.rule, format!("{}:{}", finding.path, finding.line)))
        .collect();
    let planted: BTreeSet<_> =
        PLANTED.iter().map(|&(rule, place)| (rule, place.to_owned())).collect();
    let missed: Vec<_> = planted.difference(&found).collect();
    let invented: Vec<_> = found.difference(&planted).collect();
    ensure!(
        missed.is_empty() && invented.is_empty(),
        "tidy judges wrongly: missed {missed:#?}, found without a fault {invented:#?}"
    );
    println!("tidy --self-test: {} planted faults found, nothing else", planted.len());
    Ok(())
}

/// What must be found, and where.
const PLANTED: [(Rule, &str); 27] = [
    (Rule::BannedCrate, "Cargo.lock:4"),
    (Rule::Licence, "Cargo.lock:4"),
    (Rule::Licence, "Cargo.lock:8"),
    (Rule::Licence, "Cargo.lock:12"),
    (Rule::RegistryHost, "Cargo.lock:18"),
    (Rule::TestBinaries, "Cargo.toml:1"),
    (Rule::MachinePath, "README.md:2"),
    (Rule::RegistryHost, "README.md:3"),
    (Rule::SliceLine, "STATUS.md:3"),
    (Rule::SliceLine, "STATUS.md:4"),
    (Rule::LintsInherited, "consensus/link/Cargo.toml:1"),
    (Rule::Door, "consensus/link/Cargo.toml:8"),
    (Rule::Layer, "consensus/link/Cargo.toml:9"),
    (Rule::FileLength, "consensus/link/src/lib.rs:601"),
    (Rule::PureDependency, "consensus/model/Cargo.toml:8"),
    (Rule::Purity, "consensus/model/src/lib.rs:2"),
    (Rule::Purity, "consensus/model/src/lib.rs:3"),
    (Rule::FunctionLength, "consensus/model/src/long.rs:2"),
    (Rule::LineLength, "consensus/model/src/long.rs:73"),
    (Rule::ModuleName, "consensus/model/src/quoted.rs:12"),
    (Rule::Opening, "consensus/model/src/utils.rs:1"),
    (Rule::ModuleName, "consensus/model/src/utils.rs:1"),
    (Rule::Layer, "extra/Cargo.toml:2"),
    (Rule::Sleep, "ops/src/lib.rs:5"),
    (Rule::Sleep, "tests/tests/t1.rs:2"),
    (Rule::Ignored, "tests/tests/t1.rs:3"),
    (Rule::Layer, "tests/fakes/Cargo.toml:8"),
];

fn plant(root: &Path) -> Result<()> {
    let put = |path: &str, text: &str| -> Result<()> {
        let place = root.join(path);
        fs::create_dir_all(place.parent().context("a file lies in a folder")?)?;
        fs::write(place, text).with_context(|| format!("{path} could not be written"))
    };
    for (path, text) in files() {
        put(&path, &text)?;
    }
    for (folder, name, licence, below) in CRATES {
        let inherits = folder != "consensus/link" && !folder.starts_with("foreign/");
        let lints = if inherits { "[lints]\nworkspace = true\n" } else { "" };
        let mut text = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n{licence}\n");
        text.push_str("edition = \"2024\"\n\n[dependencies]\n");
        for (dependency, place) in below {
            text.push_str(&format!("{dependency} = {{ path = \"{place}\" }}\n"));
        }
        put(&format!("{folder}/Cargo.toml"), &format!("{text}\n{lints}"))?;
        if !root.join(folder).join("src/lib.rs").exists() {
            put(&format!("{folder}/src/lib.rs"), "//! Stands in for a crate.\n")?;
        }
    }
    Ok(())
}

type Crate = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const MIT: &str = "license = \"MIT OR GPL-3.0-only\"";

/// Folder, name, licence and dependencies. The foreign ones play crates that
/// would come from a registry.
const CRATES: [Crate; 11] = [
    ("consensus/model", "weir-model", MIT, &[("toml", "../../foreign/toml")]),
    (
        "consensus/link",
        "weir-link",
        MIT,
        &[("axum", "../../foreign/axum"), ("weir-ops", "../../ops"), ("weir-model", "../model")],
    ),
    ("ops", "weir-ops", MIT, &[("weir-model", "../consensus/model")]),
    ("extra", "weir-extra", MIT, &[]),
    ("tests", "weir-tests", MIT, &[("weir-model", "../consensus/model")]),
    ("tests/fakes", "weir-fakes", MIT, &[("weir-model", "../../consensus/model")]),
    ("foreign/toml", "toml", "license = \"MIT/Unheard-Of\"", &[("tokio", "../tokio")]),
    ("foreign/tokio", "tokio", "license = \"(MIT AND ISC) OR GPL-3.0-only\"", &[]),
    ("foreign/axum", "axum", "license = \"MIT AND GPL-3.0-only\"", &[("aws-lc-sys", "../aws")]),
    ("foreign/aws", "aws-lc-sys", "license = \"ISC WITH Exception-9\"", &[("bare", "../bare")]),
    ("foreign/bare", "bare", "", &[]),
];

fn files() -> Vec<(String, String)> {
    let machine = concat!("/", "work/");
    let host = concat!("static.", "crates.io");
    let mut files = vec![
        ("Cargo.toml", WORKSPACE.to_owned()),
        ("Cargo.lock", LOCK.to_owned()),
        ("deny.toml", POLICY.to_owned()),
        (".gitignore", "/ignored\n".to_owned()),
        ("README.md", format!("a{machine}x is fine\nfrom {machine}x\nfrom {host}\n")),
        ("STATUS.md", "- [x] one\n- [a](b)\n- [X] two\n* [ ] three\n- plain\n".to_owned()),
        ("consensus/model/src/lib.rs", IMPURE.to_owned()),
        ("consensus/model/src/long.rs", long_code()),
        ("consensus/model/src/quoted.rs", QUOTED.to_owned()),
        ("consensus/model/src/utils.rs", "// No opening.\n".to_owned()),
        ("consensus/link/src/lib.rs", format!("//! Long.\n{}", "// x\n".repeat(600))),
        ("consensus/link/src/made.rs", format!("// @generated\n{}", "// x\n".repeat(600))),
        ("ops/src/lib.rs", SLEEPER.to_owned()),
        ("ignored/utils.rs", "no opening".to_owned()),
        ("tests/fakes/src/lib.rs", "//! A fake.\nfn f() { sleep(1) }\n".to_owned()),
    ];
    files.push((
        "tests/tests/t1.rs",
        "//! A story.\nfn f() { tokio::time::sleep(1) }\n#[ignore]\n".into(),
    ));
    let owned = files.into_iter().map(|(path, text)| (path.to_owned(), text));
    let stories = (2..=7).map(|n| (format!("tests/tests/t{n}.rs"), "//! A story.\n".to_owned()));
    owned.chain(stories).collect()
}

const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["consensus/link", "consensus/model", "extra", "ops", "tests", "tests/fakes"]
exclude = ["foreign"]

[workspace.lints.rust]
unsafe_code = "deny"
"#;

/// Cargo completes it; the last entry is one nobody uses.
const LOCK: &str = r#"version = 4

[[package]]
name = "aws-lc-sys"
version = "1.0.0"

[[package]]
name = "axum"
version = "1.0.0"

[[package]]
name = "bare"
version = "1.0.0"

[[package]]
name = "elsewhere"
version = "1.0.0"
source = "git+https://example.org/elsewhere#0123456789abcdef0123456789abcdef01234567"
"#;

const POLICY: &str = r#"[licenses]
allow = ["MIT", "ISC"]
[bans]
deny = [{ crate = "aws-lc-sys", reason = "long" }]
"#;

const IMPURE: &str = "//! Rules.
use std::collections::HashMap;
use std::time::Instant;
use core::time::Duration;
";

/// Looks faulty and is not, but for the module at its end.
const QUOTED: &str = r##"//! HashMap, SystemTime: only words.
/* std::net /* nested */ Instant::now */
const A: &str = "HashMap { \" ";
const B: &str = r#"SystemTime " { "#;
const C: char = '{';
const D: char = '\'';
fn lifetime<'a>(x: &'a str) -> &'a str { x }
type Call = fn(u8) -> u8;
trait Declared { fn nothing(&self); }
mod name { pub fn sleep() { } }
fn utils() {}
mod helpers { }
"##;

const SLEEPER: &str = "//! Sleeps where it may, and once where it may not.
fn f() { sleep(1) }
#[cfg(test)]
mod tests {
    fn g() { sleep_until(1) }
}
";

/// A function of 71 lines, a line of 101 characters, a function of 70 lines.
fn long_code() -> String {
    let body = |lines: usize| "    let x = \"{\";\n".repeat(lines - 2);
    let wide = "x".repeat(98);
    format!("//! Long.\nfn a() {{\n{}}}\n// {wide}\nfn b() {{\n{}}}\n", body(71), body(70))
}
