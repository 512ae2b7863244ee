//! First figures, beside a peer on the same machine in the same minutes. One JSON
//! object a line goes to standard output and, dated, to `bench/` in the folder of
//! builds; everything for people goes to standard error. It reports and gates
//! nothing, and it refuses a scratch folder that is no disk.

mod client;
mod etcd;
mod failover;
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

/// Something is missing; nothing is wrong with Weir.
const NOT_STARTED: u8 = 3;
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
            // Turned away before anything began.
            Part::Plans => {}
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
    if parts.contains(&Part::Plans) {
        eprintln!("未启动：plans 将随主线第 5 步到来，见 STATUS.md");
        eprintln!("NOT STARTED: plans arrives with slice 5 of the spine, see STATUS.md");
        return ExitCode::from(NOT_STARTED);
    }
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
