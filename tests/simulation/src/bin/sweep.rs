//! Plays many seeds and says which of them broke what.
//!
//! `sweep FIRST N [sites|PLANTED]`, or `sweep trace SEED FILE [sites|PLANTED]`
//! for one seed whose events are to be compared. Exit code 1 when anything was found.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use weir_simulation::planted::Planted;
use weir_simulation::run::{Plan, Report};
use weir_simulation::{run, sites};

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["trace", seed, file, what @ ..] => trace(number(seed)?, file, &Story::of(what)?),
        [first, count, what @ ..] => sweep(number(first)?, number(count)?, &Story::of(what)?),
        _ => bail!("sweep FIRST N [sites|PLANTED] | sweep trace SEED FILE [sites|PLANTED]"),
    }
}

fn number(word: &str) -> anyhow::Result<u64> {
    word.parse().with_context(|| format!("{word} is not a number"))
}

/// What to play.
struct Story {
    sites: bool,
    plan: Plan,
}

impl Story {
    fn of(words: &[&str]) -> anyhow::Result<Self> {
        let planted = match words {
            [] | ["sites"] => None,
            [name, ..] => Some(Planted::named(name).with_context(|| {
                let known = Planted::CLUSTER.into_iter().chain(Planted::SITES);
                let known: Vec<_> = known.map(Planted::name).collect();
                format!("no planted bug {name}; there are {}", known.join(", "))
            })?),
        };
        let sites = words == ["sites"] || planted.is_some_and(Planted::is_of_sites);
        Ok(Self { sites, plan: Plan { planted, ..Plan::default() } })
    }

    fn play(&self, seed: u64, keep_trace: bool) -> std::io::Result<Report> {
        let plan = Plan { keep_trace, ..self.plan.clone() };
        if self.sites { sites::run(seed, &plan) } else { run::run(seed, &plan) }
    }
}

fn trace(seed: u64, file: &str, story: &Story) -> anyhow::Result<ExitCode> {
    let report = story.play(seed, true)?;
    let lines = report.trace.unwrap_or_default().join("\n");
    std::fs::write(file, lines).with_context(|| format!("cannot write {file}"))?;
    println!("seed {seed}: hash {:016x}, {} events", report.hash, report.events);
    println!("{:?}", report.violations);
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sweep(first: u64, count: u64, story: &Story) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let (mut events, mut applied, mut bad) = (0, 0, 0);
    let mut found: BTreeMap<&str, (u64, u64, String)> = BTreeMap::new();
    for seed in first..first.saturating_add(count) {
        let report = story.play(seed, false)?;
        events += report.events;
        applied += report.applied;
        bad += u64::from(!report.violations.is_empty());
        for violation in report.violations {
            let text = format!("at {} ms: {}", violation.at_ms, violation.what);
            let known = found.entry(violation.invariant).or_insert((seed, 0, text));
            known.1 += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} seeds in {seconds:.1} s, {bad} bad; events {events}, entries {applied}");
    for (invariant, (seed, seeds, what)) in &found {
        println!("  {invariant}: first in seed {seed}, in {seeds} seeds; {what}");
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
