//! Where telephones are, and how their numbers go on whoever speaks.

use super::*;

#[test]
fn sound_passes_both_ways_under_numbers_of_our_own() {
    let mut bench = Bench::new();
    let first = bench.pass(0, Side::A, A, SOUND);
    assert_eq!(first, (B.into(), (true, 0xfffe, 0xffff_ff00, 0xaaaa_0001)));
    let second = bench.out(20, Side::A, A, SOUND.later(1));
    assert_eq!(second, (false, 0xffff, 0xffff_ffa0, 0xaaaa_0001));
    let back = bench.pass(20, Side::B, B, SOUND);
    assert_eq!(back, (A.into(), (true, 100, 5_000, 0xbbbb_0002)));
}

#[test]
fn a_telephone_behind_a_nat_is_found_by_its_first_packet() {
    let mut bench = Bench::unaimed();
    let public = "192.0.2.7".parse().unwrap();
    bench.join.aim(Side::A, Some(aim(A)));
    bench.join.aim(Side::B, Some(Aim { also_from: Some(public), ..aim("192.168.1.5:5000") }));
    assert_eq!(bench.pass(0, Side::A, A, SOUND).0, "192.168.1.5:5000");
    bench.out(20, Side::B, "192.0.2.7:61000", SOUND);
    assert_eq!(bench.pass(20, Side::A, A, SOUND.later(1)).0, "192.0.2.7:61000");
    // A refresh that names the same address does not forget it; another does.
    let same = Aim { also_from: Some(public), hears: true, ..aim("192.168.1.5:5000") };
    bench.join.aim(Side::B, Some(same));
    assert_eq!(bench.pass(40, Side::A, A, SOUND.later(2)).0, "192.0.2.7:61000");
    bench.join.aim(Side::B, Some(aim("192.168.1.5:5002")));
    assert_eq!(bench.pass(60, Side::A, A, SOUND.later(3)).0, "192.168.1.5:5002");
}

#[test]
fn a_stranger_neither_is_heard_nor_takes_the_call_over() {
    let mut bench = Bench::new();
    let strange = &mut SOUND.bytes();
    assert_eq!(bench.take(0, Side::B, "10.0.0.3:5000", strange), Fate::Stranger);
    bench.out(0, Side::B, B, SOUND);
    // The believed host, but another port of it, while the first one speaks.
    assert_eq!(bench.take(1_999, Side::B, "10.0.0.2:5999", strange), Fate::Stranger);
    assert_eq!(bench.pass(1_999, Side::A, A, SOUND).0, B);
    // Our own port, which a telephone gave as its address.
    bench.join.aim(Side::A, Some(aim("10.0.0.9:1")));
    assert_eq!(bench.take(5_000, Side::A, "10.0.0.9:1", strange), Fate::Stranger);
    assert_eq!(bench.counters[1].read(0).strangers, 2);
    assert_eq!(bench.counters[0].read(0).strangers, 1);
}

#[test]
fn another_port_of_the_telephone_is_taken_when_the_first_was_silent_for_two_seconds() {
    let mut bench = Bench::new();
    bench.out(0, Side::B, B, SOUND);
    let moved = bench.out(2_000, Side::B, "10.0.0.2:5999", SOUND.later(1));
    assert_eq!(moved, (true, 101, 5_000 + 16_000, 0xbbbb_0002));
    assert_eq!(bench.pass(2_000, Side::A, A, SOUND).0, "10.0.0.2:5999");
}

/// A music server, a voicemail, a transfer: another stream under the same call.
#[test]
fn another_speaker_goes_on_where_the_last_one_ended() {
    let mut bench = Bench::new();
    bench.out(0, Side::A, A, SOUND);
    bench.out(20, Side::A, A, SOUND.later(1));
    let other = Sound { ssrc: 8, seq: 30_000, timestamp: 7, ..SOUND };
    let out = bench.out(120, Side::A, A, other);
    assert_eq!(out, (true, 0, 0xffff_ffa0_u32.wrapping_add(800), 0xaaaa_0001));
    assert_eq!(bench.out(140, Side::A, A, other.later(1)).1, 1);
    // It restarts: the same SSRC, but its numbers jump.
    let jumped = bench.out(160, Side::A, A, other.later(4_000));
    assert_eq!((jumped.0, jumped.1), (true, 2));
}

#[test]
fn loss_reordering_and_repetition_pass_as_they_are() {
    let mut bench = Bench::new();
    let mut seqs = Vec::new();
    for later in [0, 1, 5, 3, 3, 6, 2_000, 7] {
        seqs.push(bench.out(20, Side::B, B, SOUND.later(later)).1);
    }
    assert_eq!(seqs, [100, 101, 105, 103, 103, 106, 2_100, 107]);
    let stats = bench.counters[1].read(0);
    // 2, 3, 4 and 7 to 1,999; 3 came twice and 7 once.
    assert_eq!((stats.packets, stats.lost), (8, 3 + 1_993 - 3));
}

#[test]
fn after_a_hold_the_numbers_go_on_as_if_nothing_had_been_sent_meanwhile() {
    let mut bench = Bench::new();
    bench.out(0, Side::A, A, SOUND);
    bench.join.aim(Side::B, Some(Aim { hears: false, ..aim(B) }));
    for later in 1..50 {
        let fate = bench.take(u64::from(later) * 20, Side::A, A, &mut SOUND.later(later).bytes());
        assert_eq!(fate, Fate::Held);
    }
    // The other way is not on hold.
    bench.out(500, Side::B, B, SOUND);
    bench.join.aim(Side::B, Some(aim(B)));
    let out = bench.out(1_000, Side::A, A, SOUND.later(50));
    assert_eq!(out, (true, 0xffff, 0xffff_ff00_u32.wrapping_add(8_000), 0xaaaa_0001));
}

/// Two telephones ring with early media; the other one answers.
#[test]
fn when_another_fork_answers_the_caller_hears_one_unbroken_stream() {
    let mut bench = Bench::new();
    bench.out(0, Side::B, B, SOUND);
    bench.out(0, Side::A, A, SOUND);
    bench.join.aim(Side::B, Some(aim("10.0.0.4:7000")));
    assert_eq!(bench.take(20, Side::B, B, &mut SOUND.later(1).bytes()), Fate::Stranger);
    let answered = Sound { ssrc: 99, seq: 1, timestamp: 1, ..SOUND };
    let out = bench.out(60, Side::B, "10.0.0.4:7000", answered);
    assert_eq!(out, (true, 101, 5_480, 0xbbbb_0002));
    assert_eq!(bench.pass(60, Side::A, A, SOUND.later(3)).0, "10.0.0.4:7000");
    // Nobody is there any more.
    bench.join.aim(Side::B, None);
    assert_eq!(bench.take(80, Side::A, A, &mut SOUND.later(4).bytes()), Fate::Held);
    let gone = bench.take(80, Side::B, "10.0.0.4:7000", &mut answered.later(1).bytes());
    assert_eq!(gone, Fate::Stranger);
}

#[test]
fn what_was_not_agreed_on_or_is_no_rtp_does_not_pass() {
    let mut bench = Bench::new();
    let mut take = |bytes: &[u8]| bench.take(0, Side::A, A, &mut bytes.to_vec());
    assert_eq!(take(&Sound { payload_type: 18, ..SOUND }.bytes()), Fate::Unknown);
    // Comfort noise is let through.
    assert!(matches!(take(&Sound { payload_type: 13, ..SOUND }.bytes()), Fate::Sound(_)));
    assert_eq!(take(&SOUND.bytes()[..11]), Fate::Broken);
    assert_eq!(take(b"\x00\x01\x00\x00 a binding request"), Fate::Broken);
    let mut lying = SOUND.bytes();
    lying[0] |= 0x20;
    *lying.last_mut().unwrap() = 200;
    assert_eq!(take(&lying), Fate::Broken);
    let stats = bench.counters[0].read(10);
    assert_eq!((stats.packets, stats.broken, stats.unknown), (1, 3, 1));
    assert_eq!(stats.heard_ago, Some(Duration::from_millis(10)));
}

#[test]
fn a_side_that_falls_silent_is_told_of_once_a_silence() {
    let mut bench = Bench::new();
    let quiet = |bench: &mut Bench, at: u64| {
        let mut heard = Vec::new();
        bench.join.quiet(at, 30_000, &mut heard);
        heard
    };
    // Who never spoke has not fallen silent.
    assert_eq!(quiet(&mut bench, 60_000), []);
    bench.out(60_000, Side::B, B, SOUND);
    assert_eq!(quiet(&mut bench, 89_999), []);
    let told = [Heard::Quiet { call: 42, side: Side::B }];
    assert_eq!(quiet(&mut bench, 90_000), told);
    assert_eq!(quiet(&mut bench, 200_000), []);
    bench.out(200_000, Side::B, B, SOUND.later(1));
    assert_eq!(quiet(&mut bench, 230_000), told);
    bench.out(230_000, Side::B, B, SOUND.later(2));
    bench.join.aim(Side::B, None);
    assert_eq!(quiet(&mut bench, 300_000), []);
}
