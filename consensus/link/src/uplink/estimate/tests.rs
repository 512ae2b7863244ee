//! A simulated dish: a sender that obeys the estimate, a modem with a queue, a long
//! way with random loss, and acknowledgements coming back.

use super::*;

const RTT: Duration = Duration::from_millis(600);
const PACKET: u64 = 1_228;
const MS: Duration = Duration::from_millis(1);

struct Dish {
    now: Instant,
    estimate: Estimate,
    link_bps: u64,
    loss_ppm: u64,
    queue_bytes: u64,
    rtt: Duration,
    /// The sender has always more to send.
    greedy: bool,
    busy_until: Instant,
    send_at: Instant,
    /// When it is known to have come or not, when it was sent.
    flying: VecDeque<(Instant, Instant, bool)>,
    dice: u64,
    longest_queue: Duration,
    arrived: u64,
}

impl Dish {
    fn new(configured_bps: u64, link_bps: u64, loss_ppm: u64, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            estimate: Estimate::new(now, configured_bps, RTT),
            link_bps,
            loss_ppm,
            queue_bytes: 32_000,
            rtt: RTT,
            greedy: true,
            busy_until: now,
            send_at: now,
            flying: VecDeque::new(),
            dice: seed,
            longest_queue: Duration::ZERO,
            arrived: 0,
        }
    }

    fn roll(&mut self) -> u64 {
        self.dice =
            self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.dice >> 33) % 1_000_000
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        (self.longest_queue, self.arrived) = (Duration::ZERO, 0);
        while self.now < end {
            self.now += MS;
            if self.send_at <= self.now {
                self.send();
            }
            while self.flying.front().is_some_and(|(known, _, _)| *known <= self.now) {
                let Some((_, sent, came)) = self.flying.pop_front() else { break };
                if came {
                    self.arrived += PACKET;
                    let queue = (self.now - sent).saturating_sub(RTT);
                    let acked = Acked {
                        bytes: PACKET,
                        app_limited: !self.greedy,
                        queue: Some(queue),
                        rtt: RTT,
                    };
                    self.estimate.acked(self.now, acked);
                } else {
                    self.estimate.lost(self.now, PACKET);
                }
                assert!(self.estimate.rate_bps() <= self.estimate.configured_bps);
            }
        }
    }

    fn send(&mut self) {
        let rate_bps = if self.greedy { self.estimate.rate_bps() } else { 10_000 };
        self.send_at = self.now + Duration::from_micros(PACKET * 8_000_000 / rate_bps);
        let start = self.busy_until.max(self.now);
        let queue = start - self.now;
        let waiting = u64::try_from(queue.as_millis()).unwrap() * self.link_bps / 8_000;
        self.longest_queue = self.longest_queue.max(queue);
        let lost = self.roll() < self.loss_ppm;
        let fits = waiting + PACKET <= self.queue_bytes;
        let mut known = start + self.rtt;
        if fits {
            self.busy_until = start + Duration::from_micros(PACKET * 8_000_000 / self.link_bps);
            known = self.busy_until + self.rtt;
        }
        let known = self.flying.back().map_or(known, |(last, _, _)| known.max(*last));
        self.flying.push_back((known, self.now, fits && !lost));
    }

    fn kbps(&self) -> u64 {
        self.estimate.rate_bps() / 1_000
    }

    fn queue_now(&self) -> Duration {
        self.busy_until.saturating_duration_since(self.now)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn random_loss_up_to_a_tenth_changes_nothing() {
    for (loss_ppm, seed) in [(15_000, 1), (20_000, 2), (50_000, 3), (80_000, 4)] {
        let mut dish = Dish::new(500_000, 512_000, loss_ppm, seed);
        dish.run(seconds(60));
        assert_eq!(dish.kbps(), 500, "{loss_ppm} ppm");
    }
}

#[test]
fn a_link_that_became_slow_is_followed_within_seconds_and_followed_back_up() {
    for (seed, queue_bytes, seconds_to_drain) in
        [(1, 12_000, 4), (2, 32_000, 8), (3, 64_000, 14), (4, 12_000, 4), (5, 16_000, 5)]
    {
        let mut dish = Dish::new(500_000, 512_000, 15_000, seed);
        dish.queue_bytes = queue_bytes;
        dish.run(seconds(10));
        assert_eq!(dish.kbps(), 500);
        dish.link_bps = 128_000;
        dish.run(seconds(seconds_to_drain));
        assert!(dish.kbps() <= 140, "seed {seed}: {} kbit/s", dish.kbps());
        assert!(dish.queue_now() < 400 * MS, "seed {seed}: {:?}", dish.queue_now());
        dish.run(seconds(30));
        assert!(dish.longest_queue < 450 * MS, "seed {seed}: {:?}", dish.longest_queue);
        let kbps = dish.arrived * 8 / 30_000;
        assert!(kbps >= 96, "seed {seed}: {kbps} kbit/s of 128");
        dish.link_bps = 512_000;
        dish.run(seconds(20));
        assert!(dish.kbps() >= 450, "seed {seed}: {} kbit/s", dish.kbps());
    }
}

#[test]
fn a_link_of_64_kbit_that_loses_a_seventh_is_followed_and_used() {
    for seed in 1..6 {
        let mut dish = Dish::new(500_000, 512_000, 15_000, seed);
        dish.queue_bytes = 12_000;
        dish.run(seconds(5));
        (dish.link_bps, dish.loss_ppm) = (64_000, 150_000);
        dish.run(seconds(10));
        assert!(dish.kbps() <= 80, "seed {seed}: {} kbit/s", dish.kbps());
        dish.run(seconds(60));
        assert!(dish.longest_queue < 700 * MS, "seed {seed}: {:?}", dish.longest_queue);
        let kbps = dish.arrived * 8 / 60_000;
        assert!(kbps >= 36, "seed {seed}: {kbps} kbit/s of 64 × 0.85");
        (dish.link_bps, dish.loss_ppm) = (512_000, 15_000);
        dish.run(seconds(25));
        assert!(dish.kbps() >= 400, "seed {seed}: {} kbit/s", dish.kbps());
    }
}

#[test]
fn who_sends_little_lowers_nothing() {
    let mut dish = Dish::new(500_000, 512_000, 15_000, 1);
    dish.greedy = false;
    dish.run(seconds(60));
    assert_eq!(dish.kbps(), 500);
    // Somebody else fills the modem.
    dish.rtt = RTT + 300 * MS;
    dish.run(seconds(60));
    assert_eq!(dish.kbps(), 500);
}

#[test]
fn a_way_that_became_longer_is_not_taken_for_a_queue() {
    let mut dish = Dish::new(500_000, 512_000, 15_000, 1);
    dish.run(seconds(10));
    dish.rtt = RTT + 300 * MS;
    let era = dish.estimate.rtt_era();
    dish.run(seconds(5));
    assert!(dish.estimate.rtt_era() > era, "the shortest round trip is asked for anew");
}

#[test]
fn a_link_that_drops_without_a_queue_is_followed_too() {
    let mut dish = Dish::new(500_000, 512_000, 15_000, 1);
    dish.queue_bytes = 3_000;
    dish.run(seconds(5));
    dish.link_bps = 128_000;
    dish.run(seconds(15));
    assert!(dish.kbps() <= 260, "{} kbit/s", dish.kbps());
}

#[test]
fn an_unused_path_is_given_another_chance() {
    let mut dish = Dish::new(500_000, 64_000, 15_000, 1);
    dish.run(seconds(10));
    assert!(dish.kbps() < 90, "{}", dish.kbps());
    (dish.greedy, dish.link_bps) = (false, 512_000);
    dish.run(seconds(150));
    assert!(dish.kbps() > 300, "{}", dish.kbps());
}
