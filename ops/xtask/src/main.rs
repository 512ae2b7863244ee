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

/// The repository this binary was built from.
fn checkout() -> Result<PathBuf> {
    let own_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    own_folder.ancestors().nth(2).map(PathBuf::from).context("xtask no longer lies in ops/xtask")
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
