//! How calls share datagrams.

use super::*;

fn entries(datagram: &[u8]) -> Vec<Entry> {
    read(datagram).expect("our own bundle").1
}

#[test]
fn ten_calls_share_one_datagram() {
    let mut packer = Packer::new(PackerConfig::default(), 0xffff);
    for channel in 0..10 {
        packer.frame(0, sound(channel, 300, 60));
    }
    let datagrams = packer.pack(10);
    assert_eq!(datagrams.len(), 1);
    assert_eq!(datagrams[0].len(), HEAD_BYTES + 10 * (ENTRY_BYTES + 60));
    let (head, entries) = read(&datagrams[0]).unwrap();
    assert_eq!(head, Head { seq: 0xffff, clock_ms: 10 });
    let channels = entries.iter().map(|entry| match entry {
        Entry::Frame(frame) => frame.channel,
        other => panic!("{other:?} was not sent"),
    });
    assert_eq!(channels.collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(packer.pack(70), Vec::<Vec<u8>>::new(), "silence costs nothing");
}

/// Forty calls do not fit one datagram: a lost one shall not take most of them.
#[test]
fn many_calls_are_spread_evenly() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    for channel in 0..40 {
        packer.frame(0, sound(channel, 0, 60));
    }
    let datagrams = packer.pack(0);
    assert_eq!(datagrams.len(), 3);
    for datagram in &datagrams {
        assert!(datagram.len() <= DATAGRAM_MAX);
        assert!((13..=14).contains(&entries(datagram).len()));
    }
}

#[test]
fn every_kind_of_entry_arrives_as_it_was_sent() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    let plain = |codec, len| Body::Sound { codec, payload: vec![0xd5; len] };
    let opus = |first, len| {
        let mut payload = vec![first; 1];
        payload.resize(len, 9);
        Body::Sound { codec: Codec::OpusAsIs, payload }
    };
    let bodies = [
        plain(Codec::Pcma, 160),
        plain(Codec::Pcmu, 320),
        plain(Codec::G722, 640),
        opus(0xf8, 300),
        opus(0x08, 1),
        Body::Silence,
    ];
    let frames = bodies.into_iter().zip(1..).map(|(body, channel)| Frame {
        channel,
        step: 0xfffe,
        begins: channel % 2 == 0,
        again: false,
        body,
    });
    let frames: Vec<Frame> = frames.collect();
    for frame in &frames {
        packer.frame(0, frame.clone());
    }
    packer.key(0, press(1, 11, [1, 2, 3]));
    let report = Report { highest: 1, expected: 25, lost: 2, late: 3, jitter_ms: 14 };
    packer.report(report);

    let mut items: Vec<Item> = Vec::new();
    let mut unpacker = Unpacker::default();
    for datagram in packer.pack(0) {
        items.extend(unpacker.take(400, &datagram).unwrap());
    }
    for frame in frames {
        assert!(items.contains(&Item::Frame(frame.clone())), "{frame:?} is missing");
    }
    assert!(items.contains(&Item::Report(report)));
    let told = Press { channel: 7, key: 11, end: false, held_steps: 1 };
    assert!(items.contains(&Item::Key(told)));
}

/// What cannot be told is counted, and never makes a bundle that is refused.
#[test]
fn nothing_unreadable_is_sent() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    for (codec, len) in
        [(Codec::Pcma, 100), (Codec::Opus60, 0), (Codec::OpusAsIs, 641), (Codec::G722, 800)]
    {
        let body = Body::Sound { codec, payload: vec![0x18; len] };
        packer.frame(0, Frame { body, ..sound(1, 0, 1) });
    }
    assert_eq!(packer.pack(0).len(), 0);
    assert_eq!(packer.counters().untold, 4);
}

/// A node that stood still for a second does not send what nobody would hear.
#[test]
fn frames_of_before_a_stall_are_not_sent() {
    let mut packer =
        Packer::new(PackerConfig { copies: Copies::Always, ..PackerConfig::default() }, 0);
    packer.frame(0, sound(1, 0, 60));
    packer.pack(0);
    packer.frame(60, sound(1, 3, 60));
    assert_eq!(packer.pack(1_000), Vec::<Vec<u8>>::new());
    assert_eq!(packer.counters().stale, 2);
}

#[test]
fn a_call_that_ended_sends_nothing_more() {
    let mut packer =
        Packer::new(PackerConfig { copies: Copies::Always, ..PackerConfig::default() }, 0);
    packer.frame(0, sound(1, 0, 60));
    packer.key(0, KeyPress { channel: 1, ..press(1, 5, [0; 3]) });
    packer.pack(0);
    packer.frame(60, sound(1, 3, 60));
    packer.close(1);
    assert_eq!(packer.pack(500), Vec::<Vec<u8>>::new());
}

/// RFC 6716 §3.1: table of configurations, and the four ways to count frames.
#[test]
fn the_length_of_an_opus_packet_is_read_from_its_first_bytes() {
    for (packet, steps) in [
        (&[0x08][..], Some(1)),
        (&[0x10], Some(2)),
        (&[0x18], Some(3)),
        (&[0x19], Some(6)),
        (&[0x00], None),
        (&[0x01], Some(1)),
        (&[0x68], Some(1)),
        (&[0x60], None),
        (&[0xf8], Some(1)),
        (&[0xe0], None),
        (&[0xe3, 8], Some(1)),
        (&[0x1b, 3], None),
        (&[0xfb, 0], None),
        (&[0xfb], None),
        (&[], None),
    ] {
        assert_eq!(opus_steps(packet), steps, "{packet:02x?}");
    }
}

/// A node started again and its numbers happen to begin a little below the last:
/// its calls are silent for some bundles, not for a minute.
#[test]
fn a_sender_that_begins_a_little_behind_is_soon_believed() {
    let mut unpacker = Unpacker::default();
    let mut send = |seq: u16, step: u16| {
        let mut packer = Packer::new(PackerConfig::default(), seq);
        packer.frame(0, sound(1, step, 60));
        unpacker.take(0, &packer.pack(0)[0]).unwrap().len()
    };
    assert_eq!(send(5_000, 0), 1);
    let heard: Vec<usize> = (0..40).map(|n| send(4_500 + n, 3 + n * 3)).collect();
    assert!(heard.iter().position(|items| *items == 1).unwrap() <= 16, "{heard:?}");
    assert!(heard[16..].iter().all(|items| *items == 1), "{heard:?}");
}

/// What a peer says on channels that nobody has given out is not kept for ever.
#[test]
fn channels_that_nobody_knows_are_forgotten() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    (0..15).for_each(|channel| packer.frame(0, sound(channel, 0, 60)));
    let mut unpacker = Unpacker::default();
    for datagram in packer.pack(0) {
        unpacker.take(0, &datagram).unwrap();
    }
    assert_eq!(unpacker.channels(), 15);
    unpacker.retain(|channel| channel == 7);
    assert_eq!(unpacker.channels(), 1);
}
