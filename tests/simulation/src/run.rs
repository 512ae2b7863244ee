//! One run: a seed, a plan, and what was seen. The same seed and plan give the
//! same run, to the last event.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use tokio::time::sleep;

use crate::invariants::{Seen, Violation, alike};
use crate::part::Layer;
use crate::planted::Planted;
use crate::runtime::SimRuntime;
use crate::world::World;
use crate::{clients, cluster, nemesis};

/// How long good weather may take to bring everybody together.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Simulated time of trouble.
    pub trouble: Duration,
    pub clients: u64,
    pub planted: Option<Planted>,
    /// Whether the trace is kept as lines.
    pub keep_trace: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { trouble: Duration::from_secs(20), clients: 3, planted: None, keep_trace: false }
    }
}

/// What was seen of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    /// Equal for equal runs.
    pub hash: u64,
    pub events: u64,
    pub applied: u64,
    pub violations: Vec<Violation>,
    pub trace: Option<Vec<String>>,
}

/// Plays one seed.
///
/// # Errors
/// When the machine has no room for a runtime.
pub fn run(seed: u64, plan: &Plan) -> io::Result<Report> {
    let mut runtime = SimRuntime::seeded(seed)?;
    Ok(runtime.block_on(play(seed, plan.clone())))
}

async fn play(seed: u64, plan: Plan) -> Report {
    let world =
        World::new(seed, plan.planted, Layer::Cluster, cluster::satellites(), plan.keep_trace);
    let until = plan.trouble + PATIENCE;
    cluster::found(&world, until).await;
    let joining = cluster::join_all(world.clone(), until);
    // In some runs the nodes join in the worst of weather.
    if world.dice(5).permille(300) {
        world.employ(joining);
    } else {
        joining.await;
    }
    for client in 1..=plan.clients {
        world.employ(clients::post(world.clone(), client, plan.trouble, until));
    }
    nemesis::rage(world.clone(), plan.trouble).await;
    while world.elapsed() < until && !(world.is_idle() && is_settled(&world)) {
        sleep(Duration::from_millis(250)).await;
    }
    let nodes = world.finals();
    world.saw(&Seen::Ended { nodes: &nodes });
    let applied = nodes.iter().filter_map(|node| node.status.as_ref()).map(|s| s.applied).max();
    let (trace, violations) = world.end();
    Report {
        seed,
        hash: trace.hash,
        events: trace.events,
        applied: applied.unwrap_or(0),
        violations,
        trace: trace.lines,
    }
}

fn is_settled(world: &Arc<World>) -> bool {
    let nodes = world.finals();
    nodes.len() as u64 == cluster::SATELLITE.0 && alike(&nodes).is_ok()
}
