//! First figures, where there is a peer beside it on the same machine. One JSON
//! object a line goes to standard output and, dated, to `bench/` in the folder of
//! builds; everything for people goes to standard error. It reports and gates
//! nothing, and it refuses a scratch folder that is no disk.

mod client;
mod etcd;
mod failover;
mod plans;
mod plans_bytes;
mod plans_site;
mod report;
mod satellite;
mod settings;
mod store;
mod write;

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;
use crate::settings::Settings;

const USAGE: u8 = 2;
/// As a shell reports SIGINT.
const INTERRUPTED: u8 = 130;

/// One part of a benchmark, as ops/setup/bench.sh asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Write,
    Failover,
    Satellite,
    Plans,
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        match name {
            "write" => Some(Self::Write),
            "failover" => Some(Self::Failover),
            "satellite" => Some(Self::Satellite),
            "plans" => Some(Self::Plans),
            _ => None,
        }
    }
}

async fn run(parts: &[Part]) -> Result<()> {
    let settings = Settings::read()?;
    let report = Report::begin(&settings).await?;
    for part in parts {
        match part {
            Part::Write => write::run(&settings, &report).await?,
            Part::Failover => failover::run(&settings, &report).await?,
            Part::Satellite => satellite::run(&settings, &report).await?,
            Part::Plans => plans::run(&settings, &report).await?,
        }
    }
    Ok(())
}

/// Until somebody wants this to end. What runs is dropped then, and with it every
/// process and folder of it.
async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let parts: Option<Vec<Part>> = names.iter().map(|name| Part::named(name)).collect();
    let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
        eprintln!("bench write|failover|satellite|plans…");
        return ExitCode::from(USAGE);
    };
    tokio::select! {
        biased;
        ended = interrupted() => {
            if let Err(error) = ended {
                eprintln!("{error:#}");
            }
            eprintln!("已中断，正在清理 / interrupted, cleaning up");
            ExitCode::from(INTERRUPTED)
        }
        ended = run(&parts) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("性能测试失败 / the benchmark failed: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
