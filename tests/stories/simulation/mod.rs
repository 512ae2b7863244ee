//! What the simulation shows of Weir, and that it would show it: each planted
//! bug is found, and without one nothing is. A failure prints its seed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed run ends its test, with its seed")]

mod cluster;
mod platter;
mod sites;

use std::io;
use std::ops::Range;

use weir_simulation::planted::Planted;
use weir_simulation::run::{Plan, Report};

type Run = fn(u64, &Plan) -> io::Result<Report>;

/// Seeds in which a planted bug must show.
const PATIENCE: u64 = 500;

fn repeats(run: Run, fewest_events: u64) {
    let plan = Plan::default();
    let runs: Vec<Report> = (0..3).map(|_| run(7, &plan).unwrap()).collect();
    assert!(runs[0].events > fewest_events, "{} events show nothing", runs[0].events);
    for other in &runs[1..] {
        assert_eq!((other.hash, other.events), (runs[0].hash, runs[0].events));
    }
    assert_ne!(run(8, &plan).unwrap().hash, runs[0].hash);
}

fn clean(run: Run, seeds: Range<u64>) {
    for seed in seeds {
        let report = run(seed, &Plan::default()).unwrap();
        assert!(report.applied > 0, "seed {seed}: nothing happened");
        assert_eq!(report.violations, [], "seed {seed}");
    }
}

fn caught(run: Run, planted: Planted) {
    let plan = Plan { planted: Some(planted), ..Plan::default() };
    for seed in 1..=PATIENCE {
        let report = run(seed, &plan).unwrap();
        if let Some(first) = report.violations.first() {
            println!("{planted:?}: seed {seed}, {}: {}", first.invariant, first.what);
            return;
        }
    }
    panic!("{planted:?} was not caught in {PATIENCE} seeds");
}
