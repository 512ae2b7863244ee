//! Bytes that nobody meant as voice.

use proptest::prelude::*;

use super::*;

fn good() -> Vec<u8> {
    bundle(5, &[Entry::Frame(sound(1, 7, 40)), Entry::Key(press(1, 2, [3, 4, 5]))])
}

#[test]
fn a_broken_bundle_is_dropped_whole_and_counted() {
    let whole = good();
    let mut unpacker = Unpacker::default();
    // Only at the end of an entry is a shorter bundle one as well.
    let boundary = HEAD_BYTES + ENTRY_BYTES + 40;
    for len in (0..whole.len()).filter(|len| *len != boundary) {
        assert!(unpacker.take(0, &whole[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(unpacker.counters().broken as usize, whole.len() - 1);
    assert_eq!(unpacker.counters().frames, 0);
    assert_eq!(unpacker.take(0, &whole).unwrap().len(), 2);
}

#[test]
fn each_fault_has_its_name() {
    let change = |at: usize, byte: u8| {
        let mut bundle = good();
        bundle[at] = byte;
        read(&bundle).unwrap_err()
    };
    assert_eq!(change(0, 20), Broken::Kind(20));
    assert_eq!(change(1, 2), Broken::Version(2));
    assert_eq!(change(HEAD_BYTES + 2, 9), Broken::Unknown(9));
    assert_eq!(change(HEAD_BYTES + 2, 0x10), Broken::Unknown(0x10));
    assert_eq!(change(HEAD_BYTES + 2, 2), Broken::Payload, "40 bytes are no G.711");
    assert_eq!(change(HEAD_BYTES + ENTRY_BYTES, 0x08), Broken::Payload, "20 ms are not 60");
    assert_eq!(read(&good()[..HEAD_BYTES]), Err(Broken::Empty));
    assert_eq!(read(&vec![80; DATAGRAM_MAX + 1]), Err(Broken::TooLong(DATAGRAM_MAX + 1)));
}

/// More calls than a node can have: those that were first keep their place.
#[test]
fn memory_is_bounded() {
    let mut unpacker = Unpacker::default();
    for channel in 0..3_000 {
        let one = bundle(channel, &[Entry::Frame(sound(channel, 0, 1))]);
        unpacker.take(0, &one).unwrap();
    }
    assert_eq!(unpacker.counters().crowded, 3_000 - 2_048);
    unpacker.close(0);
    let late = bundle(3_000, &[Entry::Frame(sound(2_999, 3, 1))]);
    assert_eq!(unpacker.take(0, &late).unwrap().len(), 1);
}

/// A sender that is not served waits in bounds.
#[test]
fn a_packer_that_is_never_asked_holds_no_more_than_it_may() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    for i in 0..10_000_u16 {
        packer.frame(0, sound(i, 0, 1));
        packer.key(0, KeyPress { channel: i, ..press(1, 1, [0; 3]) });
    }
    assert_eq!(packer.counters().full, (10_000 - 4_096) + (10_000 - 1_024));
}

fn frames() -> impl Strategy<Value = Frame> {
    let opus = |head: u8, codec| {
        move |len: usize| {
            let mut payload = vec![head; 1];
            payload.resize(len, 0x55);
            Body::Sound { codec, payload }
        }
    };
    let body = prop_oneof![
        Just(Body::Silence),
        (1..=640_usize).prop_map(opus(0x18, Codec::Opus60)),
        (1..=640_usize).prop_map(opus(0x48, Codec::Opus20)),
        (1..=640_usize).prop_map(opus(0xfc, Codec::OpusAsIs)),
        (1..=4_usize).prop_map(|n| Body::Sound { codec: Codec::G722, payload: vec![1; n * 160] }),
    ];
    (any::<u16>(), any::<u16>(), any::<bool>(), body).prop_map(|(channel, step, begins, body)| {
        Frame { channel, step, begins, again: false, body }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
        let mut unpacker = Unpacker::default();
        let _ = unpacker.take(0, &bytes);
        // With a head that is right, the rest is looked at.
        let mut framed = bundle(0, &[]);
        framed.extend(&bytes);
        if let Ok((head, entries)) = read(&framed) {
            prop_assert_eq!(bundle_again(head, &entries), framed, "two forms of one bundle");
        }
    }

    #[test]
    fn what_is_packed_arrives(all in prop::collection::vec(frames(), 0..60)) {
        let mut packer = Packer::new(PackerConfig::default(), 9);
        for frame in &all {
            packer.frame(0, frame.clone());
        }
        let mut came = Vec::new();
        for datagram in packer.pack(0) {
            prop_assert!(datagram.len() <= DATAGRAM_MAX);
            for entry in read(&datagram).unwrap().1 {
                match entry {
                    Entry::Frame(frame) => came.push(frame),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
        let order = |frame: &Frame| (frame.channel, frame.step, frame.begins);
        let mut all = all;
        all.sort_by_key(order);
        came.sort_by_key(order);
        prop_assert_eq!(came.len(), all.len());
        for frame in &came {
            prop_assert!(all.contains(frame));
        }
    }

    /// Any frames at any times: one answer each 20 ms, and no frame twice.
    #[test]
    fn a_jitter_buffer_bears_anything(
        acts in prop::collection::vec((any::<u16>(), 0..8_u8, any::<bool>(), 0..400_u64), 1..300),
    ) {
        let mut jitter = Jitter::new(JitterConfig::default());
        let (mut now_ms, mut given) = (0, std::collections::BTreeSet::new());
        for (i, (step, steps, silence, wait_ms)) in acts.into_iter().enumerate() {
            let step = if silence { step } else { step % 64 };
            let sound = (!silence || steps > 3).then_some(i);
            jitter.push(now_ms, Arrived { step, steps, again: steps > 5, sound });
            jitter.again(now_ms, step);
            for _ in 0..wait_ms / 20 {
                now_ms += 20;
                let sounded = jitter.pull(now_ms);
                for piece in [Some(sounded.piece), sounded.squeezed].into_iter().flatten() {
                    if let Piece::Frame { sound, skip } = piece {
                        prop_assert!(given.insert(sound), "given twice");
                        prop_assert!(skip < 6);
                    }
                }
            }
            prop_assert!((20..=400).contains(&jitter.target_ms()));
        }
    }
}

fn bundle_again(head: Head, entries: &[Entry]) -> Vec<u8> {
    let mut datagram = Vec::new();
    write_head(head, &mut datagram);
    for entry in entries {
        assert!(write_entry(entry, &mut datagram));
    }
    datagram
}
