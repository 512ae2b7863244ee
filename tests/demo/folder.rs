//! The nodes' folder, gone with the demo. One that was killed could not clear up:
//! the next demo does it for those whose process is no more.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

const PREFIX: &str = "weir-demo-";

pub(crate) fn fresh() -> Result<TempDir> {
    let above = std::env::temp_dir();
    for entry in std::fs::read_dir(&above)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let owner: Option<u32> = owner.and_then(|owner| owner.parse().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // Another person's, then: it stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("{PREFIX}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(above)?)
}
