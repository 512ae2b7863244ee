//! One run of the sites: minutes of trouble, then good weather until every
//! journal is kept where it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use tokio::time::sleep;
use weir_consensus::disk::Family;
use weir_model::codec;
use weir_model::fact::Fact;
use weir_model::id::NodeId;

use super::{Fixture, people};
use crate::dice::Dice;
use crate::invariants::{Journals, Seen};
use crate::nemesis;
use crate::part::Layer;
use crate::run::{Plan, Report};
use crate::runtime::SimRuntime;
use crate::world::World;

/// Sites have long nights: this many times a plan's time of trouble.
const NIGHT: u32 = 15;
/// How long good weather may take: a stalled disk and the longest page.
const PATIENCE: Duration = Duration::from_secs(600);

/// Plays one seed.
///
/// # Errors
/// When the machine has no room for a runtime, or the fixture does not hold.
pub fn run(seed: u64, plan: &Plan) -> io::Result<Report> {
    let mut dice = Dice::new(seed, 7);
    // Never more than one destination a journal, for the reason that the crate
    // gives.
    let fixture = match dice.permille(500) {
        true => Fixture::new(2, 2),
        false => Fixture::new(3, 1),
    };
    let fixture = Arc::new(fixture.map_err(io::Error::other)?);
    let mut runtime = SimRuntime::seeded(seed)?;
    Ok(runtime.block_on(play(seed, plan.clone(), fixture)))
}

async fn play(seed: u64, plan: Plan, fixture: Arc<Fixture>) -> Report {
    let satellites: BTreeSet<NodeId> = fixture.homes.keys().skip(2).copied().collect();
    let layer = Layer::Sites(fixture.clone());
    let world = World::new(seed, plan.planted, layer, satellites, plan.keep_trace);
    let mut dice = world.dice(11);
    for node in fixture.homes.keys() {
        world.boot(*node);
        let skew = i64::try_from(dice.between(0..6_000)).unwrap_or(0) - 3_000;
        world.set_clock(*node, skew);
    }
    let trouble = plan.trouble * NIGHT;
    for number in 1..=plan.clients + 1 {
        let (world, fixture) = (world.clone(), fixture.clone());
        world.clone().employ(async move {
            let acting = people::act(world.clone(), fixture, number, trouble);
            if let Err(error) = acting.await {
                world.found("people can act", error.to_string());
            }
        });
    }
    nemesis::storm(world.clone(), trouble).await;
    let until = trouble + PATIENCE;
    while world.elapsed() < until && !(world.is_idle() && is_settled(&world, &fixture)) {
        sleep(Duration::from_secs(1)).await;
    }
    let journals = journals(&world, &fixture);
    world.saw(&Seen::Nightfall(&journals));
    let facts = journals.own.values().map(Vec::len).sum::<usize>() as u64;
    let (trace, violations) = world.end();
    Report {
        seed,
        hash: trace.hash,
        events: trace.events,
        applied: facts,
        violations,
        trace: trace.lines,
    }
}

/// A node's facts on a disk, its own or another's.
fn facts_of(world: &World, disk: NodeId, author: NodeId) -> Vec<Vec<u8>> {
    let Some(platter) = world.platter(disk) else { return Vec::new() };
    platter.with(|platter| {
        let facts = platter.durable.family(Family::Journal).iter();
        let of = |bytes: &&Vec<u8>| {
            codec::decode::<Fact>(bytes).is_ok_and(|fact| fact.id.node == author)
        };
        facts.map(|(_, bytes)| bytes).filter(of).cloned().collect()
    })
}

fn journals(world: &World, fixture: &Arc<Fixture>) -> Journals {
    let mut journals = Journals {
        fixture: fixture.clone(),
        own: BTreeMap::new(),
        copies: BTreeMap::new(),
        shown: BTreeMap::new(),
        ledger: world.ledger.with(|ledger| ledger.sounded.clone()),
        panics: world.finals().iter().map(|node| node.panics).sum(),
    };
    for &node in fixture.homes.keys() {
        journals.own.insert(node, facts_of(world, node, node));
        for &other in fixture.homes.keys().filter(|other| **other != node) {
            journals.copies.insert((node, other), facts_of(world, node, other));
        }
        if let Some((site, _)) = world.site(node) {
            journals.shown.insert(node, site.view());
        }
    }
    journals
}

/// Whether everything is written, shipped and over.
fn is_settled(world: &World, fixture: &Fixture) -> bool {
    fixture.homes.keys().all(|node| {
        let Some((site, _)) = world.site(*node) else { return false };
        let view = site.view();
        let over = view.picture.activations.iter().all(|run| run.ended.is_some());
        let alone = fixture.ships_nowhere(*node);
        over && (alone || view.kept_at_two == view.head.id.seq)
    })
}
