//! Between sites with a good link the telephone's own frames pass unchanged.

use super::*;

const FIBRE: Road = Road { delay_ms: 20, loss_ppm: 0, bursts_ppm: 0, copies: Copies::Never };

fn telephone(codec: Codec, payload_type: u8) -> Telephone {
    Telephone { codec, payload_type, event_type: None }
}

#[test]
fn g711_and_g722_pass_byte_by_byte() {
    for (codec, kind) in [(Codec::Pcma, 8), (Codec::Pcmu, 0), (Codec::G722, 9)] {
        let one = telephone(codec, kind);
        let mut trunk = Trunk::new(Link::Terrestrial, FIBRE, &[(one, one)]);
        for n in 0..100 {
            trunk.speak(0, &rtp_of(kind, n, &[u8::try_from(n).unwrap() | 1; 160]));
            trunk.pass();
        }
        let heard = trunk.heard[0].iter().map(|datagram| rtp::parse(datagram).unwrap());
        let heard: Vec<u8> = heard.map(|packet| packet.payload[0]).collect();
        let sounded: Vec<u8> =
            heard.into_iter().filter(|byte| ![0xd5, 0xff].contains(byte)).collect();
        assert!(sounded.len() >= 90, "{codec:?}: {}", sounded.len());
        let sent = (0..100_u8).map(|n| n | 1);
        assert_eq!(sounded, sent.take(sounded.len()).collect::<Vec<_>>(), "{codec:?}");
    }
}

/// A telephone with packets of 30 ms: the far one hears 20 ms packets, all of it.
#[test]
fn other_packet_lengths_are_recut() {
    let mut trunk = Trunk::new(Link::Terrestrial, FIBRE, &[(PCMA, PCMA)]);
    let mut sent = 0_u64;
    for n in 0..150_u64 {
        while sent * 30 <= n * 20 {
            let sound = (sent * 240..(sent + 1) * 240).map(|at| a_encode(tone(440.0, at)));
            let payload: Vec<u8> = sound.collect();
            let mut datagram = rtp_of(8, 0, &payload);
            let timestamp = u32::try_from(sent * 240).unwrap();
            datagram[4..8].copy_from_slice(&timestamp.to_be_bytes());
            trunk.speak(0, &datagram);
            sent += 1;
        }
        trunk.pass();
    }
    let sound = trunk.sound(0);
    assert!(share_of(440.0, &sound[4_000..20_000]) > 990);
    assert_eq!(trunk.decoders[0].jitter().concealed, 0);
}

#[test]
fn the_two_laws_meet() {
    let ends = (PCMA, telephone(Codec::Pcmu, 0));
    let mut trunk = Trunk::new(Link::Terrestrial, FIBRE, &[ends]);
    for n in 0..100 {
        trunk.speak(0, &packet(n, |at| tone(440.0, at)));
        trunk.pass();
    }
    let heard = trunk.heard[0].iter().flat_map(|datagram| {
        let payload = rtp::parse(datagram).unwrap().payload.to_vec();
        payload.into_iter().map(crate::voice::g711::mu_decode)
    });
    let sound: Vec<i16> = heard.collect();
    assert!(share_of(440.0, &sound[3_200..12_800]) > 990);
}

/// One packet of fifty is lost: the tone goes on over the gap.
#[test]
fn a_lost_frame_is_filled_with_what_was_heard() {
    let lossy = Road { loss_ppm: 20_000, ..FIBRE };
    let mut trunk = Trunk::new(Link::Terrestrial, lossy, &[(PCMA, PCMA)]);
    for n in 0..1_000 {
        trunk.speak(0, &packet(n, |at| tone(440.0, at)));
        trunk.pass();
    }
    assert!(trunk.decoders[0].jitter().concealed > 5);
    let sound = trunk.sound(0);
    let windows = sound[3_200..].chunks_exact(160);
    let silent = windows.filter(|window| window.iter().all(|sample| sample.abs() < 500));
    assert_eq!(silent.count(), 0);
}

/// The telephone is put on another port, or its call was taken over: new source,
/// new clock. The far telephone hears one stream.
#[test]
fn a_new_source_goes_on_in_the_same_stream() {
    let mut trunk = Trunk::new(Link::Terrestrial, FIBRE, &[(PCMA, PCMA)]);
    for n in 0..200 {
        let mut datagram = packet(n, |at| tone(440.0, at));
        if n >= 100 {
            datagram[4..12].copy_from_slice(&[0; 8]);
            let timestamp = u32::try_from(n * 160 + 5).unwrap();
            datagram[4..8].copy_from_slice(&timestamp.to_be_bytes());
        }
        trunk.speak(0, &datagram);
        trunk.pass();
    }
    assert_eq!(trunk.encoders[0].counters().restarts, 1);
    trunk.sound(0);
    let jitter = trunk.decoders[0].jitter();
    assert!(jitter.sounded >= 190 && jitter.concealed <= 2, "{jitter:?}");
}

#[test]
fn what_was_not_agreed_on_is_counted_and_not_sent() {
    let mut encoder = Encoder::new(0, PCMA, Link::Terrestrial, 0).unwrap();
    let mut say = |datagram: &[u8]| encoder.rtp(0, &rtp::parse(datagram).unwrap());
    assert_eq!(say(&rtp_of(0, 0, &[1; 160])), []);
    assert_eq!(say(&rtp_of(8, 1, &[1; 1_200])), []);
    assert_eq!(say(&rtp_of(8, 2, &[])), []);
    assert_eq!(say(&rtp_of(8, 9, &[1; 160])).len(), 1);
    assert_eq!(say(&rtp_of(8, 8, &[1; 160])), [], "came after its time");
    let counters = encoder.counters();
    assert_eq!((counters.strange, counters.broken, counters.late), (1, 2, 1));
}

/// 60 ms of wideband do not fit a satellite: the telephone is offered G.711.
#[test]
fn g722_is_refused_on_a_satellite() {
    let g722 = telephone(Codec::G722, 9);
    assert_eq!(Encoder::new(0, g722, SATELLITE, 0).unwrap_err(), CodecError::G722);
    assert_eq!(Decoder::new(g722, SATELLITE, FIRST).unwrap_err(), CodecError::G722);
    assert!(!SATELLITE.carries(Codec::G722) && Link::Terrestrial.carries(Codec::G722));
}

/// A telephone that leaves silence out pauses once a second: what its listener
/// waits does not grow with every pause.
#[test]
fn pauses_do_not_add_up_to_delay() {
    let mut trunk = Trunk::new(Link::Terrestrial, FIBRE, &[(PCMA, PCMA)]);
    let mut longest_ms = 0;
    for n in 0..1_500 {
        match n % 50 {
            0..40 => trunk.speak(0, &packet(n, |at| tone(440.0, at))),
            40 => trunk.speak(0, &rtp_of(13, n, &[60])),
            _ => {}
        }
        trunk.pass();
        let delay_ms = trunk.decoders[0].delay_ms(trunk.now_ms).unwrap_or(0);
        longest_ms = longest_ms.max(delay_ms);
    }
    assert!(longest_ms <= 60, "{longest_ms} ms");
}
