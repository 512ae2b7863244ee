//! Sending twice: when, how, and what it saves.

use super::*;

fn doubling() -> Packer {
    Packer::new(PackerConfig { copies: Copies::Always, ..PackerConfig::default() }, 0)
}

fn report(lost: u16) -> Report {
    Report { expected: 50, lost, ..Report::default() }
}

#[test]
fn the_second_sending_goes_in_a_later_datagram() {
    let mut packer = doubling();
    packer.frame(0, sound(1, 0, 60));
    assert_eq!(packer.pack(0).len(), 1);
    for now_ms in [60, 120, 180] {
        assert_eq!(packer.pack(now_ms).len(), 0);
    }
    let again = packer.pack(240);
    let expected = Entry::Frame(Frame { again: true, ..sound(1, 0, 60) });
    assert_eq!(read(&again[0]).unwrap().1, [expected]);
    assert_eq!(packer.pack(300).len(), 0);
}

/// One call alone, one datagram a tick: a burst of three spans 120 ms, so the
/// second sending waits for a fourth datagram.
#[test]
fn three_datagrams_lie_between_the_two_sendings_at_least() {
    for calls in [1, 9, 20] {
        let (mut packer, mut first, mut seq) = (doubling(), std::collections::BTreeMap::new(), 0);
        for tick in 0..50_u16 {
            for channel in 0..calls {
                packer.frame(u64::from(tick) * 60, sound(channel, tick * 3, 60));
            }
            for datagram in packer.pack(u64::from(tick) * 60) {
                seq += 1;
                for entry in read(&datagram).unwrap().1 {
                    let Entry::Frame(frame) = entry else { panic!("{entry:?}") };
                    let place = (frame.channel, frame.step);
                    match first.get(&place) {
                        Some((at, sent)) => {
                            assert!(seq - at >= 3 && tick - sent >= 2, "{place:?}");
                        }
                        None => {
                            first.insert(place, (seq, tick));
                        }
                    }
                }
            }
        }
    }
}

/// Bursts take three datagrams in a row: 36 in every 1,000 are lost here, and
/// almost every frame is heard.
#[test]
fn a_burst_of_three_takes_no_frame_that_is_sent_twice() {
    let (mut packer, mut unpacker) = (doubling(), Unpacker::default());
    let (mut sent, mut came, mut seq) = (0_u32, 0_u32, 0_u64);
    for tick in 0..1_000_u64 {
        let now_ms = tick * 60;
        for channel in 0..10 {
            let step = u16::try_from(tick * 3 % 0x1_0000).unwrap();
            packer.frame(now_ms, sound(channel, step, 60));
            sent += 1;
        }
        for datagram in packer.pack(now_ms) {
            seq += 1;
            if seq % 83 < 3 {
                continue;
            }
            let items = unpacker.take(now_ms + 300, &datagram).unwrap();
            let frames = items.iter().filter(|item| matches!(item, Item::Frame(_)));
            came += u32::try_from(frames.count()).unwrap();
        }
        if tick == 999 {
            // The last two ticks' second sendings are still to come.
            sent -= 20;
        }
    }
    assert!(came >= sent, "{came} of {sent}");
    let counters = unpacker.counters();
    assert!(counters.saved > 200, "{counters:?}");
    assert!(counters.spare > 9_000, "{counters:?}");
}

/// A second sending of what had come says only when it came.
#[test]
fn a_frame_is_given_once() {
    let mut unpacker = Unpacker::default();
    let first = sound(1, 0xffff, 60);
    let again = Frame { again: true, ..first.clone() };
    let bundle_of = |seq, frame: &Frame| bundle(seq, &[Entry::Frame(frame.clone())]);
    assert_eq!(unpacker.take(0, &bundle_of(0, &first)).unwrap(), [Item::Frame(first)]);
    let heard_again = unpacker.take(120, &bundle_of(1, &again)).unwrap();
    assert_eq!(heard_again, [Item::Again { channel: 1, step: 0xffff }]);
    assert_eq!(unpacker.take(125, &bundle_of(1, &again)).unwrap(), [], "the same datagram");
    assert_eq!(unpacker.counters().repeated, 1);
}

#[test]
fn losses_begin_it_and_only_a_calm_minute_ends_it() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    packer.heard(0, &report(1));
    assert!(!packer.doubles(), "one lost datagram proves nothing");
    packer.heard(1_500, &report(1));
    assert!(packer.doubles());

    let mut now_ms = 1_500;
    while packer.loss_ppm() > 2_000 {
        now_ms += 1_500;
        packer.heard(now_ms, &report(0));
        assert!(packer.doubles(), "ended after {now_ms} ms");
    }
    let calm_ms = now_ms;
    while packer.doubles() {
        now_ms += 1_500;
        packer.heard(now_ms, &report(0));
    }
    assert!((60_000..63_000).contains(&(now_ms - calm_ms)), "{}", now_ms - calm_ms);
}

/// Between the two marks nothing changes, however long it lasts.
#[test]
fn it_does_not_flap() {
    for was_on in [false, true] {
        let mut packer = Packer::new(PackerConfig::default(), 0);
        for i in 0..4_u64 {
            packer.heard(i, &report(if was_on { 10 } else { 0 }));
        }
        assert_eq!(packer.doubles(), was_on);
        // 0.4 %: one of 250.
        for i in 0..4_000_u64 {
            let one = report(u16::from(i % 5 == 0));
            packer.heard(10_000 + i * 1_500, &one);
            let settled = i > 100;
            assert!(!settled || packer.doubles() == was_on, "flapped at report {i}");
        }
    }
}

#[test]
fn a_link_without_room_is_never_doubled() {
    let never = PackerConfig { copies: Copies::Never, ..PackerConfig::default() };
    let mut packer = Packer::new(never, 0);
    for i in 0..10 {
        packer.heard(i, &report(10));
    }
    assert!(!packer.doubles());
    packer.set_copies(Copies::ByLoss);
    assert!(packer.doubles());
}

/// Of 60 bundles, five are lost, one comes out of order, one comes twice.
#[test]
fn a_report_counts_what_the_link_lost() {
    let mut unpacker = Unpacker::default();
    let mut order: Vec<u16> = (0..60).filter(|seq| !(20..25).contains(seq)).collect();
    order.swap(10, 11);
    order.push(7);
    for seq in order {
        let one = bundle(65_500_u16.wrapping_add(seq), &[Entry::Frame(sound(1, seq * 3, 60))]);
        assert_eq!(unpacker.report(u64::from(seq) * 20), None);
        unpacker.take(300 + u64::from(seq) * 20, &one).unwrap();
    }
    unpacker.late(4);
    let report = unpacker.report(1_800).expect("due");
    assert_eq!((report.expected, report.lost, report.late), (60, 5, 4));
    assert_eq!(report.highest, 65_500_u16.wrapping_add(59));
    assert_eq!(unpacker.report(9_000), None, "nothing came since");
}

#[test]
fn where_losses_are_the_rule_frames_go_twice_until_a_minute_was_calm() {
    let mut packer =
        Packer::new(PackerConfig { copies: Copies::UntilCalm, ..PackerConfig::default() }, 0);
    assert!(packer.doubles());
    let calm = Report { expected: 60, ..Report::default() };
    (0..=60).for_each(|second| packer.heard(second * 1_000, &calm));
    assert!(!packer.doubles());
    let lossy = Report { expected: 60, lost: 3, ..Report::default() };
    (61..=70).for_each(|second| packer.heard(second * 1_000, &lossy));
    assert!(packer.doubles());
}
