//! What a figure looks like, where it is kept, and under which conditions it was
//! taken: without these it is worth nothing, so they are said first. It refuses
//! to begin on a scratch folder that lives in memory, where a sync costs nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use weir_tests::program::run;

use crate::settings::Settings;
use crate::store::VALUE_BYTES;

const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// One value of ours beside one of the peer's, in the same unit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) peer: Option<String>,
    pub(crate) peer_value: Option<f64>,
    /// Above 1: better than the peer.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    pub(crate) fn more_is_better(name: String, unit: &'static str, both: Both) -> Self {
        let ratio = both.ours / both.theirs;
        Self::beside(name, unit, both, ratio)
    }

    pub(crate) fn less_is_better(name: String, unit: &'static str, both: Both) -> Self {
        let ratio = both.theirs / both.ours;
        Self::beside(name, unit, both, ratio)
    }

    fn beside(name: String, unit: &'static str, both: Both, ratio: f64) -> Self {
        Self {
            name,
            value: rounded(both.ours, 10.0),
            unit,
            peer: Some(both.peer),
            peer_value: Some(rounded(both.theirs, 10.0)),
            ratio: Some(rounded(ratio, 100.0)),
        }
    }

    pub(crate) fn alone(name: &str, value: f64, unit: &'static str) -> Self {
        let value = rounded(value, 1000.0);
        Self { name: name.into(), value, unit, peer: None, peer_value: None, ratio: None }
    }
}

/// What was measured of both.
pub(crate) struct Both {
    pub(crate) peer: String,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).context("nothing was measured")?;
    let lower = values.get((values.len() - 1) / 2).context("nothing was measured")?;
    Ok(f64::midpoint(*lower, *upper))
}

/// A figure as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    figure: &'a Figure,
    at: &'a str,
    commit: &'a str,
    conditions: &'a str,
}

/// See the module.
pub(crate) struct Report {
    folder: PathBuf,
    commit: String,
    conditions: String,
}

impl Report {
    /// Says the conditions to standard error.
    pub(crate) async fn begin(settings: &Settings) -> Result<Self> {
        // target/<profile>/…/bench → target/bench
        let program = std::env::current_exe().context("who am I?")?;
        let of_profile = |folder: &&Path| folder.ends_with("release") || folder.ends_with("weir");
        let profile = program.ancestors().find(of_profile).context("not in a folder of builds")?;
        let folder = profile.parent().context("no folder of builds")?.join("bench");
        std::fs::create_dir_all(&folder)?;
        let report =
            Self { folder, commit: commit().await?, conditions: conditions(settings, profile)? };
        let Self { commit, conditions, .. } = &report;
        eprintln!("conditions: commit {commit}; {conditions}");
        Ok(report)
    }

    /// Prints the figure and keeps it, dated.
    pub(crate) async fn figure(&self, figure: &Figure) -> Result<()> {
        println!("{}", serde_json::to_string(figure)?);
        let at = run("date", ["-u", "+%Y-%m-%dT%H:%M:%SZ"]).await?.ended_with(0)?;
        let Self { commit, conditions, .. } = self;
        let kept = Kept { figure, at: at.out.trim(), commit, conditions };
        let path = self.folder.join(format!("{}.jsonl", figure.name));
        let mut file = File::options().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(&kept)?)?;
        Ok(())
    }
}

async fn commit() -> Result<String> {
    let head = run("git", ["rev-parse", "--short=12", "HEAD"]).await?.ended_with(0)?;
    let changed = run("git", ["status", "--porcelain"]).await?.ended_with(0)?;
    let mark = if changed.out.trim().is_empty() { "" } else { " and changes" };
    Ok(format!("{}{mark}", head.out.trim()))
}

fn conditions(settings: &Settings, profile: &Path) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let profile = profile.file_name().unwrap_or_default().to_string_lossy();
    let (disk, kind) = scratch()?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    let Settings { rounds, measured, warm_up, kills, idle } = settings;
    Ok(format!(
        "{cores} cores, load {load} before; profile {profile}; values of {VALUE_BYTES} B; \
         {rounds} rounds of {measured:?} after {warm_up:?}, Weir and peer by turns, the first \
         swapped each round, median of rounds; {kills} kills each in blocks Weir, peer, peer, \
         Weir; idle {idle:?}; scratch on {disk} ({kind})"
    ))
}

/// What the scratch folder lies on: the device and the kind of file system.
fn scratch() -> Result<(String, String)> {
    let folder = std::env::temp_dir().canonicalize().context("no scratch folder")?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words.next()?))
    });
    // Of two on the same folder the later one is seen.
    let over = mount.filter(|(_, at, _)| folder.starts_with(at)).max_by_key(|(_, at, _)| at.len());
    let (disk, _, kind) = over.context("the scratch folder is on no disk")?;
    ensure!(
        !IN_MEMORY.contains(&kind),
        "临时文件夹 {0} 在内存中，请设 TMPDIR=/var/tmp / the scratch folder {0} is memory, not a \
         disk; set TMPDIR=/var/tmp",
        folder.display()
    );
    Ok((disk.to_owned(), kind.to_owned()))
}
