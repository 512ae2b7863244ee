//! The repository's text: every file git would commit. Ignored files, binary
//! files and links are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::code;

/// A file, by its path from the root with `/` between the parts.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and literals blanked, for Rust only.
    pub(crate) code: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Written by a program that says so at the top; no rule of style applies.
    pub(crate) fn is_generated(&self) -> bool {
        self.text.lines().take(5).any(|line| line.contains("@generated"))
    }

    /// The first line that contains `needle`, counted from 1; 1 if none does.
    pub(crate) fn line_with(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1)
    }
}

/// All files, in order of path.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<File>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("git did not start; install git")?;
        ensure!(listed.status.success(), "{} is not a git checkout", root.display());
        let listed = String::from_utf8(listed.stdout).context("a file name is not UTF-8")?;

        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let files = paths.into_iter().filter_map(|path| read_text(root, path)).collect();
        Ok(Self { root: root.to_path_buf(), files })
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust() && !file.is_generated())
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// `path` as seen from the root; itself when it lies elsewhere.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// Nothing for a file that is deleted but still listed, a link, or no text.
fn read_text(root: &Path, path: &str) -> Option<File> {
    let place = root.join(path);
    if !fs::symlink_metadata(&place).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let text = fs::read_to_string(place).ok()?;
    let code = if path.ends_with(".rs") { code::mask(&text) } else { String::new() };
    Some(File { path: path.to_owned(), text, code })
}
