//! Bytes and texts: G.711, RTP, RTCP, SDP.

use proptest::prelude::*;
use weir_model::directory::Codec;

use super::super::sdp::{AnswerError, answer, offer};
use super::super::{g711, rtcp, rtp};

#[test]
fn every_byte_of_g711_survives_a_round() {
    for byte in 0..=u8::MAX {
        assert_eq!(g711::a_encode(g711::a_decode(byte)), byte, "A {byte:#04x}");
        // µ-law has two zeros; the positive one is written.
        let again = if byte == 0x7f { 0xff } else { byte };
        assert_eq!(g711::mu_encode(g711::mu_decode(byte)), again, "µ {byte:#04x}");
    }
}

/// The ends of the scales as the recommendation's tables have them.
#[test]
fn g711_agrees_with_the_tables() {
    assert_eq!((g711::a_encode(0), g711::mu_encode(0)), (g711::A_SILENCE, g711::MU_SILENCE));
    assert_eq!((g711::a_decode(0xaa), g711::a_decode(0x2a)), (32_256, -32_256));
    assert_eq!((g711::mu_decode(0x80), g711::mu_decode(0x00)), (32_124, -32_124));
    assert_eq!((g711::a_decode(0xd5), g711::a_decode(0x55)), (8, -8));
    assert_eq!((g711::a_encode(i16::MIN), g711::a_encode(i16::MAX)), (0x2a, 0xaa));
    assert_eq!((g711::mu_encode(i16::MIN), g711::mu_encode(i16::MAX)), (0x00, 0x80));
}

#[test]
fn g711_never_strays_far_from_the_sample() {
    for sample in i16::MIN..=i16::MAX {
        let loud = i32::from(sample).abs();
        let allowed = (loud / 16).max(16) + 644;
        let far = |decoded: i16| (i32::from(decoded) - i32::from(sample)).abs();
        assert!(far(g711::a_decode(g711::a_encode(sample))) <= allowed, "A {sample}");
        assert!(far(g711::mu_decode(g711::mu_encode(sample))) <= allowed, "µ {sample}");
        if loud < 30_000 {
            let near = loud / 16 + 16;
            assert!(far(g711::a_decode(g711::a_encode(sample))) <= near, "A {sample}");
            assert!(far(g711::mu_decode(g711::mu_encode(sample))) <= near, "µ {sample}");
        }
    }
}

#[test]
fn an_rtp_packet_is_read_whatever_it_carries_beside_the_sound() {
    let mut plain = Vec::new();
    let packet = rtp::Packet {
        marker: true,
        payload_type: 8,
        seq: 7,
        timestamp: 9,
        ssrc: 11,
        payload: &[1, 2, 3],
    };
    packet.write(&mut plain);
    assert_eq!(rtp::parse(&plain), Some(packet));
    // One contributor, an extension of one word, three bytes of padding.
    let mut dressed = plain.clone();
    dressed[0] = 0xb1;
    dressed.splice(12..12, [9, 9, 9, 9, 0xbe, 0xde, 0, 1, 5, 5, 5, 5]);
    dressed.extend([0, 0, 3]);
    assert_eq!(rtp::parse(&dressed), Some(packet));
    for cut in 0..12 {
        assert_eq!(rtp::parse(&plain[..cut]), None);
    }
}

#[test]
fn a_receivers_report_is_read_back_as_written() {
    let block = rtcp::Block {
        ssrc: 0xfeed_0001,
        fraction_lost: 3,
        lost: -2,
        highest_seq: 0x0001_0010,
        jitter: 40,
        last_report: 5,
        since_last_report: 6,
    };
    let mut datagram = Vec::new();
    rtcp::write_receiver(77, &block, &mut datagram);
    assert_eq!(rtcp::blocks(&datagram), [block]);
    // Cut short, it says nothing.
    assert_eq!(rtcp::blocks(&datagram[..datagram.len() - 1]), []);
    let mut sender = Vec::new();
    let report = rtcp::SenderReport { ssrc: 1, ntp: 2, timestamp: 3, packets: 4, octets: 5 };
    rtcp::write_goodbye(&report, &mut sender);
    assert_eq!(sender.len() % 4, 0);
    assert_eq!(rtcp::blocks(&sender), []);
    // Behind a sender's report, in one datagram.
    sender.extend(&datagram);
    assert_eq!(rtcp::blocks(&sender), [block]);
}

const OFFERED: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

#[test]
fn the_offer_lists_what_we_hold_best_first() {
    let sdp = offer("10.3.0.2:40000".parse().unwrap(), 5, &[Codec::G722, Codec::Pcma]);
    assert!(sdp.contains("c=IN IP4 10.3.0.2\r\n"), "{sdp}");
    assert!(sdp.contains("m=audio 40000 RTP/AVP 9 8\r\na=rtpmap:9 G722/8000\r\n"), "{sdp}");
    assert!(sdp.ends_with("a=ptime:20\r\n"), "{sdp}");
    let six = offer("[fd00::2]:40000".parse().unwrap(), 5, &[Codec::Opus]);
    assert!(six.contains("c=IN IP6 fd00::2\r\n") && six.contains("111 opus/48000/2"), "{six}");
}

/// What makers write: bare line ends, lower case, dynamic numbers, lines from
/// nowhere, video first.
#[test]
fn answers_of_all_makers_are_understood() {
    let said = |sdp: &str| {
        let answer = answer(sdp, &OFFERED).unwrap();
        (answer.codec, answer.payload_type, answer.rtp.to_string(), answer.rtcp.port())
    };
    let at = |port: u16| format!("10.3.0.9:{port}");
    let plain = "v=0\r\nc=IN IP4 10.3.0.9\r\nm=audio 4000 RTP/AVP 8 101\r\n";
    assert_eq!(said(plain), (Codec::Pcma, 8, at(4000), 4001));
    let sloppy = "garbage\nm=video 9 RTP/AVP 96\nc=IN IP4 1.1.1.1\nm=audio 4000/2 rtp/avp 0 8\n\
                  c=IN IP4 10.3.0.9/127\na=RTCP:4005 IN IP4 10.9.9.9\na=sendrecv \n";
    assert_eq!(said(sloppy), (Codec::Pcmu, 0, at(4000), 4005));
    let dynamic = "c=IN IP4 10.3.0.9\nm=audio 4000 RTP/AVPF 18 97 0\na=rtpmap:97 pcma/8000/1\n";
    assert_eq!(said(dynamic), (Codec::Pcma, 97, at(4000), 4001));
    let six = "c=IN IP6 fd00::9\nm=audio 4000 RTP/AVP 0\n";
    assert_eq!(said(six).2, "[fd00::9]:4000");
}

#[test]
fn an_answer_that_leaves_no_way_to_play_is_refused_with_its_reason() {
    let head = "c=IN IP4 10.3.0.9\n";
    let cases = [
        (String::new(), AnswerError::NoAudio),
        (format!("{head}m=audio x RTP/AVP 8\n"), AnswerError::NoAudio),
        (format!("{head}m=audio 0 RTP/AVP 8\n"), AnswerError::Declined),
        (format!("{head}m=audio 4000 RTP/AVP 8\na=inactive\n"), AnswerError::Declined),
        (format!("{head}m=audio 4000 RTP/SAVP 8\n"), AnswerError::Encrypted),
        (format!("{head}m=audio 4000 RTP/AVP 9 18\n"), AnswerError::NoCodec),
        (format!("{head}m=audio 4000 RTP/AVP\n"), AnswerError::NoCodec),
        ("m=audio 4000 RTP/AVP 8\n".into(), AnswerError::NoAddress),
        ("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 8\n".into(), AnswerError::NoAddress),
        ("c=IN IP4 224.1.1.1\nm=audio 4000 RTP/AVP 8\n".into(), AnswerError::NoAddress),
        ("c=IN IP4 horn.example\nm=audio 4000 RTP/AVP 8\n".into(), AnswerError::NoAddress),
        (format!("{head}{}", "a=x\n".repeat(5_000)), AnswerError::TooLong),
    ];
    for (sdp, why) in cases {
        assert_eq!(answer(&sdp, &OFFERED), Err(why), "{sdp:.60}");
    }
}

fn scraps() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("v=0".to_owned()),
        Just("c=IN IP4 10.3.0.9".to_owned()),
        Just("m=audio 4000 RTP/AVP 8 0".to_owned()),
        "[cma]=[ -~]{0,40}",
        "a=rtpmap:[0-9]{1,5} [A-Za-z0-9/]{0,12}",
        "\\PC{0,30}",
    ];
    let lines = prop::collection::vec(line, 0..12);
    (lines, prop_oneof![Just("\r\n"), Just("\n"), Just("\r")]).prop_map(|(l, end)| l.join(end))
}

proptest! {
    #[test]
    fn no_answer_panics_and_none_is_sent_where_nobody_is(sdp in scraps()) {
        if let Ok(answer) = answer(&sdp, &OFFERED) {
            prop_assert!(OFFERED.contains(&answer.codec));
            prop_assert!(answer.rtp.port() != 0 && !answer.rtp.ip().is_unspecified());
            prop_assert!(answer.payload_type < 128);
        }
    }

    #[test]
    fn no_datagram_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = rtp::parse(&bytes);
        prop_assert!(rtcp::blocks(&bytes).len() <= 31);
    }

    #[test]
    fn no_mutated_report_panics(at in 0..32_usize, byte: u8, seq: u32) {
        let mut datagram = Vec::new();
        let block = rtcp::Block { highest_seq: seq, ..rtcp::Block::default() };
        rtcp::write_receiver(1, &block, &mut datagram);
        datagram[at] = byte;
        prop_assert!(rtcp::blocks(&datagram).len() <= 1);
    }
}
