//! What calls cost, in bytes on the wire and in work.

use super::*;
use crate::voice::g711::a_encode;

/// Something like speech: a buzz whose pitch and loudness move, with no silence.
fn speech(n: u64, who: u64) -> i16 {
    let t = n as f64 / 8_000.0 + who as f64 * 0.37;
    let pitch = 120.0 + 30.0 * (t * 1.7).sin() + who as f64 * 9.0;
    let loud = 0.15 + 0.85 * (t * 9.0).sin().abs();
    let voice = (1..12_u32).map(|k| {
        let k = f64::from(k);
        let formant = 1.0 / (1.0 + ((pitch * k - 600.0) / 400.0).powi(2));
        formant * (core::f64::consts::TAU * pitch * k * t).sin()
    });
    (voice.sum::<f64>() * loud * 3_000.0) as i16
}

/// A second of it, as packets.
fn spoken(who: u64) -> Vec<Vec<u8>> {
    let packet = |n: u64| (n * 160..(n + 1) * 160).map(|at| a_encode(speech(at, who))).collect();
    (0..50).map(packet).collect()
}

/// Ten people speak for four seconds without a pause.
#[tokio::test]
async fn ten_calls_over_a_satellite_share_datagrams() {
    let sites = Sites::new(Road { delay_ms: 300, loss_ppm: 0 }, SATELLITE);
    let mut calls: Vec<Call> = (0..10).map(|_| sites.call([PCMA, PCMA])).collect();
    let sounds: Vec<_> = (0..10).map(spoken).collect();
    let (mut before, mut after) = ((0, 0), (0, 0));
    let [traffic, _] = &sites.traffic;
    let now = || {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&traffic.datagrams), of(&traffic.bytes))
    };
    every_tick(230, |n| {
        for (call, sound) in calls.iter_mut().zip(&sounds) {
            call.phones[0].send(8, n * 160, &sound[n as usize % 50]);
            call.phones[1].listen();
        }
        match n {
            25 => before = now(),
            225 => after = now(),
            _ => {}
        }
    })
    .await;
    let (datagrams, bytes) = (after.0 - before.0, after.1 - before.1);
    let kbit = bytes as f64 * 8.0 / 1_000.0 / 4.0 / 10.0;
    println!("{datagrams} datagrams in 4 s; {kbit:.2} kbit/s a call");
    assert!(datagrams <= 145, "two each 60 ms, and a few reports: {datagrams}");
    // Each frame twice, as long as nobody has shown that none is lost.
    assert!(kbit <= 20.0, "{kbit} kbit/s a call");
    assert!(kbit >= 6.0, "they did speak");
    drop(calls);
    sites.end().await;
}

/// Nanoseconds that threads of this name have run.
fn worked() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let ran = tasks.filter_map(|task| {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
        name.starts_with("weir-trunk")
            .then(|| stat.split(' ').next().unwrap().parse::<u64>().unwrap())
    });
    ran.sum()
}

/// Printed; only what is far off fails, for machines differ.
async fn work_of(link: Link, calls: u64) -> f64 {
    let sites = Sites::new(Road::default(), link);
    let mut calls: Vec<Call> = (0..calls).map(|_| sites.call([PCMA, PCMA])).collect();
    let sound = spoken(1);
    let mut before = 0;
    every_tick(125, |n| {
        if n == 25 {
            before = worked();
        }
        for call in &mut calls {
            for phone in &mut call.phones {
                phone.send(8, n * 160, &sound[n as usize % 50]);
                phone.listen();
            }
        }
    })
    .await;
    // Both ends of each call.
    let each = (worked() - before) as f64 / 1_000.0 / 100.0 / (calls.len() * 2) as f64;
    let stats = sites.trunks[0].stats();
    println!("{link:?}: {each:.1} us a trunk and 20 ms; {stats:?}");
    drop(calls);
    sites.end().await;
    each
}

#[tokio::test]
async fn the_work_of_a_trunk_is_small() {
    assert!(work_of(Link::Terrestrial, 20).await < 2_000.0);
    assert!(work_of(SATELLITE, 20).await < 4_000.0);
}
