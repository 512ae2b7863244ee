//! What telephones report of each other.

use super::*;
use crate::voice::rtcp::{self, Block, SenderReport};

const A_RTCP: &str = "10.0.0.1:4001";
const B_RTCP: &str = "10.0.0.2:5001";

/// A has sent ten packets from 1,000 on, which left from 0xfffe on; B as many.
fn talking() -> Bench {
    let mut bench = Bench::new();
    for later in 0..10 {
        bench.out(u64::from(later) * 20, Side::A, A, SOUND.later(later));
        bench.out(u64::from(later) * 20, Side::B, B, Sound { ssrc: 70, ..SOUND }.later(later));
    }
    bench
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words.map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect()
}

fn receiver(by: u32, block: &Block) -> Vec<u8> {
    let mut bytes = Vec::new();
    rtcp::write_receiver(by, block, &mut bytes);
    bytes
}

#[test]
fn a_senders_report_speaks_of_the_stream_that_the_receiver_knows() {
    let mut bench = talking();
    let mut bytes = Vec::new();
    let said =
        SenderReport { ssrc: 7, ntp: 77, timestamp: 80_000 + 1_600, packets: 5_000, octets: 1 };
    rtcp::write_goodbye(&said, &mut bytes);
    let fate = bench.reports(200, Side::A, A_RTCP, &bytes);
    assert_eq!(fate, Fate::Report(address(B_RTCP)));
    let told = words(&bench.report);
    let timestamp = 0xffff_ff00_u32.wrapping_add(1_600);
    assert_eq!(told[..7], [0x80c8_0006, 0xaaaa_0001, 0, 77, timestamp, 10, 1_600]);
    // Name and goodbye are of the same stream.
    assert_eq!(told[7..9], [0x81ca_0004, 0xaaaa_0001]);
    assert_eq!(told[12..], [0x81cb_0001, 0xaaaa_0001]);
}

#[test]
fn a_receivers_report_comes_back_in_the_senders_own_numbers() {
    let mut bench = talking();
    // The receiver counts one cycle, the sender none.
    let block = Block {
        ssrc: 0xaaaa_0001,
        fraction_lost: 3,
        lost: 4,
        highest_seq: 0x0001_0007,
        jitter: 9,
        last_report: 11,
        since_last_report: 12,
    };
    assert_eq!(
        bench.reports(200, Side::B, B_RTCP, &receiver(70, &block)),
        Fate::Report(address(A_RTCP)),
    );
    assert_eq!(rtcp::blocks(&bench.report), [Block { ssrc: 7, highest_seq: 1_009, ..block }]);
    assert_eq!(words(&bench.report)[1], 0xbbbb_0002);
    // Of another stream, or of packets that this speaker has not sent.
    for (ssrc, highest_seq) in [(0xaaaa_0009, 7), (0xaaaa_0001, 0xfffd), (0xaaaa_0001, 8)] {
        let strange = receiver(70, &Block { ssrc, highest_seq, ..block });
        bench.reports(200, Side::B, B_RTCP, &strange);
        assert_eq!(words(&bench.report), [0x80c9_0001, 0xbbbb_0002]);
    }
}

#[test]
fn reports_are_taken_on_the_rtp_port_and_from_believed_addresses_only() {
    let mut bench = talking();
    let mut report = receiver(70, &Block { ssrc: 0xaaaa_0001, ..Block::default() });
    let strange = bench.reports(0, Side::B, "10.0.0.3:5001", &report);
    assert_eq!(strange, Fate::Stranger);
    assert_eq!(bench.take(0, Side::B, B, &mut report), Fate::Report(address(A_RTCP)));
    // The other end's RTCP port is learned, too.
    bench.reports(0, Side::A, "10.0.0.1:9999", &receiver(7, &Block::default()));
    let back = bench.reports(0, Side::B, B_RTCP, &report);
    assert_eq!(back, Fate::Report(address("10.0.0.1:9999")));
    bench.join.aim(Side::A, Some(Aim { hears: false, ..aim(A) }));
    assert_eq!(bench.reports(0, Side::B, B_RTCP, &report), Fate::Held);
}

#[test]
fn what_is_unknown_is_left_out_and_what_is_broken_goes_nowhere() {
    let mut bench = talking();
    let report = receiver(70, &Block { ssrc: 0xaaaa_0001, highest_seq: 7, ..Block::default() });
    let mut with_app = report.clone();
    with_app.extend([0x80, 204, 0, 1, 1, 2, 3, 4]);
    bench.reports(0, Side::B, B_RTCP, &with_app);
    assert_eq!(bench.report.len(), report.len());
    let mut lying = with_app.clone();
    lying[report.len() + 3] = 2;
    let mut crowded = report.clone();
    crowded[0] = 0x85;
    let mut old = report.clone();
    old[0] = 0x41;
    let app_first = with_app[report.len()..].to_vec();
    for broken in [lying, crowded, old, app_first, report[..31].to_vec(), Vec::new()] {
        assert_eq!(bench.reports(0, Side::B, B_RTCP, &broken), Fate::Broken, "{broken:?}");
    }
    assert_eq!(bench.counters[1].read(0).broken, 6);
}

#[test]
fn who_only_listens_has_reports_passed_too() {
    let mut bench = Bench::new();
    bench.out(0, Side::A, A, SOUND);
    let block = Block { ssrc: 0xaaaa_0001, highest_seq: 0xfffe, ..Block::default() };
    let mut bytes = Vec::new();
    // A sender's report of one that never sent, as some write.
    let said = SenderReport { ssrc: 70, ntp: 0, timestamp: 0, packets: 0, octets: 0 };
    rtcp::write_sender(&said, &mut bytes);
    bytes.extend(receiver(70, &block));
    bench.reports(0, Side::B, B_RTCP, &bytes);
    let told = words(&bench.report);
    assert_eq!(told[..2], [0x80c9_0001, 0xbbbb_0002]);
    assert_eq!(rtcp::blocks(&bench.report), [Block { ssrc: 7, highest_seq: 1_000, ..block }]);
}
