//! Congestion control for satellites: all connections of an uplink share what was
//! learned of its rate, random loss says nothing about the queue, and a window of
//! somewhat more than rate × round trip keeps the link full. What is sent when is
//! the meter's to say. It refuses to probe for more than it was told it may send.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

use crate::uplink::{Acked, ConnectionKey, Uplink};

/// What waits at the meter is on no link.
const METERED_WINDOW_TENTHS: u128 = 15;
/// Control does not wait at the meter, so that what is too much stands in the modem.
const CONTROL_WINDOW_TENTHS: u128 = 12;
/// Below it a single call would take several round trips.
const WINDOW_MIN_PACKETS: u64 = 8;
/// The shortest round trip is that of the last one to two of these.
const SHORTEST_OF: Duration = Duration::from_secs(300);
/// Packets under way whose time of sending is known to be theirs alone.
const STAMPS_MAX: usize = 512;
const IP_UDP_BYTES: u64 = 28;

/// Makes a controller for each connection of an uplink.
#[derive(Debug, Clone)]
pub(crate) struct RateConfig {
    pub(crate) uplink: Arc<Uplink>,
    /// Whether the meter makes it wait.
    pub(crate) is_metered: bool,
    /// Until a round trip is measured.
    pub(crate) initial_rtt: Duration,
}

impl ControllerFactory for RateConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Rate::new((*self).clone(), now, current_mtu))
    }
}

/// The least of the present window and of the one before.
#[derive(Debug, Clone, Copy)]
struct Shortest {
    since: Instant,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Shortest {
    fn note(&mut self, at: Instant, rtt: Duration) {
        if at.saturating_duration_since(self.since) > SHORTEST_OF {
            *self = Self { since: at, now: None, before: self.now };
        }
        self.now = Some(self.now.map_or(rtt, |least| least.min(rtt)));
    }

    fn get(&self) -> Option<Duration> {
        [self.now, self.before].into_iter().flatten().min()
    }
}

#[derive(Debug, Clone)]
struct Rate {
    config: RateConfig,
    mtu: u64,
    shortest: Shortest,
    rtt_era: u64,
    connection: ConnectionKey,
    /// When QUIC handed packets over, and how many at that instant.
    stamps: VecDeque<(Instant, u32)>,
}

impl Rate {
    fn new(config: RateConfig, now: Instant, mtu: u16) -> Self {
        let shortest = Shortest { since: now, now: None, before: None };
        let (rtt_era, stamps) = (config.uplink.rtt_era(), VecDeque::new());
        Self { config, mtu: u64::from(mtu), shortest, rtt_era, connection: None, stamps }
    }

    fn rtt(&self) -> Duration {
        self.shortest.get().unwrap_or(self.config.initial_rtt)
    }

    fn full_window(&self) -> u64 {
        let tenths =
            if self.config.is_metered { METERED_WINDOW_TENTHS } else { CONTROL_WINDOW_TENTHS };
        let bits = u128::from(self.config.uplink.rate_bps()) * self.rtt().as_micros() / 1_000_000;
        let bytes = bits / 8 * tenths / 10;
        u64::try_from(bytes).unwrap_or(u64::MAX / 100).min(u64::MAX / 100)
    }

    fn handed_over(&mut self, now: Instant) {
        match self.stamps.back_mut().filter(|(at, _)| *at == now) {
            Some((_, count)) => *count += 1,
            None => self.stamps.push_back((now, 1)),
        }
        if self.stamps.len() > STAMPS_MAX {
            self.stamps.pop_front();
        }
    }

    /// Where several were handed over at once, nobody knows which of them waited.
    fn was_alone(&self, sent: Instant) -> bool {
        self.stamps
            .binary_search_by_key(&sent, |(at, _)| *at)
            .ok()
            .and_then(|place| self.stamps.get(place))
            .is_some_and(|(_, count)| *count == 1)
    }

    fn acked(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool) {
        let uplink = self.config.uplink.clone();
        let era = uplink.rtt_era();
        if era != self.rtt_era {
            self.rtt_era = era;
            self.shortest = Shortest { since: now, now: None, before: None };
        }
        let waited = uplink.waited(self.connection, sent);
        let took = now.saturating_duration_since(sent).saturating_sub(waited);
        let alone = self.was_alone(sent);
        if alone {
            self.shortest.note(now, took);
        }
        let rtt = self.rtt();
        let queue = alone.then(|| took.saturating_sub(rtt));
        let bytes = bytes + IP_UDP_BYTES;
        uplink.acked(now, Acked { bytes, app_limited, queue, rtt });
    }
}

impl Controller for Rate {
    fn on_sent(&mut self, now: Instant, _bytes: u64, _last_packet_number: u64) {
        self.connection = tokio::task::try_id();
        self.config.uplink.stamped(self.connection, now);
        self.handed_over(now);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        self.acked(now, sent, bytes, app_limited);
    }

    /// A blackout (`is_persistent`) is a cut, not a queue: the rate afterwards
    /// is what it was before.
    fn on_congestion_event(
        &mut self,
        now: Instant,
        _sent: Instant,
        is_persistent: bool,
        lost_bytes: u64,
    ) {
        if !is_persistent {
            self.config.uplink.lost(now, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
    }

    fn window(&self) -> u64 {
        self.full_window().max(WINDOW_MIN_PACKETS * self.mtu)
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics.pacing_rate = Some(self.config.uplink.rate_bps());
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Drop for Rate {
    fn drop(&mut self) {
        self.config.uplink.forget(self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Satellite;

    const RTT: Duration = Duration::from_millis(600);
    const MTU: u16 = 1_200;

    fn rate(rate_bps: u64, is_metered: bool) -> (Rate, Instant) {
        let now = Instant::now();
        let uplink = Uplink::new(now, &Satellite::new(rate_bps));
        let initial_rtt = Duration::from_millis(700);
        (Rate::new(RateConfig { uplink, is_metered, initial_rtt }, now, MTU), now)
    }

    impl Rate {
        fn round(&mut self, sent: Instant, rtt: Duration) {
            self.on_sent(sent, 1_200, 0);
            self.acked(sent + rtt, sent, 1_200, true);
        }
    }

    #[test]
    fn the_window_is_somewhat_more_than_what_the_link_holds() {
        let (mut bulk, now) = rate(512_000, true);
        // 512 kbit/s × 0.7 s = 44,800 bytes, until the round trip is known.
        assert_eq!(bulk.window(), 67_200);
        bulk.round(now, RTT);
        assert_eq!(bulk.window(), 57_600);
        let (mut control, now) = rate(512_000, false);
        control.round(now, RTT);
        assert_eq!(control.window(), 46_080);
    }

    #[test]
    fn a_call_fits_even_the_thinnest_link() {
        let (link, _) = rate(9_600, false);
        assert_eq!(link.window(), 8 * u64::from(MTU));
    }

    #[test]
    fn the_shortest_round_trip_is_forgotten_in_ten_minutes() {
        let (mut link, mut now) = rate(512_000, true);
        link.round(now, RTT);
        for _ in 0..60 {
            now += Duration::from_secs(11);
            link.round(now, RTT * 2);
        }
        assert_eq!(link.rtt(), RTT * 2);
    }

    #[test]
    fn what_our_own_meter_holds_back_is_no_queue_of_the_link() {
        let (mut link, now) = rate(512_000, true);
        link.round(now, RTT);
        let sent = now + Duration::from_secs(2);
        link.on_sent(sent, 1_200, 1);
        let held = Duration::from_millis(400);
        let to = "192.0.2.1:7".parse().unwrap();
        link.config.uplink.let_through(link.connection, to, sent + held);
        link.acked(sent + RTT + held, sent, 1_200, false);
        assert_eq!(link.config.uplink.worth(sent + RTT + held).2, Duration::ZERO);
        // The same without the meter is a queue.
        let sent = sent + Duration::from_secs(2);
        link.on_sent(sent, 1_200, 2);
        link.acked(sent + RTT + held, sent, 1_200, false);
        assert_eq!(link.config.uplink.worth(sent + RTT + held).2, held);
    }
}
