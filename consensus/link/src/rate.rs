//! Congestion control for satellites: the rate is known, random loss says
//! nothing about the queue, and a window of one and a half times rate × round
//! trip keeps the link full. Only loss beyond 10 % counts as congestion. It
//! refuses to probe for more than it was told it may send.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

const WINDOW_TENTHS: u128 = 15;
/// Below it a single call would take several round trips.
const WINDOW_MIN_PACKETS: u64 = 8;
/// Loss judged over at least so many packets, and one round trip.
const JUDGED_PACKETS_MIN: u64 = 20;
const LOSS_LIMIT_PERCENT: u64 = 10;
/// The window never shrinks below this part of itself.
const SCALE_MIN_PERCENT: u64 = 20;

/// Makes a controller for each connection of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateConfig {
    /// What this connection may use of the uplink.
    pub(crate) rate_bps: u64,
    /// Until a round trip is measured.
    pub(crate) initial_rtt: Duration,
}

impl ControllerFactory for RateConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Rate::new(*self, now, current_mtu))
    }
}

#[derive(Debug, Clone)]
struct Rate {
    config: RateConfig,
    mtu: u64,
    min_rtt: Option<Duration>,
    scale_percent: u64,
    judged_since: Instant,
    acked_bytes: u64,
    lost_bytes: u64,
}

impl Rate {
    fn new(config: RateConfig, now: Instant, mtu: u16) -> Self {
        Self {
            config,
            mtu: u64::from(mtu),
            min_rtt: None,
            scale_percent: 100,
            judged_since: now,
            acked_bytes: 0,
            lost_bytes: 0,
        }
    }

    fn rtt(&self) -> Duration {
        self.min_rtt.unwrap_or(self.config.initial_rtt)
    }

    fn full_window(&self) -> u64 {
        let bits = u128::from(self.config.rate_bps) * self.rtt().as_micros() / 1_000_000;
        let bytes = bits / 8 * WINDOW_TENTHS / 10;
        u64::try_from(bytes).unwrap_or(u64::MAX / 100).min(u64::MAX / 100)
    }

    fn acked(&mut self, now: Instant, bytes: u64, min_rtt: Duration) {
        self.min_rtt = Some(min_rtt);
        self.acked_bytes += bytes;
        self.judge(now);
    }

    fn lost(&mut self, now: Instant, bytes: u64) {
        self.lost_bytes += bytes;
        self.judge(now);
    }

    fn judge(&mut self, now: Instant) {
        let seen_bytes = self.acked_bytes + self.lost_bytes;
        let enough = seen_bytes >= JUDGED_PACKETS_MIN * self.mtu;
        if !enough || now.saturating_duration_since(self.judged_since) < self.rtt() {
            return;
        }
        self.scale_percent = if self.lost_bytes * 100 > seen_bytes * LOSS_LIMIT_PERCENT {
            (self.scale_percent * 7 / 10).max(SCALE_MIN_PERCENT)
        } else {
            (self.scale_percent + 15).min(100)
        };
        self.judged_since = now;
        (self.acked_bytes, self.lost_bytes) = (0, 0);
    }
}

impl Controller for Rate {
    fn on_ack(
        &mut self,
        now: Instant,
        _sent: Instant,
        bytes: u64,
        _app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.acked(now, bytes, rtt.min());
    }

    /// A blackout (`is_persistent`) is a cut, not a queue: the rate afterwards
    /// is what it was before.
    fn on_congestion_event(
        &mut self,
        now: Instant,
        _sent: Instant,
        _is_persistent: bool,
        lost_bytes: u64,
    ) {
        self.lost(now, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
    }

    fn window(&self) -> u64 {
        let scaled = self.full_window() * self.scale_percent / 100;
        scaled.max(WINDOW_MIN_PACKETS * self.mtu)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics.pacing_rate = Some(self.config.rate_bps);
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.full_window().max(WINDOW_MIN_PACKETS * self.mtu)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(600);
    const MTU: u16 = 1_200;

    fn rate(rate_bps: u64) -> (Rate, Instant) {
        let now = Instant::now();
        let config = RateConfig { rate_bps, initial_rtt: Duration::from_millis(700) };
        (Rate::new(config, now, MTU), now)
    }

    #[test]
    fn the_window_is_one_and_a_half_times_what_the_link_holds() {
        let (mut link, now) = rate(512_000);
        // 512 kbit/s × 0.7 s = 44,800 bytes, until the round trip is known.
        assert_eq!(link.window(), 67_200);
        link.acked(now, 1_200, RTT);
        assert_eq!(link.window(), 57_600);
    }

    #[test]
    fn random_loss_of_a_satellite_changes_nothing() {
        let (mut link, mut now) = rate(512_000);
        link.acked(now, 1_200, RTT);
        let before = link.window();
        for _ in 0..50 {
            now += RTT;
            link.acked(now, 48_000, RTT);
            link.lost(now, 1_200);
        }
        assert_eq!(link.window(), before);
    }

    #[test]
    fn heavy_loss_shrinks_the_window_and_a_clean_link_restores_it() {
        let (mut link, mut now) = rate(512_000);
        link.acked(now, 1_200, RTT);
        let full = link.window();
        for _ in 0..10 {
            now += RTT;
            link.lost(now, 12_000);
            link.acked(now, 24_000, RTT);
        }
        assert!(link.window() < full / 2, "{} of {full}", link.window());
        for _ in 0..40 {
            now += RTT;
            link.acked(now, 48_000, RTT);
        }
        assert_eq!(link.window(), full);
    }

    #[test]
    fn a_call_fits_even_the_thinnest_link() {
        let (link, _) = rate(9_600);
        assert_eq!(link.window(), 8 * u64::from(MTU));
    }
}
