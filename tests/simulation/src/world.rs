//! One simulated world: its nodes and their disks, its network, its dice, and
//! those who watch. Everything in it hangs on the seed and on virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_consensus::WallClock;
use weir_model::decision::Profile;
use weir_model::id::{NodeId, WallMs};

use crate::bus::SimTransport;
use crate::dice::{Dice, mix};
use crate::disk::SimDisk;
use crate::invariants::{Final, Seen, Violation, Watchers};
use crate::links::Links;
use crate::nemesis::{Armed, Moment};
use crate::part::{Ground, Layer, Part};
use crate::planted::Planted;
use crate::platter::{Contents, Platter};
use crate::runtime::Group;
use crate::shared::Shared;
use crate::sites::relay::Ledger;
use crate::trace::Trace;

/// When the simulated world begins.
const BEGINNING_MS: u64 = 1_800_000_000_000;

/// A node and what outlives its crashes.
struct Machine {
    up: bool,
    life: u64,
    group: Group,
    part: Option<Part>,
    platter: Shared<Platter>,
    /// How far its wall clock is off, in milliseconds.
    skew_ms: i64,
    panics: u64,
}

/// See the module.
pub struct World {
    pub planted: Option<Planted>,
    pub links: Shared<Links>,
    /// What loudspeakers did; outside every crash.
    pub ledger: Shared<Ledger>,
    layer: Layer,
    seed: u64,
    profile: Profile,
    /// Syncs that take long, of a thousand.
    slow_syncs_permille: u64,
    /// Syncs that take minutes, of ten thousand: a dying disk.
    stalls: Shared<u64>,
    began: Instant,
    nodes: Shared<BTreeMap<NodeId, Machine>>,
    watchers: Shared<Watchers>,
    trace: Shared<Trace>,
    dice: Shared<Dice>,
    pub(crate) armed: Shared<Option<Armed>>,
    tasks: Group,
    busy: Shared<u64>,
}

impl World {
    /// A world with no nodes yet. Must be made inside the runtime.
    pub fn new(
        seed: u64,
        planted: Option<Planted>,
        layer: Layer,
        satellites: BTreeSet<NodeId>,
        keep_trace: bool,
    ) -> Arc<Self> {
        let mut dice = Dice::new(seed, 1);
        let profile = if dice.permille(500) { Profile::Lan } else { Profile::Wan };
        let slow_syncs_permille = dice.pick(&[5, 30, 30, 150]).unwrap_or(30);
        let stalls = match layer {
            Layer::Cluster => 0,
            Layer::Sites(_) => dice.pick(&[0, 0, 30, 100]).unwrap_or(0),
        };
        Arc::new(Self {
            planted,
            links: Shared::new(Links::new(Dice::new(seed, 2), satellites)),
            ledger: Shared::default(),
            layer,
            seed,
            profile,
            slow_syncs_permille,
            stalls: Shared::new(stalls),
            began: Instant::now(),
            nodes: Shared::default(),
            watchers: Shared::default(),
            trace: Shared::new(Trace::new(keep_trace)),
            dice: Shared::new(dice),
            armed: Shared::default(),
            tasks: Group::default(),
            busy: Shared::default(),
        })
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Dice of its own for each purpose.
    pub fn dice(&self, purpose: u64) -> Dice {
        Dice::new(self.seed, purpose)
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs a task of the world itself, which no crash ends.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.tasks.spawn(self.next_seed(), future));
    }

    /// Runs a client's task, for whose end the run waits.
    pub fn employ<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let busy = self.busy.clone();
        busy.with(|busy| *busy += 1);
        self.spawn(async move {
            future.await;
            busy.with(|busy| *busy -= 1);
        });
    }

    /// Whether every client has had its last answer.
    pub fn is_idle(&self) -> bool {
        self.busy.with(|busy| *busy == 0)
    }

    pub fn next_seed(&self) -> u64 {
        self.dice.with(Dice::roll)
    }

    pub fn note(&self, what: &'static str, numbers: [u64; 3]) {
        let at_us = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.trace.with(|trace| trace.note(at_us, what, numbers));
    }

    pub fn saw(&self, seen: &Seen<'_>) {
        let at_ms = self.now_ms();
        self.watchers.with(|watchers| watchers.look(at_ms, seen));
    }

    /// Something broken that no invariant looks for.
    pub fn found(&self, invariant: &'static str, what: String) {
        let at_ms = self.now_ms();
        self.watchers.with(|watchers| watchers.found(at_ms, invariant, what));
    }

    /// Shows what a crash of a node would leave.
    pub fn saw_durable(&self, node: NodeId, look: impl FnOnce(&Contents)) {
        if let Some(platter) = self.platter(node) {
            platter.with(|platter| look(&platter.durable));
        }
    }

    pub fn sync_takes(&self) -> Duration {
        let (slow, stalls) = (self.slow_syncs_permille, self.stalls.with(|stalls| *stalls));
        Duration::from_millis(self.dice.with(|dice| {
            let ms = dice.between(1..6);
            if stalls > 0 && dice.between(0..10_000) < stalls {
                return dice.between(80_000..140_000);
            }
            if dice.permille(slow) { ms + dice.between(0..150) } else { ms }
        }))
    }

    /// Dying disks are replaced by sound ones.
    pub fn mend_disks(&self) {
        self.stalls.with(|stalls| *stalls = 0);
    }

    pub fn write_takes(&self) -> Duration {
        Duration::from_millis(
            self.dice.with(|dice| if dice.permille(100) { dice.between(1..4) } else { 0 }),
        )
    }

    pub fn is_up(&self, node: NodeId) -> bool {
        self.nodes.with(|nodes| nodes.get(&node).is_some_and(|machine| machine.up))
    }

    /// Which life a node is in; `None` while it is down.
    pub fn life(&self, node: NodeId) -> Option<u64> {
        self.nodes.with(|nodes| nodes.get(&node).filter(|m| m.up).map(|m| m.life))
    }

    /// A node that has started, and its tasks.
    pub fn running(&self, node: NodeId) -> Option<(Part, Group)> {
        self.nodes.with(|nodes| {
            let machine = nodes.get(&node).filter(|machine| machine.up)?;
            Some((machine.part.clone()?, machine.group.clone()))
        })
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.with(|nodes| nodes.keys().copied().collect())
    }

    pub fn is_down(&self, node: NodeId) -> bool {
        self.nodes.with(|nodes| nodes.get(&node).is_some_and(|machine| !machine.up))
    }

    /// Starts a node, or starts it again, from what its disk holds.
    pub fn boot(self: &Arc<Self>, node: NodeId) {
        let seed = mix(self.seed, node.0);
        let (group, life, platter) = self.nodes.with(|nodes| {
            let machine = nodes.entry(node).or_insert_with(|| Machine {
                up: false,
                life: 0,
                group: Group::default(),
                part: None,
                platter: Shared::new(Platter::new(Dice::new(seed, 3))),
                skew_ms: 0,
                panics: 0,
            });
            machine.up = true;
            machine.life += 1;
            machine.group = Group::default();
            (machine.group.clone(), machine.life, machine.platter.clone())
        });
        self.note("boot", [node.0, life, 0]);
        platter.with(|platter| self.saw(&Seen::Starts { node, contents: &platter.visible }));
        drop(group.spawn(mix(seed, life), self.clone().start(node, life, platter)));
    }

    async fn start(self: Arc<Self>, node: NodeId, life: u64, platter: Shared<Platter>) {
        let disk = SimDisk::open(self.clone(), node, platter);
        let transport = SimTransport::new(self.clone(), node, life);
        let world = self.clone();
        let wall: WallClock = Arc::new(move || world.wall(node));
        let ground = Ground { world: self.clone(), node, disk, transport, wall };
        match self.layer.start(ground).await {
            Ok(part) => self.nodes.with(|nodes| {
                if let Some(machine) = nodes.get_mut(&node) {
                    machine.part = Some(part);
                }
            }),
            Err(error) => self.found("a node starts from its disk", format!("{node}: {error}")),
        }
    }

    /// What a node's wall clock says.
    pub fn wall(&self, node: NodeId) -> WallMs {
        let skew = self.nodes.with(|nodes| nodes.get(&node).map_or(0, |m| m.skew_ms));
        WallMs((BEGINNING_MS + self.now_ms()).saturating_add_signed(skew))
    }

    /// Somebody sets a node's wall clock.
    pub fn set_clock(&self, node: NodeId, skew_ms: i64) {
        self.nodes.with(|nodes| {
            if let Some(machine) = nodes.get_mut(&node) {
                machine.skew_ms = skew_ms;
            }
        });
    }

    /// Takes the power from a node.
    pub fn crash(&self, node: NodeId) {
        let taken = self.nodes.with(|nodes| {
            let machine = nodes.get_mut(&node).filter(|machine| machine.up)?;
            machine.up = false;
            machine.panics += machine.group.panics();
            Some((machine.group.clone(), machine.part.take(), machine.platter.clone()))
        });
        let Some((group, part, platter)) = taken else { return };
        group.crash();
        let lost = platter.with(Platter::crash);
        self.note("crash", [node.0, lost, 0]);
        drop(part);
    }

    /// A node has come to a moment in which a crash may be armed.
    pub fn reached(self: &Arc<Self>, node: NodeId, moment: Moment) {
        let armed = self.armed.with(|armed| armed.take_if(|armed| armed.fits(node, moment)));
        if let Some(armed) = armed {
            self.spawn(armed.strike(self.clone()));
        }
    }

    /// The nodes as they are now.
    pub fn finals(&self) -> Vec<Final> {
        self.nodes.with(|nodes| {
            let one = |(node, machine): (&NodeId, &Machine)| {
                let consensus = machine.part.as_ref().and_then(Part::consensus);
                Final {
                    node: *node,
                    status: consensus.map(|consensus| consensus.status()),
                    view: consensus.map(|consensus| consensus.view().borrow().clone()),
                    panics: machine.panics + machine.group.panics(),
                }
            };
            nodes.iter().map(one).collect()
        })
    }

    /// What is on a node's disk.
    pub fn platter(&self, node: NodeId) -> Option<Shared<Platter>> {
        self.nodes.with(|nodes| nodes.get(&node).map(|machine| machine.platter.clone()))
    }

    /// Ends every task and lets go of the nodes; returns what was seen.
    pub fn end(&self) -> (Trace, Vec<Violation>) {
        let nodes = self.nodes.with(std::mem::take);
        for machine in nodes.values() {
            machine.group.crash();
        }
        if self.tasks.panics() > 0 {
            self.found("the simulation itself does not panic", self.tasks.panics().to_string());
        }
        self.tasks.crash();
        let violations = self.watchers.with(|watchers| std::mem::take(&mut watchers.violations));
        (self.trace.with(std::mem::take), violations)
    }
}
