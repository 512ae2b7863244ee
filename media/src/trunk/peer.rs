//! What all trunks to one peer share: bundles out and in, and how often they go.

use std::collections::BTreeSet;

use weir_signaling::wan::{
    Broken, Copies, Item, KeyPress, Packer, PackerConfig, Report, STEP_MS, Unpacker,
};

use crate::wan::{Link, Outgoing, TICK_MS};

/// Without trunks it is forgotten after so long.
const IDLE_MS: u64 = 60_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Peer {
    packer: Packer,
    unpacker: Unpacker,
    link: Link,
    phase_ms: u64,
    pack_ms: u64,
    /// Ours, that are open.
    channels: BTreeSet<u16>,
    idle_since_ms: Option<u64>,
    /// Something came since the last report that was no report.
    news: bool,
}

/// Frames go twice where that is heard, but not where there is nothing to save.
fn copies(link: Link) -> Copies {
    match link {
        Link::Terrestrial => Copies::Never,
        Link::Thin { .. } => Copies::ByLoss,
        Link::Satellite { .. } => Copies::UntilCalm,
    }
}

impl Peer {
    /// `phase_ms`: when bundles go over a satellite, modulo [`TICK_MS`].
    pub(super) fn new(now_ms: u64, link: Link, phase_ms: u64, first_seq: u16) -> Self {
        let config = PackerConfig { copies: copies(link), ..PackerConfig::default() };
        Self {
            packer: Packer::new(config, first_seq),
            unpacker: Unpacker::default(),
            link,
            phase_ms,
            pack_ms: 0,
            channels: BTreeSet::new(),
            idle_since_ms: Some(now_ms),
            news: false,
        }
    }

    pub(super) fn phase_ms(&self) -> u64 {
        self.phase_ms
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
        self.packer.set_copies(copies(link));
        // The next tick decides anew.
        self.pack_ms = 0;
    }

    pub(super) fn open(&mut self, channel: u16) {
        self.channels.insert(channel);
        self.idle_since_ms = None;
    }

    /// `theirs`: what our frames were sent under, if they were.
    pub(super) fn close(&mut self, now_ms: u64, channel: u16, theirs: Option<u16>) {
        if let Some(theirs) = theirs {
            self.packer.close(theirs);
        }
        self.unpacker.close(channel);
        self.channels.remove(&channel);
        if self.channels.is_empty() {
            self.idle_since_ms = Some(now_ms);
        }
    }

    /// A trunk's frames go under another channel from now on.
    pub(super) fn moved(&mut self, theirs: u16) {
        self.packer.close(theirs);
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.idle_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= IDLE_MS)
    }

    pub(super) fn say(&mut self, now_ms: u64, what: Outgoing) {
        match what {
            Outgoing::Frame(frame) => self.packer.frame(now_ms, frame),
            Outgoing::Key(key) => self.key(now_ms, key),
        }
    }

    fn key(&mut self, now_ms: u64, key: KeyPress) {
        self.packer.key(now_ms, key);
    }

    /// A datagram: what is new in it, for channels that are open or not.
    pub(super) fn take(&mut self, at_ms: u64, datagram: &[u8]) -> Result<Vec<Item>, Broken> {
        let items = self.unpacker.take(at_ms, datagram)?;
        if self.unpacker.channels() > self.channels.len() {
            self.unpacker.retain(|channel| self.channels.contains(&channel));
        }
        Ok(items)
    }

    pub(super) fn has(&self, channel: u16) -> bool {
        self.channels.contains(&channel)
    }

    /// What came was sound or a key of an open trunk.
    pub(super) fn heard(&mut self) {
        self.news = true;
    }

    /// What the peer saw of ours.
    pub(super) fn told(&mut self, now_ms: u64, report: &Report) {
        self.packer.heard(now_ms, report);
    }

    pub(super) fn late(&mut self, frames: u16) {
        self.unpacker.late(frames);
    }

    /// The datagrams of this tick.
    pub(super) fn tick(&mut self, tick_ms: u64) -> Vec<Vec<u8>> {
        if let Some(report) = self.unpacker.report(tick_ms) {
            // Reports on nothing but reports would never end.
            if std::mem::take(&mut self.news) {
                self.packer.report(report);
            }
        }
        if tick_ms < self.pack_ms {
            return Vec::new();
        }
        let (every_ms, phase_ms) = match self.link {
            Link::Satellite { .. } => (TICK_MS, self.phase_ms),
            Link::Terrestrial | Link::Thin { .. } => (STEP_MS, 0),
        };
        // The next of the grid, absolutely.
        let into_ms = (tick_ms + every_ms - phase_ms % every_ms) % every_ms;
        self.pack_ms = tick_ms + every_ms - into_ms;
        if into_ms == 0 { self.packer.pack(tick_ms) } else { Vec::new() }
    }

    pub(super) fn doubles(&self) -> bool {
        self.packer.doubles()
    }

    pub(super) fn loss_ppm(&self) -> u64 {
        self.packer.loss_ppm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use weir_signaling::wan::{Body, Frame};

    fn silence(channel: u16, step: u16) -> Outgoing {
        let frame = Frame { channel, step, begins: false, again: false, body: Body::Silence };
        Outgoing::Frame(frame)
    }

    fn packed_at(peer: &mut Peer, ticks: impl Iterator<Item = u64>) -> Vec<u64> {
        let packed = ticks.map(|n| n * STEP_MS).filter(|tick_ms| {
            peer.say(*tick_ms, silence(3, u16::try_from(tick_ms / STEP_MS).unwrap()));
            !peer.tick(*tick_ms).is_empty()
        });
        packed.collect()
    }

    /// Over a satellite at its phase, also after ticks were left out, and at once
    /// otherwise when the owner learns that it is a cable.
    #[test]
    fn bundles_go_at_their_phase() {
        let mut peer = Peer::new(0, Link::Satellite { bitrate_bps: 8_000 }, 20, 0);
        assert_eq!(packed_at(&mut peer, 0..10), [20, 80, 140]);
        assert_eq!(packed_at(&mut peer, [13, 14, 15].into_iter()), [260]);
        peer.set_link(Link::Terrestrial);
        assert_eq!(packed_at(&mut peer, 17..20), [340, 360, 380]);
    }

    /// Two silent ends do not report to each other for ever.
    #[test]
    fn reports_on_reports_are_not_sent() {
        let satellite = Link::Satellite { bitrate_bps: 8_000 };
        let mut ends = [Peer::new(0, satellite, 0, 0), Peer::new(0, satellite, 0, 0)];
        ends[1].open(3);
        ends[0].say(0, silence(3, 0));
        let mut bundles = 0;
        for tick_ms in (0..60_000).step_by(20) {
            for (from, to) in [(0, 1), (1, 0)] {
                for datagram in ends[from].tick(tick_ms) {
                    bundles += 1;
                    for item in ends[to].take(tick_ms, &datagram).unwrap() {
                        if matches!(item, Item::Frame(_)) {
                            ends[to].heard();
                        }
                    }
                }
            }
        }
        assert_eq!(bundles, 3, "a frame twice, and a report on it");
    }
}
