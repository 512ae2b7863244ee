//! What a story needs of this machine beyond a compiler. A missing capability
//! fails the story and says how to get it: a story that was not told has shown
//! nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::program::run;

/// Where Debian keeps programs, whether or not they are on the path.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// # Errors
/// When `program` of Debian's `package` is not installed.
pub fn tool(program: &str, package: &str) -> Result<PathBuf> {
    let found = FOLDERS.iter().map(|folder| Path::new(folder).join(program));
    found.into_iter().find(|path| path.is_file()).with_context(|| {
        format!(
            "缺少 {program}，请执行 make setup 或安装 {package} / {program} is missing; run make \
             setup, or as root: apt-get install -y --no-install-recommends {package}"
        )
    })
}

/// Disk images can be made and mounted.
///
/// # Errors
/// With what is missing and how to get it.
pub async fn loop_mounts() -> Result<()> {
    tool("mkfs.ext4", "e2fsprogs")?;
    tool("mount", "mount")?;
    tool("unshare", "util-linux")?;
    let user = run("id", ["-u"]).await?;
    ensure!(
        user.out.trim() == "0",
        "此测试须挂载磁盘映像，请以 root 运行 / this story mounts a disk image; run it as root"
    );
    let free = run("losetup", ["--find"]).await?;
    ensure!(
        free.code == Some(0),
        "没有可用的回环设备 / no free loop device: {}; as root: modprobe loop, or losetup -D; in \
         a container, give it /dev/loop-control and /dev/loop*",
        free.err.trim()
    );
    Ok(())
}
