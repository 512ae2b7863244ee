//! The loudspeakers, telephones, conferences and the message gateway, outside of
//! every crash: a ledger of what sounded, rang, met or was sent, and the edge that
//! drives it. An order
//! may be lost on its last metre, its report may be lost on the way back, and a
//! device that is asked may keep silent; but what the edge reports as done was
//! done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_consensus::WallClock;
use weir_consensus::site::{Effects, Report};
use weir_model::directory::Grade;
use weir_model::fact::{EffectKey, EffectResult, Proof, Why};
use weir_model::home::{EffectAction, EffectOrder};
use weir_model::id::{ConferenceId, NodeId, PersonId, WallMs};
use weir_model::intent::Mode;

use crate::dice::digest;
use crate::invariants::Seen;
use crate::world::World;

/// How long the edge waits for a report that was lost.
const SILENCE: Duration = Duration::from_secs(5);

/// What a device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Page,
    /// This one's telephone rang.
    Call {
        person: PersonId,
    },
    /// The gateway took a text for this one.
    Message {
        person: PersonId,
    },
    /// A conference was opened.
    Conference {
        conference: ConferenceId,
        /// How many come in before its time is over.
        joined: u32,
    },
}

/// Something that sounded, rang or was sent.
#[derive(Debug, Clone)]
pub struct Sounded {
    pub node: NodeId,
    pub key: EffectKey,
    pub deed: Deed,
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

impl World {
    /// A telephone rings; somebody takes it or not. Once the key is pressed it
    /// was pressed, whether or not the node ever learns of it.
    async fn ring(self: Arc<Self>, sounded: Sounded, ring_s: u32, report: Report) {
        let mut dice = self.dice(digest(sounded.key.to_string().as_bytes()));
        sleep(Duration::from_millis(dice.between(1..50))).await;
        let lost = |why: &str| EffectResult::Unknown { why: why.to_owned() };
        if dice.permille(80) {
            sleep(SILENCE).await;
            return report.ended(lost("no answer"), Proof::default()).await;
        }
        let call = sounded.clone();
        let stopped = self.sounds(sounded);
        let rings = Duration::from_millis(dice.between(300..u64::from(ring_s) * 1_000));
        let ceased = timeout(rings, stopped.cancelled()).await.is_ok();
        self.ledger.with(|ledger| drop(ledger.playing.remove(&call.key)));
        let failed = |why: &str| EffectResult::Failed { why: why.to_owned() };
        let (result, proof) = match dice.between(0..1_000) {
            _ if ceased => (EffectResult::Ceased, Proof::default()),
            0..450 => {
                self.saw(&Seen::Acknowledges { call: &call });
                (EffectResult::Done, Proof::acknowledged())
            }
            450..650 => (failed("no_answer"), Proof::default()),
            650..800 => (failed("busy"), Proof::default()),
            _ => (failed("not_acknowledged"), Proof::default()),
        };
        if dice.permille(150) {
            sleep(SILENCE).await;
            return report.ended(lost("no report"), Proof::default()).await;
        }
        report.ended(result, proof).await;
    }

    /// A gateway that takes a text, refuses it or cannot be reached; it drops no
    /// second copy, so that one would show.
    async fn send(self: Arc<Self>, sounded: Sounded, report: Report) {
        let mut dice = self.dice(digest(sounded.key.to_string().as_bytes()));
        sleep(Duration::from_millis(dice.between(1..2_000))).await;
        let why = "gateway".to_owned();
        let result = match dice.between(0..1_000) {
            0..250 => EffectResult::Unreachable { why },
            250..300 => EffectResult::Failed { why },
            taken => {
                drop(self.sounds(sounded));
                // The answer may be lost on its way back.
                match taken {
                    300..450 => EffectResult::Unknown { why },
                    _ => EffectResult::Done,
                }
            }
        };
        let done = result == EffectResult::Done;
        report.ended(result, if done { Proof::accepted() } else { Proof::default() }).await;
    }
}

/// Who is called together, by what order.
struct Gathering {
    conference: ConferenceId,
    invited: u32,
    wanted: u32,
    wait_s: u32,
}

impl World {
    /// A room opens and people come or do not. The edge may count wrong; what it
    /// counts is in its proof all the same.
    async fn confer(
        self: Arc<Self>,
        did: impl FnOnce(Deed) -> Sounded + Send,
        of: Gathering,
        report: Report,
    ) {
        let Gathering { conference, invited, wanted, wait_s } = of;
        let mut dice = self.dice(conference.0);
        sleep(Duration::from_millis(dice.between(1..50))).await;
        let unknown = || EffectResult::Unknown { why: "no answer".to_owned() };
        if dice.permille(80) {
            sleep(SILENCE).await;
            return report.ended(unknown(), Proof::default()).await;
        }
        let joined = u32::try_from(dice.between(0..u64::from(invited) + 1)).unwrap_or(invited);
        let sounded = did(Deed::Conference { conference, joined });
        let key = sounded.key.clone();
        let stopped = self.sounds(sounded);
        let takes = Duration::from_millis(dice.between(300..u64::from(wait_s) * 1_000));
        let ceased = timeout(takes, stopped.cancelled()).await.is_ok();
        self.ledger.with(|ledger| drop(ledger.playing.remove(&key)));
        if dice.permille(150) {
            sleep(SILENCE).await;
            return report.ended(unknown(), Proof::default()).await;
        }
        let (result, proof) = match joined < wanted && !dice.permille(200) {
            _ if ceased => (EffectResult::Ceased, Proof::default()),
            true => (EffectResult::too_few(joined, wanted), Proof::default()),
            false => (EffectResult::Done, Proof::joined(joined, wanted)),
        };
        report.ended(result, proof).await;
    }
}

impl Effects for Edge {
    fn begin(&self, order: EffectOrder, _ends_in: Duration, report: Report) {
        let (key, why, ordered, node) = (order.key, order.why, (self.wall)(), self.node);
        let world = self.world.clone();
        let did = move |deed| Sounded { node, key, deed, why, ordered };
        match order.action {
            EffectAction::Page { .. } => {
                self.world.spawn(world.play(did(Deed::Page), report));
            }
            EffectAction::Call { person, ring_s, .. } => {
                self.world.spawn(world.ring(did(Deed::Call { person }), ring_s, report));
            }
            EffectAction::Message { person, .. } => {
                self.world.spawn(world.send(did(Deed::Message { person }), report));
            }
            EffectAction::Confer { conference, members, min_join: wanted, wait_s, .. } => {
                let invited = u32::try_from(members.len()).unwrap_or(u32::MAX);
                let of = Gathering { conference, invited, wanted, wait_s };
                self.world.spawn(world.confer(did, of, report));
            }
        }
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
