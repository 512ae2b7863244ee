//! How long and how often is measured: numbers with a default each, for which a
//! shorter run sets variables. It refuses what is no number or would measure
//! nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Rounds of each system at each number of clients: `BENCH_ROUNDS`.
    pub(crate) rounds: u32,
    /// Measured time of a round: `BENCH_SECONDS`.
    pub(crate) measured: Duration,
    /// Before it, unmeasured: `BENCH_WARM_UP_SECONDS`.
    pub(crate) warm_up: Duration,
    /// Leaders killed of each system: `BENCH_KILLS`.
    pub(crate) kills: u32,
    /// How long the satellite is watched: `BENCH_IDLE_SECONDS`.
    pub(crate) idle: Duration,
}

fn number(name: &str, default: u32, most: u32) -> Result<u32> {
    let number = match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number"))?,
        Err(_) => default,
    };
    ensure!((1..=most).contains(&number), "{name} must be 1 to {most}");
    Ok(number)
}

fn seconds(name: &str, default: u32, most: u32) -> Result<Duration> {
    Ok(Duration::from_secs(number(name, default, most)?.into()))
}

impl Settings {
    pub(crate) fn read() -> Result<Self> {
        Ok(Self {
            rounds: number("BENCH_ROUNDS", 3, 99)?,
            measured: seconds("BENCH_SECONDS", 8, 600)?,
            warm_up: seconds("BENCH_WARM_UP_SECONDS", 2, 60)?,
            kills: number("BENCH_KILLS", 10, 100)?,
            idle: seconds("BENCH_IDLE_SECONDS", 60, 3600)?,
        })
    }
}
