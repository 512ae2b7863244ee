//! Whatever arrives: nothing panics, and what leaves keeps its promises.

use proptest::prelude::*;

use super::*;

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let rtp = (any::<[u8; 12]>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(mut head, rest)| {
            head[0] = 0x80 | head[0] & 0x3f;
            head[1] = [0, 8, 101, 200, 201, 202, 203, 13][usize::from(head[1] % 8)];
            [&head[..], &rest].concat()
        },
    );
    let part = (0..4_u8, 198..208_u8, prop::collection::vec(any::<u32>(), 0..14)).prop_map(
        |(count, kind, words)| {
            let length = u16::try_from(words.len()).unwrap().to_be_bytes();
            let mut bytes = vec![0x80 | count, kind, length[0], length[1]];
            words.iter().for_each(|word| bytes.extend((word & 0xff).to_be_bytes()));
            bytes
        },
    );
    let rtcp = prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat());
    prop_oneof![rtp, rtcp, prop::collection::vec(any::<u8>(), 0..100)]
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_but_its_numbers_changes(
        datagrams in prop::collection::vec(
            (any::<bool>(), any::<bool>(), 0..5_000_u64, datagram()), 1..40),
    ) {
        let mut bench = Bench::new();
        let mut now = 0;
        for (from_a, on_rtp, passed, sent) in datagrams {
            now += passed;
            let (side, from, ssrc) =
                if from_a { (Side::A, A, 0xaaaa_0001) } else { (Side::B, B, 0xbbbb_0002) };
            let port = if on_rtp { Port::Rtp } else { Port::Rtcp };
            let mut bytes = sent.clone();
            let (report, heard) = (&mut bench.report, &mut bench.heard);
            let from = address(from);
            match bench.join.take(now, (side, port), from, &mut bytes, report, heard) {
                Fate::Sound(_) => {
                    let (before, after) =
                        (rtp::parse(&sent).unwrap(), rtp::parse(&bytes).unwrap());
                    prop_assert_eq!(after.ssrc, ssrc);
                    prop_assert_eq!(after.payload, before.payload);
                    prop_assert_eq!(after.payload_type, before.payload_type);
                    prop_assert!(after.marker || !before.marker);
                    prop_assert_eq!(&bytes[12..], &sent[12..]);
                    prop_assert_eq!(bytes[0], sent[0]);
                }
                Fate::Report(_) => {
                    let report = &bench.report;
                    prop_assert!(report.len() <= sent.len() && report.len().is_multiple_of(4));
                    prop_assert!(matches!(report[1], 200 | 201));
                    prop_assert_eq!(&report[4..8], &ssrc.to_be_bytes());
                }
                Fate::Held | Fate::Stranger | Fate::Broken | Fate::Unknown => {
                    prop_assert_eq!(&bytes, &sent);
                }
            }
            bench.heard.clear();
        }
    }

    /// Speakers follow each other, each without loss: the receiver counts one
    /// unbroken run, and its time never goes back.
    #[test]
    fn whoever_speaks_the_receiver_counts_on(
        speakers in prop::collection::vec(
            (any::<u32>(), any::<u16>(), any::<u32>(), 1..50_u16, 0..3_000_u64), 1..20),
    ) {
        let mut bench = Bench::new();
        let (mut now, mut last) = (0, None::<Out>);
        for (ssrc, seq, timestamp, packets, pause) in speakers {
            now += pause;
            for later in 0..packets {
                now += 20;
                let sound = Sound { ssrc, seq, timestamp, ..SOUND }.later(later);
                let out = bench.out(now, Side::B, B, sound);
                if let Some((_, seq, timestamp, _)) = last {
                    prop_assert_eq!(out.1, seq.wrapping_add(1));
                    prop_assert!(out.2.wrapping_sub(timestamp) < 1 << 20);
                }
                last = Some(out);
            }
        }
    }
}
