//! What ten calls over a satellite cost, in bytes on the wire and in work.

use std::time::{Duration, Instant};

use super::*;

/// Ten people speak without a pause for twenty seconds; IP, UDP and QUIC are in it.
fn kbit_per_call(copies: Copies) -> f64 {
    let clear = Road { delay_ms: 300, loss_ppm: 0, bursts_ppm: 0, copies };
    let mut trunk = Trunk::new(SATELLITE, clear, &[(PCMA, PCMA); 10]);
    let seconds = 20;
    for n in 0..seconds * 50 {
        for call in 0..10 {
            trunk.speak(call, &packet(n, |at| speech(at, call as u64)));
        }
        trunk.pass();
    }
    let kbit = trunk.wire_bytes as f64 * 8.0 / 1_000.0 / seconds as f64 / 10.0;
    let packed = trunk.packed();
    let silent: u64 = trunk.encoders.iter().map(|one| one.counters().silences).sum();
    println!("{copies:?}: {kbit:.2} kbit/s a call; {silent} silences; {packed:?}");
    assert!(packed.frames >= seconds * 10 * 15, "they spoke all the time");
    kbit
}

#[test]
fn ten_calls_over_a_satellite_keep_to_their_bytes() {
    assert!(kbit_per_call(Copies::Never) <= 12.0);
    assert!(kbit_per_call(Copies::Always) <= 20.0);
}

/// Printed; only what is far off fails, for machines differ.
#[test]
fn the_work_of_a_call_is_small() {
    let mut spent = [Duration::ZERO; 2];
    let mut encoder = Encoder::new(0, PCMA, SATELLITE, 0).unwrap();
    let mut decoder = Decoder::new(PCMA, SATELLITE, FIRST).unwrap();
    let packets: Vec<Vec<u8>> = (0..1_000).map(|n| packet(n, |at| speech(at, 1))).collect();
    let mut into = Vec::new();
    for (now_ms, datagram) in (0..).step_by(20).zip(&packets) {
        let packet = rtp::parse(datagram).unwrap();
        let begun = Instant::now();
        let out = encoder.rtp(now_ms, &packet);
        spent[0] += begun.elapsed();
        for out in out {
            if let Outgoing::Frame(frame) = out {
                decoder.frame(now_ms, frame);
            }
        }
        let begun = Instant::now();
        decoder.tick(now_ms, &mut into);
        spent[1] += begun.elapsed();
    }
    let [out, back] = spent.map(|spent| spent.as_nanos() / 1_000);
    println!("20 ms of a call: {out} ns to encode, {back} ns to decode");
    assert!(out + back < 4_000_000, "a fifth of a core a call");
}
