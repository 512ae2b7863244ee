//! The loudspeakers, outside of every crash: a ledger of what sounded, and the
//! edge that drives it. An order may be lost on its last metre, its report may
//! be lost on the way back, and a device that is asked may keep silent; but what
//! the edge reports as done did sound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_consensus::WallClock;
use weir_consensus::site::{Effects, Report};
use weir_model::directory::Grade;
use weir_model::fact::{EffectKey, EffectResult, Proof, Why};
use weir_model::home::EffectOrder;
use weir_model::id::{NodeId, WallMs};
use weir_model::intent::Mode;

use crate::dice::digest;
use crate::invariants::Seen;
use crate::world::World;

/// How long the edge waits for a report that was lost.
const SILENCE: Duration = Duration::from_secs(5);

/// Something that sounded.
#[derive(Debug, Clone)]
pub struct Sounded {
    pub node: NodeId,
    pub key: EffectKey,
    pub why: Why,
    /// When the node let it go, by its own clock.
    pub ordered: WallMs,
}

/// What sounded, and what still does.
#[derive(Default)]
pub struct Ledger {
    pub sounded: Vec<Sounded>,
    keys: BTreeSet<EffectKey>,
    playing: BTreeMap<EffectKey, CancellationToken>,
}

impl Ledger {
    pub fn has(&self, key: &EffectKey) -> bool {
        self.keys.contains(key)
    }
}

/// A node's way to its loudspeakers.
pub struct Edge {
    world: Arc<World>,
    node: NodeId,
    wall: WallClock,
}

/// The best that a device here ever says.
fn proof() -> Proof {
    Proof { grade: Some(Grade::Receiving), reached: 1, of: 1, siren: false }
}

impl Edge {
    pub fn new(world: Arc<World>, node: NodeId, wall: WallClock) -> Self {
        Self { world, node, wall }
    }
}

impl World {
    fn sounds(&self, sounded: Sounded) -> CancellationToken {
        self.note("sounds", [sounded.node.0, digest(sounded.key.to_string().as_bytes()), 0]);
        self.saw_durable(sounded.node, |durable| {
            self.saw(&Seen::Sounds { sounded: &sounded, durable });
        });
        let stopped = CancellationToken::new();
        self.ledger.with(|ledger| {
            ledger.keys.insert(sounded.key.clone());
            ledger.playing.insert(sounded.key.clone(), stopped.clone());
            ledger.sounded.push(sounded);
        });
        stopped
    }

    async fn play(self: Arc<Self>, sounded: Sounded, report: Report) {
        let mut dice = self.dice(digest(sounded.key.to_string().as_bytes()));
        sleep(Duration::from_millis(dice.between(1..50))).await;
        if dice.permille(150) {
            // Lost on the way there; nobody can tell it from a lost report.
            sleep(SILENCE).await;
            let why = "no answer".to_owned();
            return report.ended(EffectResult::Unknown { why }, Proof::default()).await;
        }
        let key = sounded.key.clone();
        let stopped = self.sounds(sounded);
        let lasts = Duration::from_millis(dice.between(300..15_000));
        let ceased = timeout(lasts, stopped.cancelled()).await.is_ok();
        self.ledger.with(|ledger| drop(ledger.playing.remove(&key)));
        if dice.permille(150) {
            sleep(SILENCE).await;
            let why = "no answer".to_owned();
            return report.ended(EffectResult::Unknown { why }, Proof::default()).await;
        }
        let result = if ceased { EffectResult::Ceased } else { EffectResult::Done };
        report.ended(result, proof()).await;
    }
}

impl Effects for Edge {
    fn begin(&self, order: EffectOrder, _ends_in: Duration, report: Report) {
        let (key, why, ordered) = (order.key, order.why, (self.wall)());
        let sounded = Sounded { node: self.node, key, why, ordered };
        self.world.spawn(self.world.clone().play(sounded, report));
    }

    fn cease(&self, key: &EffectKey, _mode: Mode) {
        let playing = self.world.ledger.with(|ledger| ledger.playing.get(key).cloned());
        if let Some(playing) = playing {
            playing.cancel();
        }
    }

    fn ask(&self, key: EffectKey, _mode: Mode, within: Duration, report: Report) {
        let world = self.world.clone();
        self.world.spawn(async move {
            let mut dice = world.dice(digest(key.to_string().as_bytes()) ^ 1);
            let takes = Duration::from_millis(dice.between(5..300));
            sleep(takes.min(within)).await;
            // Silence says nothing, and so does a device that heard nothing:
            // the order may still be on its way.
            if dice.permille(400) && world.ledger.with(|ledger| ledger.has(&key)) {
                report.ended(EffectResult::Done, proof()).await;
            }
        });
    }

    #[cfg(feature = "planted")]
    fn planted(&self) -> weir_model::home::Planted {
        self.world.planted.map(crate::planted::Planted::home).unwrap_or_default()
    }
}
