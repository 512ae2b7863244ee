//! Disk images with a file system, to lose power on and to fill up.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::program::run;

/// Makes an ext4 image of `mib` MiB without reserve at `path`.
///
/// # Errors
/// When it cannot be made.
pub async fn image(path: &Path, mib: u64) -> Result<PathBuf> {
    File::create(path)?.set_len(mib << 20)?;
    let path_text = path.to_string_lossy();
    run("mkfs.ext4", ["-q", "-F", "-m", "0", &path_text]).await?.ended_with(0)?;
    Ok(path.to_owned())
}

/// What the disk under a mounted image holds now: what was not written to it is
/// not in the copy.
///
/// # Errors
/// When it cannot be copied.
pub async fn copy(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    run("cp", ["--sparse=always", &from, &to]).await?.ended_with(0)?;
    Ok(())
}

/// Writes `path` until the disk takes no more; returns the bytes it took.
///
/// # Errors
/// When writing fails for another reason than a full disk.
pub fn fill(path: &Path) -> Result<u64> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let mut taken = 0;
    // Ever smaller, so that not a block is left.
    for size in [1 << 20, 64 << 10, 4 << 10] {
        let block = vec![0x5a; size];
        loop {
            match file.write(&block) {
                Ok(len) => taken += len as u64,
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        if let Err(error) = file.sync_all() {
            // Delayed allocation may find out only now.
            if error.kind() != std::io::ErrorKind::StorageFull {
                return Err(error.into());
            }
        }
    }
    Ok(taken)
}
