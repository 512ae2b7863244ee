//! Access units as packets, and back.

use proptest::prelude::*;

use super::browser::depacketize;
use super::pack::{Frame, PAYLOAD_MAX, Packer, Unshown};
use super::*;

fn unpacked(frame: &Frame) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    for payload in &frame.payloads {
        assert!(payload.len() <= PAYLOAD_MAX);
        depacketize(payload, &mut nals);
    }
    nals
}

#[test]
fn a_key_frame_begins_with_its_parameter_sets_in_one_packet() {
    let unit = key(0, 5_000, 3);
    let frame = Packer::default().pack(&unit).unwrap();
    assert!(frame.key);
    assert_eq!(frame.payloads[0][0] & 0x1f, 24, "STAP-A");
    assert_eq!(frame.payloads[0][0] & 0x60, 0x60, "as important as its parts");
    assert_eq!(frame.payloads.len(), 1 + 5);
    let ends: Vec<u8> = frame.payloads[1..].iter().map(|payload| payload[1] & 0xc0).collect();
    assert_eq!(ends, [0x80, 0, 0, 0, 0x40], "FU-A begins and ends once");
    assert_eq!(unpacked(&frame), seen(&unit));
}

#[test]
fn a_camera_that_says_its_parameters_once_is_still_seen_by_all() {
    let mut packer = Packer::default();
    packer.pack(&unit(UnitKind::Delta, 0, &[sps(1), pps(1)])).unwrap();
    let bare = unit(UnitKind::Key, 40, &[nal(0x65, 200, 1)]);
    let frame = packer.pack(&bare).unwrap();
    assert_eq!(unpacked(&frame), [sps(1), pps(1), nal(0x65, 200, 1)]);
    // It changes its mind.
    packer.pack(&key(80, 100, 2)).unwrap();
    assert_eq!(unpacked(&packer.pack(&bare).unwrap())[..2], [sps(2), pps(2)]);
}

#[test]
fn what_no_browser_can_show_is_refused() {
    let mut packer = Packer::default();
    let bare = unit(UnitKind::Key, 0, &[nal(0x65, 200, 1)]);
    assert_eq!(packer.pack(&bare), Err(Unshown::NoParameters));
    let still = Unit { kind: UnitKind::Still, at_ms: 0, bytes: vec![0xff, 0xd8] };
    assert_eq!(packer.pack(&still), Err(Unshown::Still));
    assert_eq!(packer.pack(&unit(UnitKind::Delta, 0, &[])), Err(Unshown::Empty));
    let only = unit(UnitKind::Key, 0, &[sps(1), pps(1)]);
    assert_eq!(packer.pack(&only), Err(Unshown::Empty));
    let crumbs: Vec<_> = (0..2_000).map(|_| nal(0x41, 2, 1)).collect();
    assert_eq!(packer.pack(&unit(UnitKind::Delta, 0, &crumbs)), Err(Unshown::TooLong));
    let vast = delta(0, weir_signaling::picture::UNIT_MAX, 1);
    assert_eq!(packer.pack(&vast), Err(Unshown::TooLong));
}

#[test]
fn delimiters_and_filler_are_left_out() {
    let nals = [vec![0x09, 0xf0], nal(0x06, 30, 1), nal(0x41, 300, 1), nal(0x0c, 50, 0xff)];
    let frame = Packer::default().pack(&unit(UnitKind::Delta, 0, &nals)).unwrap();
    assert_eq!(unpacked(&frame), nals[1..3]);
}

proptest! {
    #[test]
    fn any_lengths_come_out_as_they_went_in(
        lengths in prop::collection::vec(1_usize..4_000, 1..12),
        long in any::<bool>(),
    ) {
        let nals: Vec<_> = lengths.iter().map(|length| nal(0x41, *length, 9)).collect();
        let mut unit = unit(UnitKind::Delta, 0, &nals);
        if !long {
            // Start codes of three bytes.
            let short = nals.iter().flat_map(|nal| [&[0, 0, 1], nal.as_slice()].concat());
            unit.bytes = short.collect();
        }
        let frame = Packer::default().pack(&unit).unwrap();
        prop_assert_eq!(unpacked(&frame), nals);
    }

    #[test]
    fn any_bytes_at_all_become_packets_or_are_refused(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..3_000),
        key in any::<bool>(),
    ) {
        let kind = if key { UnitKind::Key } else { UnitKind::Delta };
        if let Ok(frame) = Packer::default().pack(&Unit { kind, at_ms: 0, bytes }) {
            let fits = |one: &Arc<[u8]>| !one.is_empty() && one.len() <= PAYLOAD_MAX;
            prop_assert!(frame.payloads.iter().all(fits));
        }
    }
}
