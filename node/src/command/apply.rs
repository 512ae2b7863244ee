//! `weir apply`: bring the directory to what a file says. Every mistake of the
//! file is named with its line before anything is sent, and nothing is sent
//! unless there is none.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use weir_model::directory::{Change, ChangeSet, Directory, Record, Recording, read};

use super::cluster::show;
use crate::api::directory::{Edit, Edited};
use crate::api::sounds::Uploaded;
use crate::cli::OptionalTarget;
use crate::client::Client;

/// An edit may have many texts spoken first.
const RENDER: Duration = Duration::from_secs(300);

/// The file has mistakes; they have been printed.
#[derive(Debug, thiserror::Error)]
#[error("{0} 处错误，未作更改 / {0} mistakes, nothing changed")]
pub(crate) struct Mistaken(usize);

#[derive(Debug, Serialize)]
struct Shown {
    compared_with: u64,
    dry_run: bool,
    version: u64,
    changes: Vec<String>,
}

pub(super) async fn apply(target: &OptionalTarget, file: &Path, dry_run: bool) -> Result<()> {
    let wanted = parse(file)?;
    let now: Directory = match &target.socket {
        Some(socket) => Client::new(socket, &target.asking).get("/api/v1/directory").await?,
        None if dry_run => {
            eprintln!(
                "未指定节点，与空目录比较 / no --socket given: compared with an empty directory"
            );
            Directory::default()
        }
        None => anyhow::bail!(
            "请用 --socket 指定节点，或加 --dry-run / name a node with --socket, or add --dry-run"
        ),
    };
    let changes = now.diff(&wanted);
    let lines: Vec<String> =
        changes.iter().map(|change| now.describe(change).to_string()).collect();
    let mut shown =
        Shown { compared_with: now.version, dry_run, version: now.version, changes: lines };
    if !dry_run && !changes.is_empty() {
        let socket = target.socket.as_deref().context("no socket")?;
        // Sounds are rendered before the directory that names them is agreed on.
        let client = Client::patient(socket, &target.asking, RENDER);
        for recording in changes.iter().filter_map(recording) {
            upload(&client, file, recording).await?;
        }
        let edit = Edit { based_on: now.version, changes: ChangeSet { changes } };
        let edited: Edited = client.post("/api/v1/directory", &edit).await?;
        shown.version = edited.version;
    }
    show(target.asking.output, &shown, text)
}

fn recording(change: &Change) -> Option<&Recording> {
    match change {
        Change::Put(Record::Audio(audio)) => audio.recording.as_ref(),
        Change::Put(_) | Change::Remove(_) => None,
    }
}

/// Recordings lie beside the directory file that names them.
async fn upload(client: &Client<'_>, file: &Path, recording: &Recording) -> Result<()> {
    let path = file.parent().unwrap_or(Path::new(".")).join(&recording.path);
    let bytes = std::fs::read(&path)
        .with_context(|| format!("读不到录音 {0} / cannot read {0}", path.display()))?;
    let Uploaded { .. } =
        client.put(&format!("/api/v1/recordings/{}", recording.sha256), bytes.into()).await?;
    Ok(())
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for line in &shown.changes {
        text += line;
        text.push('\n');
    }
    let count = shown.changes.len();
    text + &match (count, shown.dry_run) {
        (0, _) => format!("目录 v{0} 已是如此 / already so (v{0})", shown.version),
        (_, true) => format!("将有 {count} 处更改（未提交） / {count} changes, not sent"),
        (_, false) => {
            format!("{count} 处更改，目录 v{0} / {count} changes, now v{0}", shown.version)
        }
    }
}

fn parse(file: &Path) -> Result<Directory> {
    let source = std::fs::read_to_string(file)
        .with_context(|| format!("读不到 {0} / cannot read {0}", file.display()))?;
    read(&source).map_err(|mistakes| {
        for mistake in &mistakes {
            eprintln!("{}: {mistake}", file.display());
        }
        Mistaken(mistakes.len()).into()
    })
}
