//! 600 ms there and back, 1.5 % lost, alone and in threes.

use super::*;

const GEO: Road = Road { delay_ms: 300, loss_ppm: 7_500, bursts_ppm: 2_500, copies: Copies::Never };

fn tone_over(road: Road, seconds: u64) -> Trunk {
    let mut trunk = Trunk::new(SATELLITE, road, &[(PCMA, PCMA)]);
    for n in 0..seconds * 50 {
        trunk.speak(0, &packet(n, |at| tone(440.0, at)));
        trunk.pass();
    }
    trunk
}

/// The longest time in which the tone cannot be heard, in windows of 20 ms, and
/// how many windows there are, and how many have the tone.
fn gaps(sound: &[i16]) -> (usize, usize, usize) {
    let (mut longest, mut gap, mut all, mut good) = (0, 0, 0, 0);
    for window in sound.chunks_exact(160) {
        let loud = window.iter().map(|sample| i64::from(*sample).pow(2)).sum::<i64>() / 160;
        let heard = loud > 1_000_000 && share_of(440.0, window) > 700;
        all += 1;
        good += usize::from(heard);
        gap = if heard { 0 } else { gap + 1 };
        longest = longest.max(gap);
    }
    (longest, all, good)
}

fn judge(name: &str, trunk: &Trunk) -> (usize, usize, usize) {
    let sound = trunk.sound(0);
    // After the delay has settled.
    let judged = gaps(&sound[15 * 8_000..]);
    println!("{name}: longest gap {} × 20 ms, tone in {} of {}", judged.0, judged.2, judged.1);
    println!("{:?} {:?}", trunk.decoders[0].jitter(), trunk.unpacked());
    judged
}

#[test]
fn a_tone_crosses_a_satellite_that_loses() {
    let trunk = tone_over(GEO, 120);
    let (longest, all, good) = judge("once", &trunk);
    assert!(good * 1_000 >= all * 960, "{good} of {all}");
    assert!(longest <= 15, "{longest}");
    let jitter = trunk.decoders[0].jitter();
    assert!(jitter.concealed * 1_000 <= jitter.sounded * 35, "{jitter:?}");
}

#[test]
fn sent_twice_the_same_losses_are_hardly_heard() {
    let trunk = tone_over(Road { copies: Copies::Always, ..GEO }, 120);
    let (longest, all, good) = judge("twice", &trunk);
    assert!(good * 1_000 >= all * 993, "{good} of {all}");
    assert!(longest <= 6, "{longest}");
    assert!(trunk.unpacked().saved > 10);
}

/// Nobody switched it on: the peer's reports did.
#[test]
fn losses_switch_the_second_sending_on() {
    let trunk = tone_over(Road { copies: Copies::ByLoss, ..GEO }, 60);
    assert!(trunk.packer.doubles());
    assert!(trunk.unpacked().saved > 0);
    let calm = Road { loss_ppm: 0, bursts_ppm: 0, copies: Copies::ByLoss, ..GEO };
    assert!(!tone_over(calm, 20).packer.doubles());
}

/// From a telephone's packet to another's: 60 ms frame, the way, the delay.
#[test]
fn mouth_to_ear_stays_within_its_budget() {
    for (copies, budget_ms) in [(Copies::Never, 460), (Copies::Always, 620)] {
        let road = Road { loss_ppm: 0, bursts_ppm: 0, copies, ..GEO };
        let mut trunk = Trunk::new(SATELLITE, road, &[(PCMA, PCMA)]);
        // A steady tone, and a click of another after 30 s.
        for n in 0..1_600 {
            let hz = if n < 1_500 { 440.0 } else { 1_200.0 };
            trunk.speak(0, &packet(n, |at| tone(hz, at)));
            trunk.pass();
        }
        let sound = trunk.sound(0);
        let mut windows = sound.chunks_exact(160).enumerate().skip(1_490);
        let at = windows.find(|(_, window)| share_of(1_200.0, window) > 500).expect("heard").0;
        let took_ms = (at as u64 - 1_500) * 20;
        println!("{copies:?}: mouth to ear {took_ms} ms");
        assert!(took_ms <= budget_ms, "{took_ms} ms");
    }
}

#[test]
fn a_pause_costs_next_to_nothing() {
    let quiet = Road { loss_ppm: 0, bursts_ppm: 0, ..GEO };
    let mut trunk = Trunk::new(SATELLITE, quiet, &[(PCMA, PCMA)]);
    for n in 0..100 {
        trunk.speak(0, &packet(n, |at| speech(at, 0)));
        trunk.pass();
    }
    let before = trunk.wire_bytes;
    for n in 100..600 {
        trunk.speak(0, &packet(n, |_| 0));
        trunk.pass();
    }
    let spoken_bps = before * 8 / 2;
    let silent_bps = (trunk.wire_bytes - before) * 8 / 10;
    println!("speaking {spoken_bps} bit/s, silent {silent_bps} bit/s, one call alone");
    assert!(silent_bps * 3 < spoken_bps);
    assert_eq!(trunk.decoders[0].jitter().late, 0);
    trunk.sound(0);
}

fn event(n: u64, begun: u64, end: bool) -> Vec<u8> {
    let held = u16::try_from((n - begun + 1) * 160).unwrap().to_be_bytes();
    let payload = [5, if end { 0x8a } else { 0x0a }, held[0], held[1]];
    let mut datagram = rtp_of(101, begun, &payload);
    datagram[2..4].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
    datagram
}

/// A person enters 5, 5 over a satellite that loses one datagram of ten.
#[test]
fn keys_arrive_each_once() {
    let bad = Road { loss_ppm: 100_000, bursts_ppm: 0, ..GEO };
    let mut trunk = Trunk::new(SATELLITE, bad, &[(PCMA, PCMA)]);
    for n in 0..300 {
        let begun = [100, 150].into_iter().find(|begun| (*begun..begun + 8).contains(&n));
        let datagram = match begun {
            Some(begun) => event(n, begun, n >= begun + 5),
            None => packet(n, |at| tone(440.0, at)),
        };
        trunk.speak(0, &datagram);
        trunk.pass();
    }
    let mut keys = BTreeMap::<u32, Vec<[u8; 4]>>::new();
    for datagram in &trunk.heard[0] {
        let packet = rtp::parse(datagram).unwrap();
        if packet.payload_type == 101 {
            let event = packet.payload.try_into().unwrap();
            keys.entry(packet.timestamp).or_default().push(event);
        }
    }
    assert_eq!(keys.len(), 2, "{keys:?}");
    for events in keys.values() {
        let ends: Vec<_> = events.iter().filter(|event| event[1] & 0x80 != 0).collect();
        assert_eq!(ends.len(), 3, "{events:?}");
        assert!(events.iter().all(|event| event[0] == 5));
        let held = u16::from_be_bytes([ends[0][2], ends[0][3]]);
        // Longer than it was held, where the end had to be said again.
        assert!((480..=2_400).contains(&held), "{held}");
    }
}
