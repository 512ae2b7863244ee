//! What goes wrong in a run: crashes of one node or of all, cuts both ways and
//! one way, slow and lossy links, clocks that somebody sets, politely stopped
//! leaders, snapshots at awkward times, and crashes armed for the moment
//! between a write and its sync. In the end it makes everything good again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use weir_model::id::NodeId;

use crate::dice::Dice;
use crate::world::World;

/// A moment of a node's work in which a crash hurts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Vote = 1,
    Append,
    Apply,
    Truncate,
    File,
    Journal,
}

const MOMENTS: [Moment; 6] =
    [Moment::Vote, Moment::Vote, Moment::Append, Moment::Apply, Moment::Truncate, Moment::File];

/// A crash that waits for its moment.
#[derive(Debug, Clone)]
pub(crate) struct Armed {
    node: NodeId,
    moment: Moment,
    /// How long after the write, in milliseconds; 0 is before anything else.
    after_ms: u64,
    down_ms: u64,
    /// Whether whoever leads is cut off at the same time.
    isolate_leader: bool,
}

impl Armed {
    pub(crate) fn fits(&self, node: NodeId, moment: Moment) -> bool {
        self.node == node && self.moment == moment
    }

    pub(crate) async fn strike(self, world: Arc<World>) {
        sleep(Duration::from_millis(self.after_ms)).await;
        if self.isolate_leader {
            let leader = leader(&world).filter(|leader| *leader != self.node);
            if let Some(leader) = leader {
                let all = world.ids();
                world.links.with(|links| links.isolate(leader, &all));
            }
        }
        world.note("struck", [self.node.0, self.moment as u64, 0]);
        down_for(&world, self.node, self.down_ms).await;
    }
}

/// The leader as the nodes see it.
pub fn leader(world: &World) -> Option<NodeId> {
    let finals = world.finals();
    let mut leads = finals.iter().filter_map(|node| {
        let status = node.status.as_ref()?;
        (status.leader == Some(node.node)).then_some((status.term, node.node))
    });
    let first = leads.next()?;
    Some(leads.fold(first, Ord::max).1)
}

async fn down_for(world: &Arc<World>, node: NodeId, ms: u64) {
    world.crash(node);
    sleep(Duration::from_millis(ms)).await;
    if world.is_down(node) {
        world.boot(node);
    }
}

fn crash_for(world: &Arc<World>, node: NodeId, ms: u64) {
    let world = world.clone();
    world.clone().spawn(async move { down_for(&world, node, ms).await });
}

/// Makes trouble until the time is up, then makes everything good.
pub async fn rage(world: Arc<World>, until: Duration) {
    let mut dice = world.dice(9);
    while world.elapsed() < until {
        sleep(Duration::from_millis(dice.between(200..1600))).await;
        let all = world.ids();
        let Some(victim) = victim(&world, &mut dice, &all) else { continue };
        let kind = dice.between(0..100);
        world.note("nemesis", [kind, victim.0, 0]);
        match kind {
            0..25 => arm(&world, &mut dice, victim),
            25..40 => crash_for(&world, victim, down_ms(&mut dice)),
            40..46 => {
                for node in all {
                    crash_for(&world, node, down_ms(&mut dice));
                }
            }
            46..53 => polite(&world, &mut dice, victim),
            53..60 => compact(&world, &mut dice, victim),
            60..64 => {
                let skew = i64::try_from(dice.between(0..120_000)).unwrap_or(0) - 60_000;
                world.set_clock(victim, skew);
            }
            _ => weather(&world, &mut dice, victim, &all, kind),
        }
    }
    calm(&world);
}

/// The same for sites, which have no leader and need none: longer cuts, longer
/// nights.
pub async fn storm(world: Arc<World>, until: Duration) {
    let mut dice = world.dice(9);
    let echo = dice.between(0..200);
    world.links.with(|links| links.twice_permille = echo);
    while world.elapsed() < until {
        sleep(Duration::from_millis(dice.between(500..12_000))).await;
        let all = world.ids();
        let Some(victim) = dice.pick(&all) else { continue };
        let kind = dice.between(0..100);
        world.note("storm", [kind, victim.0, 0]);
        match kind {
            0..25 => {
                let (node, moment) = (victim, Moment::Journal);
                let (after_ms, down_ms) = (dice.between(0..8), down_ms(&mut dice));
                let isolate_leader = false;
                let armed = Armed { node, moment, after_ms, down_ms, isolate_leader };
                world.armed.with(|slot| *slot = Some(armed));
            }
            25..45 => crash_for(&world, victim, down_ms(&mut dice)),
            45..50 => {
                for node in all {
                    crash_for(&world, node, down_ms(&mut dice));
                }
            }
            50..55 => crash_for(&world, victim, dice.between(10_000..130_000)),
            _ => {
                weather(&world, &mut dice, victim, &all, kind);
                world.links.with(|links| links.twice_permille = links.twice_permille.max(echo));
            }
        }
    }
    calm(&world);
}

fn down_ms(dice: &mut Dice) -> u64 {
    if dice.permille(500) { dice.between(5..150) } else { dice.between(100..3000) }
}

/// The leader more often than chance would have it.
fn victim(world: &World, dice: &mut Dice, all: &[NodeId]) -> Option<NodeId> {
    let anyone = dice.pick(all);
    if dice.permille(400) { leader(world).or(anyone) } else { anyone }
}

fn arm(world: &World, dice: &mut Dice, node: NodeId) {
    let armed = Armed {
        node,
        moment: dice.pick(&MOMENTS).unwrap_or(Moment::Append),
        after_ms: dice.between(0..4),
        down_ms: dice.between(5..150),
        isolate_leader: dice.permille(400),
    };
    world.armed.with(|slot| *slot = Some(armed));
}

/// Hands over or shuts down as an operator would, then goes.
fn polite(world: &Arc<World>, dice: &mut Dice, node: NodeId) {
    let (aside, ms) = (dice.permille(500), down_ms(dice));
    let Some((consensus, group)) = world.consensus(node) else { return };
    let world = world.clone();
    world.clone().spawn(async move {
        let leaving = group.spawn(world.next_seed(), async move {
            consensus.step_aside().await;
            if !aside {
                consensus.shutdown().await;
            }
        });
        // Cut short when the node crashes meanwhile.
        let _ = leaving.await;
        if !aside && !group.has_ended() {
            down_for(&world, node, ms).await;
        }
    });
}

fn compact(world: &Arc<World>, dice: &mut Dice, node: NodeId) {
    let keep = dice.between(0..20);
    let Some((consensus, group)) = world.consensus(node) else { return };
    drop(group.spawn(world.next_seed(), async move { consensus.compact(keep).await }));
}

fn weather(world: &World, dice: &mut Dice, node: NodeId, all: &[NodeId], kind: u64) {
    let Some(other) = dice.pick(all) else { return };
    world.links.with(|links| match kind {
        ..70 => links.isolate(node, all),
        70..76 => {
            let side: Vec<bool> = all.iter().map(|_| dice.permille(500)).collect();
            for (one, here) in all.iter().zip(&side) {
                for (two, there) in all.iter().zip(&side) {
                    if here != there {
                        links.cuts.insert((*one, *two));
                    }
                }
            }
        }
        76..82 => drop(links.cuts.insert((node, other))),
        82..86 => {
            links.slow.insert((node, other));
            links.loss_permille = dice.between(0..150);
        }
        _ => links.heal(),
    });
}

/// Good weather, and everybody up.
fn calm(world: &Arc<World>) {
    world.armed.with(|slot| *slot = None);
    world.links.with(|links| links.heal());
    world.mend_disks();
    world.note("calm", [0; 3]);
    for node in world.ids() {
        if world.is_down(node) {
            world.boot(node);
        }
    }
}
