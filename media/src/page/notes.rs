//! Calls under way, in a small file, so that a node that crashed can hang up
//! what it left open: a cheap loudspeaker has one line and never times out. The
//! file is replaced whole, by rename. A file that cannot be read is put aside;
//! paging never waits for the disk.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::counters::{Tally, one};
use crate::sip::DialogNote;

const VERSION: u32 = 1;
/// Longest file that is read, in bytes.
const FILE_MAX_BYTES: u64 = 8 << 20;
/// Most calls that are read.
const NOTES_MAX: usize = 4_096;

type Open = BTreeMap<u64, DialogNote>;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    calls: Vec<DialogNote>,
}

/// What is written down; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    open: Arc<watch::Sender<Open>>,
}

impl Notes {
    /// Also says what an earlier life left, which stays written down until it
    /// is removed. Their numbers count down from the last one, those of new
    /// calls count up.
    pub(super) async fn open(
        path: PathBuf,
        tally: Arc<Tally>,
        tasks: &TaskTracker,
    ) -> (Self, Open) {
        let from = path.clone();
        let read = tasks.spawn_blocking(move || read(&from)).await.unwrap_or_default();
        let left: Open = (0..).map(|n| u64::MAX - n).zip(read).collect();
        let (open, changes) = watch::channel(left.clone());
        tasks.spawn(keep(path, changes, tally, tasks.clone()));
        (Self { open: Arc::new(open) }, left)
    }

    pub(super) fn add(&self, call: u64, note: DialogNote) {
        self.open.send_modify(|open| {
            open.insert(call, note);
        });
    }

    pub(super) fn remove(&self, call: u64) {
        self.open.send_if_modified(|open| open.remove(&call).is_some());
    }
}

/// Writes what is newest, until nobody holds the notes any more.
async fn keep(
    path: PathBuf,
    mut changes: watch::Receiver<Open>,
    tally: Arc<Tally>,
    tasks: TaskTracker,
) {
    loop {
        let last = changes.changed().await.is_err();
        let calls: Vec<DialogNote> = changes.borrow_and_update().values().cloned().collect();
        let to = path.clone();
        let written = tasks.spawn_blocking(move || write(&to, calls)).await;
        if let Ok(Err(error)) = written {
            one(&tally.notes_unwritten);
            tracing::warn!(path = %path.display(), %error, "open calls are not written down");
        }
        if last {
            return;
        }
    }
}

fn write(path: &Path, calls: Vec<DialogNote>) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(&File { version: VERSION, calls })?;
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Vec<DialogNote> {
    let mut bytes = Vec::new();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "calls left open are not known");
            return Vec::new();
        }
    };
    let whole = file.take(FILE_MAX_BYTES).read_to_end(&mut bytes);
    let parsed = whole.ok().and_then(|_| serde_json::from_slice::<File>(&bytes).ok());
    match parsed.filter(|file| file.version == VERSION && file.calls.len() <= NOTES_MAX) {
        Some(file) => file.calls,
        None => {
            let aside = path.with_extension("bad");
            let moved = std::fs::rename(path, &aside).is_ok();
            tracing::warn!(path = %path.display(), moved, "the file of open calls is broken");
            Vec::new()
        }
    }
}
