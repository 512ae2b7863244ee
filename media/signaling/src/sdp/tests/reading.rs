//! What is read out of real descriptions, and why others are refused.

use super::phones::*;
use super::*;

#[test]
fn a_desk_phone_is_read_without_the_codec_that_is_not_relayed() {
    let session = read(DESK).unwrap();
    assert_eq!(session.audio.rtp, at("192.168.1.31:11780"));
    assert_eq!(session.audio.rtcp, at("192.168.1.31:11781"));
    assert_eq!(kinds(&session.audio), [Kind::G722, Kind::Pcmu, Kind::Pcma, Kind::Event]);
    assert_eq!(numbers(&session.audio), [9, 0, 8, 101]);
    assert_eq!(session.audio.formats[3].fmtp.as_deref(), Some("0-15"));
    assert_eq!(session.audio.ptime_ms, Some(20));
    assert_eq!(session.audio.direction, Direction::Both);
    assert_eq!((session.place, session.others), (0, vec![]));
}

#[test]
fn of_two_audio_lines_the_one_without_encryption_counts() {
    let session = read(HOPEFUL).unwrap();
    assert_eq!((session.place, session.audio.rtp), (1, at("10.9.0.12:5006")));
    assert_eq!(numbers(&session.audio), [8, 0, 123, 101]);
    let profiles: Vec<_> = session.others.iter().map(|other| other.profile.as_str()).collect();
    assert_eq!(profiles, ["RTP/SAVP", "RTP/AVP"]);
    // The camera's direction is the camera's.
    assert_eq!(session.audio.direction, Direction::Both);
}

#[test]
fn reports_may_have_a_port_of_their_own_but_no_other_host() {
    assert_eq!(audio(SOFT).rtcp, at("172.16.4.2:21999"));
    let stranger = SOFT.replace("a=rtcp:21999", "a=rtcp:21999 IN IP4 8.8.8.8");
    assert_eq!(audio(&stranger).rtcp, at("172.16.4.2:21457"));
    let nowhere = SOFT.replace("a=rtcp:21999", "a=rtcp:0");
    assert_eq!(audio(&nowhere).rtcp, at("172.16.4.2:21457"));
    let highest = SOFT.replace("21456", "65535").replace("a=rtcp:21999", "a=x");
    assert_eq!(audio(&highest).rtcp.port(), 65_535);
}

#[test]
fn an_address_below_the_media_beats_the_one_above() {
    let both = LIBRARY.replace("s=media\r\n", "s=media\r\nc=IN IP4 9.9.9.9\r\n");
    assert_eq!(audio(&both).rtp, at("10.0.2.15:4002"));
    assert_eq!(kinds(&audio(&both))[3..], [Kind::Event, Kind::Event]);
    let clocks: Vec<u32> = audio(LIBRARY).formats.iter().map(|format| format.clock_hz).collect();
    assert_eq!(clocks, [48_000, 8_000, 8_000, 48_000, 8_000]);
}

#[test]
fn six_is_as_good_as_four() {
    let session = read(BARE_BROWSER).unwrap();
    assert_eq!(session.audio.rtp, at("[2001:db8::7]:50312"));
    assert_eq!(session.audio.rtcp, at("[2001:db8::7]:50313"));
    assert_eq!(session.profile, Profile::Avpf);
    assert_eq!(numbers(&session.audio), [111, 9, 0, 8, 110, 126]);
    assert_eq!(session.others[0].format, "webrtc-datachannel");
}

#[test]
fn numbers_that_need_no_explanation_get_none() {
    let audio = audio(GATEWAY);
    assert_eq!(kinds(&audio), [Kind::Pcma, Kind::Pcmu]);
    assert_eq!(audio.formats[0].rtpmap, "PCMA/8000");
    assert_eq!(audio.ptime_ms, Some(30));
}

#[test]
fn a_door_phone_shows_its_picture_first_and_is_heard_all_the_same() {
    let session = read(DOOR).unwrap();
    assert_eq!((session.place, session.audio.rtp.port()), (1, 7_076));
    assert_eq!(session.audio.direction, Direction::Both);
    assert_eq!(session.others.len(), 2);
    let silent = DOOR.replace("telephone-event/8000\r\na=sendrecv", "telephone-event/8000");
    assert_eq!(audio(&silent).direction, Direction::SendOnly);
}

#[test]
fn an_address_of_zeros_is_a_hold() {
    assert_eq!(audio(OLD_HOLD).direction, Direction::SendOnly);
    assert!(audio(OLD_HOLD).rtp.ip().is_unspecified());
    let listens = OLD_HOLD.replace("s=SIP Call\r\n", "s=SIP Call\r\na=recvonly\r\n");
    assert_eq!(audio(&listens).direction, Direction::Inactive);
    let mapped = OLD_HOLD.replace("IP4 0.0.0.0", "IP6 ::ffff:0.0.0.0");
    assert_eq!(audio(&mapped).direction, Direction::SendOnly);
}

#[test]
fn what_is_said_twice_counts_once() {
    let twice = DESK
        .replace("RTP/AVP 9 0", "RTP/AVP 9 9 0 9")
        .replace("a=sendrecv", "a=recvonly\r\na=sendrecv\r\na=ptime:60")
        .replace("a=fmtp:101 0-15", "a=fmtp:101 0-15\r\na=fmtp:101 99\r\na=rtpmap:9 L16/44100");
    let audio = audio(&twice);
    assert_eq!(numbers(&audio), [9, 0, 8, 101]);
    assert_eq!(audio.direction, Direction::RecvOnly);
    assert_eq!((audio.ptime_ms, audio.formats[3].fmtp.as_deref()), (Some(20), Some("0-15")));
}

#[test]
fn a_second_audio_line_cannot_speak_for_the_first() {
    let more = format!(
        "{DESK}m=audio 9 RTP/AVP 0\r\nc=IN IP4 6.6.6.6\r\na=inactive\r\na=rtpmap:9 PCMU/8000\r\n"
    );
    let session = read(&more).unwrap();
    assert_eq!(session.audio, audio(DESK));
    assert_eq!(session.others.len(), 1);
}

#[test]
fn a_lone_carriage_return_is_not_said_on() {
    let evil = DESK.replace("a=fmtp:101 0-15", "a=fmtp:101 0-15\ra=inactive");
    assert_eq!(audio(&evil).formats[3].fmtp, None);
    let evil = DESK.replace("PCMA/8000", "PCMA/8000\rx");
    assert_eq!(numbers(&audio(&evil)), [9, 0, 101]);
    let signed = DESK.replace("PCMA/8000", "PCMA/+8000");
    assert_eq!(numbers(&audio(&signed)), [9, 0, 101]);
}

#[test]
fn what_is_of_no_use_is_refused_with_its_reason() {
    let cases = [
        (SECRET.to_string(), SdpError::Encrypted, 488),
        (GATEWAY.replace("8 0\n", "18 4\n"), SdpError::NoFormat, 488),
        (GATEWAY.replace("8 0\n", "101\n"), SdpError::NoFormat, 488),
        (GATEWAY.replace("audio 6000", "audio 0"), SdpError::Declined, 488),
        (GATEWAY.replace("m=audio", "m=video"), SdpError::NoAudio, 488),
        (GATEWAY.replace("c=IN IP4 10.1.1.9\n", ""), SdpError::NoAddress, 488),
        (GATEWAY.replace("c=IN IP4 10.1.1.9", "c=IN IP4 phone.lan"), SdpError::NoAddress, 488),
        (GATEWAY.replace("c=IN IP4 10.1.1.9", "c=IN IP4 239.1.1.9/3"), SdpError::NoAddress, 488),
        (
            GATEWAY.replace("c=IN IP4 10.1.1.9", "c=IN IP4 255.255.255.255"),
            SdpError::NoAddress,
            488,
        ),
        (GATEWAY.replace("audio 6000", "audio many"), SdpError::Unparsable, 400),
        (GATEWAY.replace("audio 6000", "audio 70000"), SdpError::Unparsable, 400),
        (GATEWAY.replace("v=0", "v=1"), SdpError::Unparsable, 400),
        (String::new(), SdpError::Unparsable, 400),
        ("<xml/>".into(), SdpError::Unparsable, 400),
        (GATEWAY.lines().take(5).collect::<Vec<_>>().join("\n"), SdpError::NoAudio, 488),
        (format!("{GATEWAY}{}", "a=x\n".repeat(MAX_BYTES / 4)), SdpError::TooLong, 413),
        (format!("{GATEWAY}{}", "m=video 9 X 1\n".repeat(MEDIA_MAX)), SdpError::TooManyMedia, 488),
    ];
    for (text, error, code) in cases {
        assert_eq!(read(&text), Err(error), "{text:.300}");
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(" / "), "{error}");
    }
}
