//! What a leg is told.

use super::phones::*;
use super::*;

const US: &str = "203.0.113.5:30000";

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or("")
}

#[test]
fn the_far_side_is_described_in_its_own_numbers_with_our_address() {
    let text = Writer::new(7, at(US)).write(&audio(HOPEFUL));
    assert_eq!(
        text,
        "v=0\r\no=weir 7 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 8 0 123 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:123 opus/48000/2\r\na=fmtp:123 maxplaybackrate=16000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn nothing_but_what_is_relayed_is_said_on() {
    let text = Writer::new(7, at("[2001:db8::1]:4000")).write(&audio(BARE_BROWSER));
    assert_eq!(line(&text, "c="), "c=IN IP6 2001:db8::1");
    assert_eq!(line(&text, "o="), "o=weir 7 1 IN IP6 2001:db8::1");
    for word in ["rtcp", "ice", "candidate", "BUNDLE", "mid", "red", "CN", "AVPF"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

/// A refresh that differs in one byte is a change to a telephone, and a change
/// with the old version is overheard.
#[test]
fn the_version_moves_exactly_when_something_changed() {
    let mut writer = Writer::new(7, at(US));
    assert_eq!(writer.version(), 0);
    let first = writer.write(&audio(DESK));
    assert!(writer.is_refresh(&audio(DESK)));
    assert_eq!(writer.write(&audio(DESK)), first);
    let moved = DESK.replace("11780", "11900").replace("192.168.1.31", "192.168.1.99");
    assert_eq!(writer.write(&audio(&moved)), first);
    let held = audio(&DESK.replace("a=sendrecv", "a=sendonly"));
    assert!(!writer.is_refresh(&held));
    assert_eq!(line(&writer.write(&held), "o="), "o=weir 7 2 IN IP4 203.0.113.5");
    let again = writer.write(&audio(DESK));
    assert_eq!(line(&again, "o="), "o=weir 7 3 IN IP4 203.0.113.5");
    assert_eq!(again.replace(" 7 3 ", " 7 1 "), first);
}

#[test]
fn declined_media_stay_in_their_places() {
    let mut writer = Writer::new(7, at(US));
    writer.follow(&read(DOOR).unwrap());
    let answer = writer.write(&audio(DESK));
    let media: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    let expected =
        ["m=video 0 RTP/AVP 97", "m=audio 30000 RTP/AVP 9 0 8 101", "m=image 0 udptl t38"];
    assert_eq!(media, expected);
    writer.follow(&read(BARE_BROWSER).unwrap());
    let answer = writer.write(&audio(DESK));
    assert_eq!(line(&answer, "m=audio"), "m=audio 30000 RTP/AVPF 9 0 8 101");
    assert_eq!(line(&answer, "m=app"), "m=application 0 UDP/DTLS/SCTP webrtc-datachannel");
}

#[test]
fn an_old_hold_is_said_on_as_a_hold() {
    let text = Writer::new(7, at(US)).write(&audio(OLD_HOLD));
    assert_eq!(line(&text, "c="), "c=IN IP4 203.0.113.5");
    assert_eq!(line(&text, "a=send"), "a=sendonly");
}

#[test]
fn our_own_offer_has_all_five() {
    let mut writer = Writer::new(7, at(US));
    let text = writer.own_offer();
    let all = [Kind::Opus, Kind::G722, Kind::Pcma, Kind::Pcmu, Kind::Event];
    assert_eq!(kinds(&audio(&text)), all);
    assert_eq!(audio(&text), writer.own());
    assert_eq!(writer.own_offer(), text);
}
