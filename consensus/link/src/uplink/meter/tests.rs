//! Stories of one path, in simulated time.

use super::*;

const MS: Duration = Duration::from_millis(1);
const PACKET: u64 = 1_228;

/// Senders that always have a packet of their lane to send, and come again when
/// they are told to.
struct Path {
    meter: Meter<u32>,
    start: Instant,
    now: Instant,
    senders: Vec<Sender>,
}

struct Sender {
    lane: Lane,
    bytes: u64,
    ask_at: Instant,
    /// Sends no faster than this, if given.
    every: Option<Duration>,
    passed: u64,
    since: Instant,
    longest_wait: Duration,
}

impl Path {
    fn new(rate_bps: u64) -> Self {
        let now = Instant::now();
        Self { meter: Meter::new(now, rate_bps), start: now, now, senders: Vec::new() }
    }

    fn greedy(&mut self, lane: Lane) -> usize {
        self.sender(lane, PACKET, None)
    }

    fn sender(&mut self, lane: Lane, bytes: u64, every: Option<Duration>) -> usize {
        self.senders.push(Sender {
            lane,
            bytes,
            ask_at: self.now,
            every,
            passed: 0,
            since: self.now,
            longest_wait: Duration::ZERO,
        });
        self.senders.len() - 1
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.senders.iter().map(|one| one.ask_at).min()
            && at <= end
        {
            self.now = self.now.max(at);
            for (key, sender) in self.senders.iter_mut().enumerate() {
                if sender.ask_at > self.now {
                    continue;
                }
                let key = u32::try_from(key).unwrap();
                match self.meter.ask(self.now, sender.lane, key, sender.bytes) {
                    Verdict::Pass => {
                        sender.passed += sender.bytes;
                        let waited = self.now - sender.since;
                        sender.longest_wait = sender.longest_wait.max(waited);
                        sender.ask_at = self.now + sender.every.unwrap_or_default();
                        sender.since = sender.ask_at;
                    }
                    // Timers are late by up to a millisecond.
                    Verdict::Wait { until } => sender.ask_at = until + MS / 2,
                }
            }
        }
        self.now = end;
    }

    fn bps(&self, sender: usize) -> u64 {
        self.senders[sender].passed * 8_000
            / u64::try_from((self.now - self.start).as_millis()).unwrap()
    }
}

const RATE: u64 = 256_000;

#[test]
fn bulk_alone_gets_the_whole_link_and_no_more() {
    let mut path = Path::new(RATE);
    let bulk = path.greedy(Lane::Bulk);
    path.run(Duration::from_secs(20));
    assert!((RATE * 98 / 100..=RATE * 102 / 100).contains(&path.bps(bulk)), "{}", path.bps(bulk));
}

#[test]
fn control_never_waits_and_the_others_pay_for_it() {
    let mut path = Path::new(RATE);
    let bulk = path.greedy(Lane::Bulk);
    // 100 kbit/s of control.
    let control = path.sender(Lane::Control, 1_250, Some(100 * MS));
    path.run(Duration::from_secs(20));
    assert_eq!(path.senders[control].longest_wait, Duration::ZERO);
    let both = path.bps(bulk) + path.bps(control);
    assert!((RATE * 97 / 100..=RATE * 102 / 100).contains(&both), "{both}");
}

#[test]
fn bulk_never_starves_whatever_the_others_send() {
    let mut path = Path::new(RATE);
    let bulk = path.greedy(Lane::Bulk);
    path.greedy(Lane::Video);
    // Twice what the link holds.
    path.sender(Lane::Control, 1_250, Some(20 * MS));
    path.run(Duration::from_secs(30));
    let least = RATE * BULK_FLOOR_PERCENT / 100;
    assert!(path.bps(bulk) >= least * 9 / 10, "{}", path.bps(bulk));
    assert!(path.bps(bulk) <= least * 13 / 10, "{}", path.bps(bulk));
}

#[test]
fn pictures_go_before_bulk_and_speech_before_pictures() {
    let mut path = Path::new(RATE);
    path.meter.set_voice(path.now, 80_000);
    let bulk = path.greedy(Lane::Bulk);
    let video = path.greedy(Lane::Video);
    let voice = path.sender(Lane::Voice, 200, Some(25 * MS));
    path.run(Duration::from_secs(20));
    assert!(path.senders[voice].longest_wait <= 2 * MS, "{:?}", path.senders[voice].longest_wait);
    assert!(path.bps(bulk) <= RATE * 6 / 100, "{}", path.bps(bulk));
    assert!(path.bps(video) >= RATE * 60 / 100, "{}", path.bps(video));
}

#[test]
fn admitted_speech_passes_while_control_owes_the_link_and_more_speech_waits() {
    let mut path = Path::new(RATE);
    path.meter.set_voice(path.now, 40_000);
    path.sender(Lane::Control, 1_250, Some(20 * MS));
    // Three times what was admitted.
    let voice = path.sender(Lane::Voice, 300, Some(20 * MS));
    path.run(Duration::from_secs(20));
    assert!((38_000..=44_000).contains(&path.bps(voice)), "{}", path.bps(voice));
}

#[test]
fn equals_take_turns() {
    let mut path = Path::new(RATE);
    let all: Vec<_> = (0..5).map(|_| path.greedy(Lane::Bulk)).collect();
    path.run(Duration::from_secs(30));
    for one in all {
        assert!((RATE / 6..RATE / 4).contains(&path.bps(one)), "{}", path.bps(one));
    }
}

#[test]
fn whoever_stays_away_loses_the_place_and_delays_nobody_for_long() {
    let mut path = Path::new(64_000);
    let gone = path.greedy(Lane::Video);
    let bulk = path.greedy(Lane::Bulk);
    path.run(Duration::from_secs(1));
    path.senders[gone].ask_at += Duration::from_secs(3_600);
    let before = path.senders[bulk].passed;
    path.run(Duration::from_secs(10));
    let bps = (path.senders[bulk].passed - before) * 8 / 10;
    assert!(bps > 64_000 * 90 / 100, "{bps}");
}

#[test]
fn a_batch_larger_than_the_bucket_passes_and_is_paid_for() {
    let mut path = Path::new(RATE);
    let batch = path.sender(Lane::Bulk, 12_280, None);
    path.run(Duration::from_secs(20));
    assert!((RATE * 95 / 100..=RATE * 108 / 100).contains(&path.bps(batch)), "{}", path.bps(batch));
}

#[test]
fn a_new_rate_holds_at_once() {
    let mut path = Path::new(512_000);
    let bulk = path.greedy(Lane::Bulk);
    path.run(Duration::from_secs(2));
    path.meter.set_rate(path.now, 64_000);
    let before = path.senders[bulk].passed;
    path.run(Duration::from_secs(10));
    let bps = (path.senders[bulk].passed - before) * 8 / 10;
    assert!((60_000..=68_000).contains(&bps), "{bps}");
}

/// Any mixture: no more leaves than rate × time and the bursts allow, nobody waits
/// for ever, and control not at all.
#[test]
fn whatever_is_sent_the_rules_hold() {
    for seed in 0..60_u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let rate = 64_000 + roll(2_000_000);
        let mut path = Path::new(rate);
        let voice_bps = roll(rate / 4);
        path.meter.set_voice(path.now, voice_bps);
        for _ in 0..1 + roll(8) {
            let lane = [Lane::Voice, Lane::Video, Lane::Bulk][roll(3) as usize];
            let every = (roll(2) == 0).then(|| Duration::from_micros(500 + roll(50_000)));
            path.sender(lane, 60 + roll(1_400), every);
        }
        let control = path.sender(
            Lane::Control,
            60 + roll(1_400),
            Some(Duration::from_millis(5 + roll(100))),
        );
        path.run(Duration::from_secs(10));
        let passed = |lane: Lane| -> u64 {
            path.senders.iter().filter(|one| one.lane == lane).map(|one| one.passed).sum()
        };
        assert_eq!(path.senders[control].longest_wait, Duration::ZERO, "seed {seed}");
        let whole = rate * 10 / 8 + (rate / 400).max(3_000);
        let own = (voice_bps + rate / 20) * 10 / 8 + 5_000;
        let others = passed(Lane::Voice) + passed(Lane::Video) + passed(Lane::Bulk);
        assert!(others <= whole + own, "seed {seed}: {others} of {whole}");
        // Where control leaves room, all of it together stays within the rate.
        if passed(Lane::Control) < whole / 2 && voice_bps < rate / 8 {
            let all = others + passed(Lane::Control);
            assert!(all <= whole + 4_500, "seed {seed}: {all} of {whole}");
        }
        let bulk = path.senders.iter().filter(|one| one.lane == Lane::Bulk);
        let bulks = bulk.clone().count() as u32;
        for one in bulk {
            let floor =
                Duration::from_secs_f64(one.bytes.max(1_460) as f64 * 8.0 * 20.0 / rate as f64);
            let patience = floor * bulks * 2 + WAIT_MAX * 2;
            assert!(one.longest_wait <= patience, "seed {seed}: {:?}", one.longest_wait);
            let waiting = path.now.saturating_duration_since(one.since);
            assert!(waiting <= patience, "seed {seed}: {waiting:?} and still waiting");
        }
    }
}
