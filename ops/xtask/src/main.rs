//! Chores of this repository that need more than a shell script. It changes no
//! file of the checkout and reaches no network.
//!
//! - `xtask tidy`: reads the code and the crate graph, names what breaks the
//!   house rules, each with its remedy.
//! - `xtask tidy --self-test`: plants one fault of every rule in a scratch
//!   repository and checks that exactly those are found.

mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

const USAGE: &str = "usage: xtask tidy [--self-test]";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => read_checkout(&checkout()?),
        ["tidy", "--self-test"] => {
            tidy::self_test()?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// The repository this runs in. Not the one it was built in: checkouts share
/// one folder of builds.
fn checkout() -> Result<PathBuf> {
    let here = std::env::current_dir().context("no current folder")?;
    let is_root = |folder: &&Path| folder.join("ops/xtask").is_dir();
    here.ancestors()
        .find(is_root)
        .map(PathBuf::from)
        .context("not inside a checkout of Weir; change into one")
}

fn read_checkout(root: &Path) -> Result<ExitCode> {
    let findings = tidy::findings(root, tidy::Lock::Committed)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: nothing found");
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} found", findings.len());
    Ok(ExitCode::FAILURE)
}
