//! `weir journal`: what happened, and proof of it.

use std::path::Path;

use anyhow::{Context, Result};

use super::cluster::show;
use crate::api::journal::{FactAnswer, Note, Noted, Verified};
use crate::api::plans::Kept;
use crate::cli::{JournalCommand, OptionalTarget, Target};
use crate::client::Client;
use crate::journal_file;

/// The journal is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("日志校验失败 / the journal does not verify: {0}")]
pub(crate) struct DoesNotVerify(String);

pub(super) async fn run(command: JournalCommand) -> Result<()> {
    match command {
        JournalCommand::Tail { target, limit } => tail(&target, limit).await,
        JournalCommand::Kept { target } => kept(&target).await,
        JournalCommand::Note { target, text } => note(&target, text).await,
        JournalCommand::Verify { target, file: Some(file), .. } => verify_file(&target, &file),
        JournalCommand::Verify { target, file: None, node } => verify_at(&target, node).await,
        JournalCommand::Export { target, file, node } => export(&target, &file, node).await,
    }
}

fn of(node: Option<u64>) -> String {
    node.map(|node| format!("?node={node}")).unwrap_or_default()
}

async fn tail(target: &Target, limit: usize) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let facts: Vec<FactAnswer> = client.get(&format!("/api/v1/journal?limit={limit}")).await?;
    show(target.asking.output, &facts, |facts| {
        let line =
            |f: &FactAnswer| format!("{:<12} {:<6} {:<20} {}\n", f.id, f.site, f.kind, f.body);
        facts.iter().map(line).collect()
    })
}

async fn kept(target: &Target) -> Result<()> {
    let kept: Kept = Client::new(&target.socket, &target.asking).get("/api/v1/kept").await?;
    show(target.asking.output, &kept, |kept| {
        let mut text = format!("{} {}", kept.head, kept.kept);
        if kept.unrecorded {
            text += "  UNRECORDED 未记录";
        }
        for fork in &kept.forks {
            text += &format!("\nFORK 分叉 {fork}");
        }
        text
    })
}

async fn note(target: &Target, text: String) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let noted: Noted = client.post("/api/v1/journal", &Note { text }).await?;
    show(target.asking.output, &noted, |noted| match &noted.id {
        Some(id) => format!("{id} kept here / 已记录"),
        None => "UNRECORDED: the journal's disk has failed / 未记录：日志磁盘故障".into(),
    })
}

fn told(target: &OptionalTarget, verified: &Verified) -> Result<()> {
    show(target.asking.output, verified, |verified| match &verified.head {
        Some(head) => format!("n{} ok: {} records to {head}", verified.node, verified.records),
        None => format!("n{} BROKEN 损坏", verified.node),
    })?;
    match &verified.broken {
        Some(why) => Err(DoesNotVerify(why.clone()).into()),
        None => Ok(()),
    }
}

fn verify_file(target: &OptionalTarget, file: &Path) -> Result<()> {
    let bytes = std::fs::read(file)
        .with_context(|| format!("读不到 {0} / cannot read {0}", file.display()))?;
    let records = journal_file::read(&bytes)?;
    told(target, &journal_file::check(journal_file::owner(&records), &records, None))
}

async fn verify_at(target: &OptionalTarget, node: Option<u64>) -> Result<()> {
    let socket = target
        .socket
        .as_deref()
        .context("请给出文件或 --socket / name a file or a node with --socket")?;
    let path = format!("/api/v1/journal/verify{}", of(node));
    let verified: Verified = Client::new(socket, &target.asking).post(&path, &()).await?;
    told(target, &verified)
}

async fn export(target: &Target, file: &Path, node: Option<u64>) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let bytes = client.bytes(&format!("/api/v1/journal/export{}", of(node))).await?;
    let records = journal_file::read(&bytes)?;
    std::fs::write(file, &bytes)
        .with_context(|| format!("写不了 {0} / cannot write {0}", file.display()))?;
    println!("{} records / 条", records.len());
    Ok(())
}
