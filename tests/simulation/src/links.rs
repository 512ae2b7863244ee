//! The network's weather: how long a message takes from one node to another,
//! and whether it arrives at all. Cuts are one-way; two of them make a cut
//! cable. It knows nothing of what a message says.

use std::collections::BTreeSet;
use std::time::Duration;

use weir_model::id::NodeId;

use crate::dice::Dice;

/// One way to a satellite site and back to earth.
const SATELLITE_MS: u64 = 300;

pub struct Links {
    dice: Dice,
    pub satellites: BTreeSet<NodeId>,
    pub cuts: BTreeSet<(NodeId, NodeId)>,
    pub slow: BTreeSet<(NodeId, NodeId)>,
    /// Messages lost, of a thousand.
    pub loss_permille: u64,
    /// Requests that come twice, of a thousand: among sites only, where an intent
    /// travels by several paths. A request over one QUIC stream never does.
    pub twice_permille: u64,
}

impl Links {
    pub fn new(dice: Dice, satellites: BTreeSet<NodeId>) -> Self {
        Self {
            dice,
            satellites,
            cuts: BTreeSet::new(),
            slow: BTreeSet::new(),
            loss_permille: 0,
            twice_permille: 0,
        }
    }

    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// Whether packets get through and back, as a connection needs.
    pub fn is_open(&self, one: NodeId, other: NodeId) -> bool {
        !self.is_cut(one, other) && !self.is_cut(other, one)
    }

    /// How long something takes one way.
    pub fn delay(&mut self, from: NodeId, to: NodeId) -> Duration {
        let mut ms = self.dice.between(1..9);
        if self.dice.permille(20) {
            ms += self.dice.between(0..200);
        }
        if self.slow.contains(&(from, to)) {
            ms += self.dice.between(50..450);
        }
        if self.satellites.contains(&from) || self.satellites.contains(&to) {
            ms += SATELLITE_MS;
        }
        Duration::from_millis(ms)
    }

    /// When a single message arrives; `None` when it does not.
    pub fn one_way(&mut self, from: NodeId, to: NodeId) -> Option<Duration> {
        let delay = self.delay(from, to);
        let lost = self.dice.permille(self.loss_permille);
        (!lost && !self.is_cut(from, to)).then_some(delay)
    }

    /// How much later a request arrives once more, if it does.
    pub fn echo(&mut self) -> Option<Duration> {
        let twice = self.dice.permille(self.twice_permille);
        twice.then(|| Duration::from_millis(self.dice.between(0..20_000)))
    }

    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Cuts a node off from all of these, both ways.
    pub fn isolate(&mut self, node: NodeId, from: &[NodeId]) {
        for &other in from.iter().filter(|other| **other != node) {
            self.cuts.extend([(node, other), (other, node)]);
        }
    }

    /// Good weather.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.slow.clear();
        self.loss_permille = 0;
        self.twice_permille = 0;
    }
}
