//! Running a program to its end with a deadline, above all `weir` itself, which
//! lies beside the tests' own executable.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest that a command line may take: longer than the node takes to say
/// that an outcome is unknown.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Finished {
    /// # Errors
    /// When it did not end with `code`; shows what it said.
    pub fn ended_with(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "expected exit code {code}, got {self:?}");
        Ok(self)
    }

    /// # Errors
    /// When standard error lacks one of `words`.
    pub fn said(&self, words: &[&str]) -> Result<()> {
        let lacking: Vec<_> = words.iter().filter(|word| !self.err.contains(**word)).collect();
        ensure!(lacking.is_empty(), "expected {lacking:?} in what was said: {}", self.err);
        Ok(())
    }
}

/// The node's binary.
///
/// # Errors
/// When it was not built.
pub fn weir_binary() -> Result<PathBuf> {
    // target/<profile>/deps/stories-… → target/<profile>/weir, unless another
    // profile's programs are to be judged.
    let named = std::env::var_os("WEIR_PROGRAMS").map(PathBuf::from);
    let test = std::env::current_exe().context("who am I?")?;
    let profile = test.parent().and_then(|deps| deps.parent()).context("no target folder")?;
    let weir = named.as_deref().unwrap_or(profile).join("weir");
    ensure!(
        weir.is_file(),
        "没有 weir 程序，请执行 make test / there is no weir binary at {}; run make test",
        weir.display()
    );
    Ok(weir)
}

/// The flood-night directory of the checkout that this runs in: checkouts share
/// one folder of builds, so what was compiled in may be another's.
///
/// # Errors
/// When this does not run under cargo or nextest.
pub fn demo_directory() -> Result<String> {
    let tests = std::env::var("CARGO_MANIFEST_DIR")
        .context("请用 make test 运行 / run this with make test")?;
    Ok(format!("{tests}/../ops/deploy/demo/directory.toml"))
}

/// Runs `weir` with `args` until it ends.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn weir<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Finished> {
    run(weir_binary()?, args).await
}

/// Runs `program` with `args` until it ends.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
) -> Result<Finished> {
    let mut command = Command::new(&program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let name = program.as_ref().to_string_lossy().into_owned();
    let output = timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("{name} did not end within {PATIENCE:?}"))?
        .with_context(|| format!("{name} could not be started"))?;
    Ok(Finished {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
