//! One picture on its way to one node: paced, protected, as good as the way there
//! allows, and only as long as the other side goes on asking.

use weir_model::id::{NodeId, SiteId};
use weir_signaling::picture::{Ladder, Report, Rung, Sender, SenderConfig, Unit, UnitKind};

use super::message::{LEASE_MS, Sends};
use super::out::Out;

/// More than any camera sends.
const RATE_MAX_BPS: u64 = 50_000_000;
/// A still is not begun while the one before needs so much longer.
const STILL_WAITS_MS: u64 = 3_000;
/// A still may take so long to send.
const STILL_QUEUE_MS: u64 = 60_000;
/// Of the past, what is sent in so long is sent to who comes late.
const CATCH_UP_MS: u64 = 1_500;

/// Who asked.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) peer: NodeId,
    pub(super) stream: u16,
    /// Whose dish the way there crosses.
    pub(super) dish: Option<SiteId>,
    /// Its own way out is that dish.
    pub(super) dished: bool,
}

#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) asker: Asker,
    pub(super) rung: Rung,
    until_ms: u64,
    rate_bps: u64,
    sender: Sender,
    ladder: Ladder,
    stills: bool,
}

/// Not worth turning the encoder for.
fn is_close(now: Rung, wanted: Rung) -> bool {
    match (now, wanted) {
        (Rung::Medium { bps: now }, Rung::Medium { bps }) => near(now, bps, 95),
        (Rung::Small { bps: now }, Rung::Small { bps }) => near(now, bps, 95),
        (Rung::Still { every_ms: now }, Rung::Still { every_ms }) => near(now, every_ms, 80),
        (now, wanted) => now == wanted,
    }
}

fn near(now: u64, wanted: u64, least: u64) -> bool {
    (now * least..=now * 120).contains(&(wanted * 100))
}

impl Outlet {
    pub(super) fn new(now_ms: u64, asker: Asker, rate_bps: u64) -> Self {
        let rate_bps = rate_bps.min(RATE_MAX_BPS);
        let config = config(rate_bps, false, asker.dish.is_some());
        Self {
            sender: Sender::new(asker.stream, config, now_ms),
            asker,
            rung: Rung::Nothing,
            until_ms: now_ms + LEASE_MS,
            rate_bps,
            ladder: Ladder::default(),
            stills: false,
        }
    }

    pub(super) fn renew(&mut self, now_ms: u64) {
        self.until_ms = now_ms + LEASE_MS;
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.until_ms
    }

    pub(super) fn set_rate(&mut self, rate_bps: u64) {
        self.rate_bps = rate_bps.min(RATE_MAX_BPS);
        self.sender.set_rate(self.rate_bps);
    }

    /// Whether another rung was chosen. `camera_bps`: what the camera sends.
    pub(super) fn choose(&mut self, now_ms: u64, camera_bps: Option<u64>) -> bool {
        // Where there is room, nothing is made smaller on suspicion.
        let camera_bps = camera_bps.or(self.asker.dish.is_none().then_some(0));
        let rung = self.ladder.choose(now_ms, self.sender.carries_bps(), camera_bps);
        if is_close(self.rung, rung) {
            return false;
        }
        if rung.height() != self.rung.height() {
            self.change(now_ms);
        }
        self.rung = rung;
        true
    }

    fn change(&mut self, now_ms: u64) {
        let far = self.asker.dish.is_some();
        self.sender.change(now_ms, config(self.rate_bps, self.stills, far));
    }

    pub(super) fn unit(&mut self, now_ms: u64, unit: &Unit) {
        let still = unit.kind == UnitKind::Still;
        if still != self.stills && unit.kind != UnitKind::Delta {
            self.stills = still;
            self.change(now_ms);
        }
        // The one under way is finished: a newer one would be as late.
        if !still || self.sender.waiting_ms() <= STILL_WAITS_MS {
            self.sender.unit(now_ms, unit);
        }
    }

    /// For who comes late: what was sent since the last key frame, if that is not
    /// too much.
    pub(super) fn catch_up(&mut self, now_ms: u64, past: &[impl AsRef<Unit>]) {
        let bytes: usize = past.iter().map(|unit| unit.as_ref().bytes.len()).sum();
        let bits = u64::try_from(bytes * 8).unwrap_or(u64::MAX);
        if bits <= self.rate_bps * CATCH_UP_MS / 1_000 {
            past.iter().for_each(|unit| self.unit(now_ms, unit.as_ref()));
        }
    }

    pub(super) fn heard(&mut self, report: &Report) {
        self.sender.heard(report);
    }

    /// Stills come anyway.
    pub(super) fn needs_key(&self) -> bool {
        !self.stills && !matches!(self.rung, Rung::Still { .. }) && self.sender.needs_key()
    }

    pub(super) fn flow(&mut self, now_ms: u64, out: &mut Out) {
        let due = self.sender.poll(now_ms);
        due.into_iter().for_each(|datagram| out.send(self.asker.peer, datagram));
    }

    pub(super) fn sends(&self) -> Sends {
        match self.rung {
            Rung::Passthrough | Rung::Medium { .. } | Rung::Small { .. } => Sends::Moving,
            Rung::Still { every_ms } => Sends::Still { every_ms },
            Rung::Nothing => Sends::NoRoom,
        }
    }
}

fn config(rate_bps: u64, stills: bool, far: bool) -> SenderConfig {
    match (stills, far) {
        (true, _) => SenderConfig::stills(rate_bps, STILL_QUEUE_MS),
        (false, true) => SenderConfig::at(rate_bps),
        (false, false) => SenderConfig::near(rate_bps),
    }
}
