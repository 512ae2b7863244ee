//! Certificates and keys on disk: PEM files (RFC 7468) with a few readable lines
//! above the block, replaced whole and synced. It refuses a private key that
//! others may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::KeyError;

/// Longest file that is read; ours are below 2 KiB.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Why a file of an identity cannot be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} exists already; another cluster's or node's key is never overwritten")]
    Exists { path: PathBuf },
    #[error("{path} may be read by others; run `chmod 600` on it, and replace the key if in doubt")]
    Exposed { path: PathBuf },
    #[error("{path} is not a PEM file with a {label} block; restore it from a backup")]
    NotPem { path: PathBuf, label: &'static str },
    #[error("{path} lacks the line `{line}: …`; restore it from a backup")]
    NoLine { path: PathBuf, line: &'static str },
    #[error("{path}: {source}")]
    Key { path: PathBuf, source: KeyError },
    #[error("{path} does not belong to the other files of its folder: {what}")]
    Mismatch { path: PathBuf, what: &'static str },
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    Public,
    Private,
}

/// A PEM file: the lines above its one block, and the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) der: Vec<u8>,
}

impl Pem {
    pub(crate) fn line(&self, wanted: &str) -> Option<&str> {
        self.lines.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    pub(crate) fn to_text(&self, label: &str) -> String {
        let mut text = String::new();
        for (name, value) in &self.lines {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push_str(&format!("-----BEGIN {label}-----\n"));
        let body = STANDARD.encode(&self.der);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = tail;
        }
        text.push_str(&format!("-----END {label}-----\n"));
        text
    }

    pub(crate) fn from_text(text: &str, label: &str) -> Option<Self> {
        let (head, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let lines = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { lines, der: STANDARD.decode(body).ok()? })
    }
}

pub(crate) fn read_pem(path: &Path, label: &'static str) -> Result<Pem, FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    let not_pem = || FolderError::NotPem { path: path.to_owned(), label };
    let length = fs::metadata(path).map_err(io)?.len();
    if length > FILE_MAX_BYTES {
        return Err(not_pem());
    }
    let bytes = fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|_| not_pem())?;
    Pem::from_text(&text, label).ok_or_else(not_pem)
}

/// As [`read_pem`], for a file that only its owner may read.
pub(crate) fn read_secret_pem(path: &Path, label: &'static str) -> Result<Pem, FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(FolderError::Exposed { path: path.to_owned() });
    }
    read_pem(path, label)
}

/// Writes beside the file, syncs, and renames over it, so that a power cut
/// leaves the old file or the new one.
pub(crate) fn replace(path: &Path, text: &str, secrecy: Secrecy) -> Result<(), FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    let mode = match secrecy {
        Secrecy::Public => 0o644,
        Secrecy::Private => 0o600,
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&fresh, path).map_err(io)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(io)
}

pub(crate) fn make(folder: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(folder).map_err(|source| FolderError::Io { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_reads_back(der: Vec<u8>) {
            let pem = Pem { lines: vec![("site".into(), "R3".into())], der };
            prop_assert_eq!(Pem::from_text(&pem.to_text("CERTIFICATE"), "CERTIFICATE"), Some(pem));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = Pem::from_text(&text, "CERTIFICATE");
            let framed = format!("-----BEGIN X-----{text}-----END X-----");
            let _ = Pem::from_text(&framed, "X");
        }
    }
}
