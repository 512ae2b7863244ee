//! `demo`: five nodes on this machine and the loudspeakers around them. On a
//! terminal it stays up to be tried; elsewhere, or with `SCENE=1`, it plays a
//! scene and judges it by what was recorded. Its last line begins with PASS, FAIL
//! or NOT STARTED, and only PASS ends with 0. It leaves no process behind.
//!
//! `LISTEN=ADDRESS` opens hq1 to that address's network. `DEMO_BREAK=NAME` is
//! handed to the nodes as it is, to show that the judge notices.

mod api;
mod browser;
mod checks;
mod fakes;
mod folder;
mod interactive;
mod node;
mod place;
mod process;
mod report;
mod say;
mod scene;
mod stage;
mod wait;

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use weir_tests::spoken;

use crate::place::RED_TEXT;
use crate::say::say;
use crate::scene::{Played, Scene};
use crate::stage::{Stage, Wishes};

const FOLDER: &str = "target/demo";
/// Setting up takes a quarter of this on two cores.
const SET_UP: Duration = Duration::from_secs(150);
/// Twice what a scene may take.
const SCENE: Duration = Duration::from_secs(120);

/// How the demo came out.
enum Ending {
    Played(Box<Played>),
    /// The stage gave way under the scene.
    Broken(anyhow::Error),
    NotStarted(anyhow::Error),
    /// Somebody has tried it and ended it.
    Over,
}

/// One thread: a child's parent, for the kernel, is the thread that started it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ending::Played(played) => finish(&played),
        Ending::Broken(error) => {
            say(&format!("FAIL scene: {}", line(&error)));
            ExitCode::from(1)
        }
        Ending::NotStarted(error) => {
            say(&format!("NOT STARTED: {}", line(&error)));
            ExitCode::from(3)
        }
        Ending::Over => {
            say("\n演示已结束，全部进程已停止 / the demo is over, every process has ended");
            ExitCode::SUCCESS
        }
    }
}

fn plays_scene() -> bool {
    std::env::var_os("SCENE").is_some_and(|wish| wish == "1") || !std::io::stdout().is_terminal()
}

/// Ctrl-C, a closed terminal, or a polite kill.
async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = kinds.map(signal);
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (interrupt, terminate, hangup)
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// One line, for the last one.
fn line(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', " | ")
}

fn wishes() -> Result<Wishes> {
    let evidence = std::path::absolute(PathBuf::from(FOLDER).join("evidence"))?;
    if evidence.exists() {
        std::fs::remove_dir_all(&evidence).context("target/demo/evidence")?;
    }
    std::fs::create_dir_all(&evidence)?;
    let wish = std::env::var("LISTEN").ok().filter(|wish| !wish.is_empty());
    let open_to: Option<IpAddr> = wish
        .map(|wish| wish.parse())
        .transpose()
        .context("LISTEN 须是本机的一个 IP 地址 / LISTEN takes one IP address of this machine")?;
    ensure!(
        open_to.is_none_or(|address| !address.is_unspecified()),
        "LISTEN 须是具体地址：话机要能回到它 / LISTEN takes a real address: phones must reach it"
    );
    let plant = std::env::var("DEMO_BREAK").ok().filter(|plant| !plant.is_empty());
    Ok(Wishes { evidence, open_to, plant })
}

async fn run() -> Ending {
    say("正在启动五个节点 / starting five nodes …");
    let (mut stage, reference) = match unless_interrupted(set_up()).await {
        Ok(ready) => ready,
        Err(error) => return Ending::NotStarted(error),
    };
    if plays_scene() {
        let playing = timeout(SCENE, Scene::new(&mut stage, reference).play());
        let played = unless_interrupted(async { playing.await? }).await;
        stage.end().await;
        return match played {
            Ok(played) => Ending::Played(Box::new(played)),
            Err(error) => Ending::Broken(error),
        };
    }
    let stayed = tokio::select! {
        stayed = interactive::stay(&mut stage) => stayed,
        () = interrupted() => Ok(()),
    };
    stage.end().await;
    stayed.map_or_else(Ending::Broken, |()| Ending::Over)
}

async fn set_up() -> Result<(Stage, Vec<i16>)> {
    let wishes = wishes()?;
    // Made without Weir: espeak-ng speaks it here.
    let reference = spoken::chinese(&wishes.evidence, RED_TEXT).await?;
    let stage = timeout(SET_UP, Stage::set(wishes)).await;
    Ok((stage.context("set-up took too long")??, reference))
}

async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = interrupted() => bail!("被中断 / interrupted"),
    }
}

fn finish(played: &Played) -> ExitCode {
    let all = played.verdicts.len();
    let failed = played.verdicts.iter().filter(|verdict| !verdict.passed());
    let failed: Vec<&str> = failed.map(|verdict| verdict.name).collect();
    let passed = all - failed.len();
    let result = match failed.is_empty() {
        true => format!("PASS {passed}/{all}"),
        false => format!("FAIL {passed}/{all}: {}", failed.join(", ")),
    };
    let report = match report::write(Path::new(FOLDER), played, &result) {
        Ok(page) => page.display().to_string(),
        Err(error) => format!("not written: {}", line(&error)),
    };
    say(&format!("{result}   report: {report}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
