//! Several directors, the roads between them, and cameras; ten milliseconds a
//! step.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use weir_model::codec;
use weir_signaling::picture::{Rung, Unit, UnitKind};

use super::super::around::Around;
use super::super::director::{Director, Roster};
use super::super::message::Trouble;
use super::super::out::{CameraNews, Output};
use super::super::stage::Stage;
use super::super::{Answer, CameraSource, Request, TroubleKind, WatchState};
use super::*;

pub(super) const STEP_MS: u64 = 10;
const SATELLITE_MS: u64 = 300;
const WIRE_MS: u64 = 5;
/// An answer that does not come by then is given up.
const ANSWER_MS: u64 = 4_000;
pub(super) const CAMERA_BPS: u64 = 2_000_000;

/// Numbers that look random (xorshift64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn of(&mut self, per_million: u64) -> bool {
        self.next() % 1_000_000 < per_million
    }
}

/// What everybody knows.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) cameras: BTreeMap<CameraId, CameraSource>,
    /// Of the way between two nodes; elsewhere there is plenty.
    pub(super) budgets: BTreeMap<(NodeId, NodeId), u64>,
}

pub(super) fn site_of(node: NodeId) -> SiteId {
    site(["none", "dam", "centre", "office", "valley"][usize::try_from(node.0).unwrap()])
}

fn dish(from: NodeId, to: NodeId) -> Option<SiteId> {
    [from, to].into_iter().find(|node| matches!(*node, DAM | VALLEY)).map(site_of)
}

enum Travels {
    Datagram(Vec<u8>),
    Question {
        id: u64,
        request: Request,
    },
    Answer {
        id: u64,
        answer: Answer,
    },
    /// Nobody answered.
    Silence {
        id: u64,
    },
}

struct FakeLens {
    rung: Rung,
    opened_ms: u64,
    next_ms: u64,
    nth: u64,
    key: bool,
}

pub(super) struct Machine {
    pub(super) director: Director,
    pub(super) roster: Arc<Roster>,
    lenses: BTreeMap<u64, FakeLens>,
}

/// Somebody who watches, and what was seen.
pub(super) struct Eyes {
    pub(super) stage: Arc<Stage>,
    units: super::super::Units,
    pub(super) frames: Vec<(u64, UnitKind, u64)>,
}

pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) facts: Arc<Mutex<Facts>>,
    pub(super) machines: BTreeMap<NodeId, Machine>,
    under_way: BTreeMap<u64, VecDeque<(NodeId, NodeId, Travels)>>,
    dice: Dice,
    burst: BTreeMap<(NodeId, NodeId), u32>,
    pub(super) loss_ppm: u64,
    pub(super) cut: Vec<(NodeId, NodeId)>,
    /// Bytes of pictures from node to node, headers included.
    pub(super) carried: BTreeMap<(NodeId, NodeId), u64>,
    pub(super) eyes: Vec<Eyes>,
    /// What is wrong with the camera.
    pub(super) trouble: Option<TroubleKind>,
    /// Frames that the camera's views made.
    pub(super) made: u64,
    pub(super) keys: u64,
    restarts: u16,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            now_ms: 0,
            facts: Arc::default(),
            machines: BTreeMap::new(),
            under_way: BTreeMap::new(),
            dice: Dice(seed * 7_919 + 1),
            burst: BTreeMap::new(),
            loss_ppm: 20_000,
            cut: Vec::new(),
            carried: BTreeMap::new(),
            eyes: Vec::new(),
            trouble: None,
            made: 0,
            keys: 0,
            restarts: 0,
        };
        world.add_camera();
        [DAM, CENTRE, OFFICE, VALLEY].into_iter().for_each(|node| world.start(node));
        world
    }

    pub(super) fn add_camera(&mut self) {
        let url = "rtsp://camera/live".into();
        let source = CameraSource { site: site("dam"), url, user: None, password: None };
        self.facts.lock().unwrap().cameras.insert(gates(), source);
    }

    pub(super) fn budget(&mut self, from: NodeId, to: NodeId, bps: u64) {
        self.facts.lock().unwrap().budgets.insert((from, to), bps);
    }

    /// Starts a node, or starts it anew: it remembers nothing.
    pub(super) fn start(&mut self, node: NodeId) {
        let (cameras, budgets) = (self.facts.clone(), self.facts.clone());
        let around = Around {
            site: site_of(node),
            cameras: Arc::new(move |id| cameras.lock().unwrap().cameras.get(id).cloned()),
            peer_of: Arc::new(|of| (1..=4).map(NodeId).find(|node| site_of(*node) == *of)),
            budget: Arc::new(move |to| {
                budgets.lock().unwrap().budgets.get(&(node, to)).copied().unwrap_or(800_000)
            }),
            dish: Arc::new(move |to| dish(node, to)),
        };
        let roster = Arc::new(Roster::default());
        self.restarts += 1;
        let director = Director::new(around, roster.clone(), self.restarts * 1_000);
        self.machines.insert(node, Machine { director, roster, lenses: BTreeMap::new() });
    }

    pub(super) fn kill(&mut self, node: NodeId) {
        self.machines.remove(&node);
    }

    /// The index of the eyes.
    pub(super) fn watch(&mut self, node: NodeId) -> usize {
        let stage = self.machines[&node].roster.stage(&gates()).unwrap();
        let units = stage.units();
        self.eyes.push(Eyes { stage, units, frames: Vec::new() });
        self.eyes.len() - 1
    }

    pub(super) fn state(&self, eyes: usize) -> WatchState {
        self.eyes[eyes].stage.state(self.now_ms)
    }

    pub(super) fn carried(&self, from: NodeId, to: NodeId) -> u64 {
        self.carried.get(&(from, to)).copied().unwrap_or(0)
    }

    pub(super) fn run(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            self.step();
        }
    }

    /// Until it is so; how long that took.
    pub(super) fn until(&mut self, most_ms: u64, so: impl Fn(&Self) -> bool) -> u64 {
        let began_ms = self.now_ms;
        while !so(self) {
            assert!(self.now_ms - began_ms < most_ms, "not within {most_ms} ms");
            self.step();
        }
        self.now_ms - began_ms
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let later = self.under_way.split_off(&(self.now_ms + 1));
        let due = std::mem::replace(&mut self.under_way, later);
        for (from, to, what) in due.into_values().flatten() {
            self.arrive(from, to, what);
        }
        let nodes: Vec<NodeId> = self.machines.keys().copied().collect();
        for node in nodes {
            self.cameras(node);
            let Some(machine) = self.machines.get_mut(&node) else { continue };
            machine.director.tick(self.now_ms);
            self.carry_out(node);
        }
        for eyes in &mut self.eyes {
            while let Some(Some(unit)) = futures_util::FutureExt::now_or_never(eyes.units.next()) {
                eyes.frames.push((self.now_ms, unit.kind, u64::from(unit.at_ms)));
            }
        }
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains(&(from, to)) || self.cut.contains(&(to, from))
    }

    fn arrive(&mut self, from: NodeId, to: NodeId, what: Travels) {
        let now_ms = self.now_ms;
        let Some(machine) = self.machines.get_mut(&to) else { return };
        match what {
            Travels::Datagram(datagram) => machine.director.datagram(now_ms, from, &datagram),
            Travels::Question { id, request } => {
                let answer = machine.director.asked(now_ms, from, request);
                let answer = codec::decode(&codec::encode(&answer).unwrap()).unwrap();
                self.travel(to, from, Travels::Answer { id, answer });
            }
            Travels::Answer { id, answer } => {
                machine.director.answered(now_ms, id, Some(answer));
            }
            Travels::Silence { id } => machine.director.answered(now_ms, id, None),
        }
        self.carry_out(to);
    }

    fn travel(&mut self, from: NodeId, to: NodeId, what: Travels) {
        let far = dish(from, to).is_some();
        if let Travels::Datagram(datagram) = &what {
            let bytes = u64::try_from(datagram.len()).unwrap() + 70;
            *self.carried.entry((from, to)).or_default() += bytes;
            let burst = self.burst.entry((from, to)).or_default();
            if far && *burst == 0 && self.dice.of(self.loss_ppm / 2) {
                *burst = 3;
            }
            let lost = *burst > 0 || far && self.dice.of(self.loss_ppm / 4);
            *burst = burst.saturating_sub(1);
            if lost {
                return;
            }
        }
        if self.is_cut(from, to) {
            return;
        }
        let due_ms = self.now_ms + if far { SATELLITE_MS } else { WIRE_MS };
        self.under_way.entry(due_ms).or_default().push_back((from, to, what));
    }

    fn carry_out(&mut self, node: NodeId) {
        let now_ms = self.now_ms;
        let Some(machine) = self.machines.get_mut(&node) else { return };
        for output in machine.director.outputs() {
            let Some(machine) = self.machines.get_mut(&node) else { return };
            let lens = match output {
                Output::Send { to, datagram } => {
                    self.travel(node, to, Travels::Datagram(datagram));
                    continue;
                }
                Output::Ask { id, to, request } => {
                    let request = codec::decode(&codec::encode(&request).unwrap()).unwrap();
                    self.travel(node, to, Travels::Question { id, request });
                    let silence = (to, node, Travels::Silence { id });
                    self.under_way.entry(now_ms + ANSWER_MS).or_default().push_back(silence);
                    continue;
                }
                Output::Open { lens, rung, .. } => {
                    let opened_ms = now_ms;
                    let open = FakeLens { rung, opened_ms, next_ms: now_ms, nth: 0, key: true };
                    machine.lenses.insert(lens, open);
                    continue;
                }
                Output::Close { lens } => {
                    machine.lenses.remove(&lens);
                    continue;
                }
                Output::Rung { lens, rung } => {
                    let open = machine.lenses.get_mut(&lens).unwrap();
                    (open.rung, open.key, open.next_ms) = (rung, true, now_ms);
                    continue;
                }
                Output::Key { lens } => lens,
            };
            self.keys += 1;
            machine.lenses.get_mut(&lens).unwrap().key = true;
        }
    }

    /// What the views of this node's cameras make now.
    fn cameras(&mut self, node: NodeId) {
        let now_ms = self.now_ms;
        let Some(machine) = self.machines.get_mut(&node) else { return };
        for (id, lens) in &mut machine.lenses {
            if let Some(kind) = self.trouble {
                let said = weir_model::refusal::Said { zh: "坏了".into(), en: "broken".into() };
                let trouble = Some(Trouble::new(kind, &said));
                machine.director.camera(*id, CameraNews { trouble, source_bps: None });
                continue;
            }
            if now_ms < lens.opened_ms + 200 || now_ms < lens.next_ms {
                continue;
            }
            let news = CameraNews { trouble: None, source_bps: Some(CAMERA_BPS) };
            machine.director.camera(*id, news);
            let unit = lens.unit(now_ms);
            self.made += 1;
            machine.director.unit(now_ms, *id, unit);
        }
    }

    pub(super) fn rung(&self, node: NodeId) -> Vec<Rung> {
        self.machines[&node].lenses.values().map(|lens| lens.rung).collect()
    }
}

impl FakeLens {
    fn unit(&mut self, now_ms: u64) -> Unit {
        let (bps, fps) = match self.rung {
            Rung::Passthrough => (CAMERA_BPS, 20),
            Rung::Medium { bps } => (bps * 85 / 100, 15),
            Rung::Small { bps } => (bps * 85 / 100, 5),
            Rung::Still { every_ms } => {
                self.next_ms = now_ms + every_ms;
                let at_ms = u32::try_from(now_ms).unwrap();
                return Unit { kind: UnitKind::Still, at_ms, bytes: vec![9; 15_000] };
            }
            Rung::Nothing => panic!("a view of nothing"),
        };
        self.next_ms = now_ms + 1_000 / fps;
        // Its own key frames come as the camera likes.
        let own = self.rung == Rung::Passthrough;
        let key = self.nth.is_multiple_of(if own { fps * 2 } else { fps * 10 });
        let key = key || self.key && !own;
        if key {
            (self.nth, self.key) = (0, false);
        }
        self.nth += 1;
        let plain = usize::try_from(bps / 8 / fps).unwrap();
        let bytes = vec![0x65; if key { plain * 5 } else { plain * 9 / 10 }];
        let kind = if key { UnitKind::Key } else { UnitKind::Delta };
        Unit { kind, at_ms: u32::try_from(now_ms).unwrap(), bytes }
    }
}
