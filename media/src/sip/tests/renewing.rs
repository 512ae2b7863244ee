//! INVITEs within a call, both ways, and its session timer, in simulated time.

use super::super::leg::Leg;
use super::super::line::{Deed, Line, Output};
use super::super::message::{Message, Response};
use super::super::script::{Script, Way};
use super::answering::{ANSWER, OFFER, ask, key, play, talking, texts};
use super::machine::{came, plan, seen};
use super::*;

const HELD: &str = "v=0\r\no=- 9 2 IN IP4 192.0.2.7\r\ns=-\r\na=sendonly\r\n";
const MOVED: &str = "v=0\r\no=- 5 2 IN IP4 192.0.2.1\r\ns=-\r\n";

/// The far side's answer to a request of ours.
pub(super) fn reply(to: &str, status: &str, fields: &str, body: &str) -> Response {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", device::field(to, name));
    }
    let tag = device::field(to, "To");
    let tag = if tag.contains(";tag=") { tag } else { format!("{tag};tag=spk") };
    text += &format!("To: {tag}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len());
    match Message::read(text.as_bytes()) {
        Some(Message::Response(response)) => *response,
        other => panic!("{other:?}"),
    }
}

/// A call of ours, and its INVITE.
pub(super) fn calling(changes: Changes) -> (Line, String) {
    let way = Way {
        transport: Transport::Udp,
        address: "192.0.2.7:5060".parse().unwrap(),
        uri: "sip:5403@192.0.2.7".into(),
        route: Vec::new(),
        local: "192.0.2.1:5060".parse().unwrap(),
    };
    let secrets = ["call".to_owned(), "ours".to_owned()];
    let script = Script::new(&page("5403"), &way, REALM, "z9hG4bKstem".into(), secrets);
    let (leg, out) = Leg::new(0, script, plan(60_000, changes));
    (Line::Out(Box::new(leg)), texts(&out).remove(0))
}

/// A call of ours that was answered at 0 with `fields`.
fn answered(fields: &str) -> Line {
    let (mut line, invite) = calling(Changes::Ask);
    assert_eq!(device::field(&invite, "Session-Expires"), "1800");
    let out = line.response(0, &reply(&invite, "200 OK", fields, OFFER));
    assert_eq!(seen(&out), ["ACK", "answered"]);
    line
}

/// The first text that begins so, and when it went out.
fn until(line: &mut Line, method: &str, until_ms: u64) -> (u64, String) {
    let mut last_ms = 0;
    while line.next_ms() <= until_ms {
        let now_ms = line.next_ms().max(last_ms + 1);
        last_ms = now_ms;
        let found = texts(&line.tick(now_ms)).into_iter().find(|text| text.starts_with(method));
        if let Some(text) = found {
            return (now_ms, text);
        }
    }
    panic!("no {method} until {until_ms}");
}

#[test]
fn a_telephone_that_holds_the_call_asks_the_owner() {
    let mut line = talking("");
    let hold = ask("INVITE", 2, "ours", "", HELD);
    let (now, out) = line.request(10, &hold, &came(&hold));
    assert!(now.is_none());
    assert_eq!(seen(&out), ["100", &format!("changed {}", HELD.len())]);
    let out = line.deed(20, Deed::Agree { sdp: MOVED.into() });
    assert!(texts(&out).remove(0).ends_with(MOVED));
    assert_eq!(seen(&line.acknowledged(30, &ask("ACK", 2, "ours", "", ""))), ["confirmed 0"]);
    // The same once more is a refresh now, with what we said last.
    let again = ask("INVITE", 3, "ours", "", HELD);
    let (_, out) = line.request(40, &again, &came(&again));
    assert_eq!(seen(&out), ["200"]);
    assert!(texts(&out).remove(0).ends_with(MOVED));
    line.acknowledged(41, &ask("ACK", 3, "ours", "", ""));
    // No body asks for an offer; refused, all is as it was.
    let offer = ask("INVITE", 4, "ours", "", "");
    let (_, out) = line.request(50, &offer, &came(&offer));
    assert_eq!(seen(&out), ["100", "changed 0"]);
    assert_eq!(seen(&line.deed(51, Deed::Refuse { code: 488, words: String::new() })), ["488"]);
    assert!(line.deed(52, Deed::Agree { sdp: MOVED.into() }).is_empty());
    assert!(!line.is_over());
}

#[test]
fn a_change_that_nobody_answers_or_that_is_cancelled_changes_nothing() {
    let mut line = talking("");
    let hold = ask("INVITE", 2, "ours", "", HELD);
    line.request(10, &hold, &came(&hold));
    // A second one before the first is answered.
    let more = ask("INVITE", 3, "ours", "", OFFER);
    assert_eq!(line.request(11, &more, &came(&more)).0.unwrap().code, 500);
    let all = play(&mut line, 20_010);
    assert_eq!(all, [(20_010, "488".to_owned())]);
    line.acknowledged(20_020, &ask("ACK", 2, "ours", "", ""));
    let hold = ask("INVITE", 4, "ours", "", HELD);
    line.request(20_030, &hold, &came(&hold));
    assert_eq!(seen(&line.cancelled(20_040, &key(&hold))), ["487"]);
}

#[test]
fn our_change_is_agreed_to_and_each_answer_is_acknowledged() {
    let mut line = talking("");
    let invite = texts(&line.deed(10, Deed::Change { sdp: MOVED.into() })).remove(0);
    assert!(invite.starts_with("INVITE sip:5001@10.0.0.9:5062 ") && invite.ends_with(MOVED));
    assert_eq!(device::field(&invite, "CSeq"), "1 INVITE");
    let ok = reply(&invite, "200 OK", "Contact: <sip:new@10.0.0.10>\r\n", HELD);
    let out = line.response(20, &ok);
    assert_eq!(seen(&out), ["ACK", "agreed"]);
    let ack = texts(&out).remove(0);
    assert!(ack.starts_with("ACK sip:new@10.0.0.10 "), "{ack}");
    assert_eq!(texts(&line.response(30, &ok)), [ack]);
    // Declined, the call goes on.
    let invite = texts(&line.deed(40, Deed::Change { sdp: OFFER.into() })).remove(0);
    let out = line.response(41, &reply(&invite, "488 No", "", ""));
    assert_eq!(seen(&out), ["ACK", "declined 488"]);
    // One that they know nothing of ends it.
    let invite = texts(&line.deed(50, Deed::Change { sdp: OFFER.into() })).remove(0);
    let out = line.response(51, &reply(&invite, "481 Gone", "", ""));
    assert_eq!(seen(&out), ["ACK", "ended", "BYE"]);
}

#[test]
fn changes_that_cross_are_sorted_out() {
    let mut line = talking("");
    // Ours is out: theirs is told so, and theirs to us waits a while.
    let invite = texts(&line.deed(10, Deed::Change { sdp: MOVED.into() })).remove(0);
    let hold = ask("INVITE", 2, "ours", "", HELD);
    assert_eq!(line.request(11, &hold, &came(&hold)).0.unwrap().code, 491);
    assert_eq!(seen(&line.response(12, &reply(&invite, "491 Pending", "", ""))), ["ACK"]);
    let (at_ms, again) = until(&mut line, "INVITE", 5_000);
    // The Call-ID is theirs, so we wait less long.
    assert!((12..=2_012).contains(&at_ms), "{at_ms}");
    assert!(again.ends_with(MOVED));
    assert_eq!(seen(&line.response(at_ms, &reply(&again, "200 OK", "", OFFER))), ["ACK", "agreed"]);
    // Theirs is open: ours waits for it and its ACK.
    let hold = ask("INVITE", 3, "ours", "", HELD);
    line.request(6_000, &hold, &came(&hold));
    assert!(line.deed(6_001, Deed::Change { sdp: ANSWER.into() }).is_empty());
    assert_eq!(seen(&line.deed(6_002, Deed::Agree { sdp: MOVED.into() })), ["200"]);
    let out = line.acknowledged(6_003, &ask("ACK", 3, "ours", "", ""));
    assert_eq!(seen(&out), ["confirmed 0", "INVITE"]);
    // Whoever made the Call-ID waits longer.
    let mut line = answered("");
    let invite = texts(&line.deed(10, Deed::Change { sdp: MOVED.into() })).remove(0);
    line.response(12, &reply(&invite, "491 Pending", "", ""));
    let (at_ms, _) = until(&mut line, "INVITE", 5_000);
    assert!((2_112..=4_012).contains(&at_ms), "{at_ms}");
}

#[test]
fn we_refresh_at_half_time_with_the_very_same_words() {
    for (fields, supported) in [
        ("", false),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", true),
        ("k: timer\r\nx: 600\r\n", true),
    ] {
        let mut line = talking(fields);
        let half_ms = if supported { 300_000 } else { 900_000 };
        let (at_ms, refresh) = until(&mut line, "INVITE", 2_000_000);
        assert_eq!(at_ms, half_ms, "{fields}");
        assert!(refresh.ends_with(ANSWER), "{refresh}");
        let said = device::field(&refresh, "Session-Expires");
        assert_eq!(said, format!("{};refresher=uac", half_ms / 500));
        let fields = "Session-Expires: 600;refresher=uac\r\n";
        let fields = if supported { fields } else { "" };
        let out = line.response(at_ms + 5, &reply(&refresh, "200 OK", fields, OFFER));
        assert_eq!(seen(&out), ["ACK"]);
        let (next_ms, _) = until(&mut line, "INVITE", 4_000_000);
        assert_eq!(next_ms, at_ms + 5 + half_ms);
    }
}

#[test]
fn a_refresh_into_silence_or_into_nothing_ends_the_call() {
    let mut line = answered("");
    let all = play(&mut line, 932_000);
    assert_eq!(all.last().unwrap(), &(932_000, "BYE".to_owned()), "{all:?}");
    assert!(all.contains(&(932_000, "ended".into())), "{all:?}");
    let mut line = answered("");
    let (at_ms, refresh) = until(&mut line, "INVITE", 2_000_000);
    let out = line.response(at_ms, &reply(&refresh, "481 Gone", "", ""));
    assert_eq!(seen(&out), ["ACK", "ended", "BYE"]);
    // Refused for the moment, it is tried again until the time is up.
    let mut line = talking("Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    let (at_ms, refresh) = until(&mut line, "INVITE", 100_000);
    assert_eq!(at_ms, 45_000);
    line.response(at_ms, &reply(&refresh, "503 Later", "", ""));
    assert_eq!(until(&mut line, "INVITE", 100_000).0, 50_000);
    let all = play(&mut line, 60_000);
    assert_eq!(all.last().unwrap(), &(60_000, "BYE".to_owned()), "{all:?}");
}

#[test]
fn whoever_said_it_would_refresh_and_does_not_is_gone() {
    let fields = "Supported: timer\r\nSession-Expires: 180;refresher=uac\r\n";
    let mut line = talking(fields);
    let refresh = ask("INVITE", 2, "ours", fields, OFFER);
    let (_, out) = line.request(90_000, &refresh, &came(&refresh));
    let text = texts(&out).remove(0);
    assert_eq!(device::field(&text, "Session-Expires"), "180;refresher=uac");
    assert_eq!(device::field(&text, "Require"), "timer");
    line.acknowledged(90_000, &ask("ACK", 2, "ours", "", ""));
    let all = play(&mut line, 500_000);
    // 180 s less 32 s after the last one.
    assert_eq!(all[..2], [(238_000, "ended".into()), (238_000, "BYE".into())]);
    // The same where they were called.
    let mut line = answered("Require: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    assert_eq!(play(&mut line, 90_000)[0], (60_000, "ended".into()));
}

#[test]
fn an_interval_that_is_too_short_is_raised_both_ways() {
    let mut line = talking("");
    let brief = "Supported: timer\r\nSession-Expires: 60\r\n";
    let refresh = ask("INVITE", 2, "ours", brief, OFFER);
    let answer = line.request(5, &refresh, &came(&refresh)).0.unwrap();
    assert_eq!((answer.code, answer.fields[0].as_str()), (422, "Min-SE: 90"));
    // Ours: asked again once with what they want.
    let (mut line, invite) = calling(Changes::Refuse);
    let small = reply(&invite, "422 Small", "Min-SE: 3600\r\n", "");
    let out = line.response(10, &small);
    assert_eq!(seen(&out), ["ACK", "INVITE"]);
    let again = texts(&out).remove(1);
    assert_eq!(device::field(&again, "Session-Expires"), "3600");
    assert_eq!(device::field(&again, "Min-SE"), "3600");
    assert_eq!(device::field(&again, "CSeq"), "2 INVITE");
    assert_eq!(device::field(&again, "Call-ID"), "call");
    // The 422 again, because its ACK was lost.
    assert_eq!(texts(&line.response(11, &small)), texts(&out)[..1]);
    let out = line.response(12, &reply(&again, "422 Small", "Min-SE: 7200\r\n", ""));
    assert_eq!(seen(&out), ["ACK", "refused 422"]);
    // And within the call.
    let mut line = answered("Session-Expires: 1800;refresher=uac\r\n");
    let (at_ms, refresh) = until(&mut line, "INVITE", 2_000_000);
    let out = line.response(at_ms, &reply(&refresh, "422 Small", "Min-SE: 3600\r\n", ""));
    assert_eq!(device::field(&texts(&out)[1], "Session-Expires"), "3600;refresher=uac");
}

#[test]
fn keys_go_out_as_info_and_no_more_than_are_answered() {
    let mut line = talking("");
    let relay = || Deed::Info { kind: "application/dtmf-relay".into(), body: b"Signal=1".into() };
    let info = texts(&line.deed(10, relay())).remove(0);
    assert!(info.starts_with("INFO ") && info.ends_with("\r\n\r\nSignal=1"), "{info}");
    assert_eq!(device::field(&info, "Content-Type"), "application/dtmf-relay");
    line.response(20, &reply(&info, "200 OK", "", ""));
    let sent: usize = (0..40).map(|_| line.deed(30, relay()).len()).sum();
    assert_eq!(sent, 16);
    assert!(matches!(line.tick(530).as_slice(), [Output::Send(_), ..]));
}
