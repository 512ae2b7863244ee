//! Incoming calls, machine by machine, in simulated time.

use weir_signaling::registrar;

use super::super::answered::Key;
use super::super::answering::{Answering, Arrival};
use super::super::line::{Deed, Line, Output};
use super::super::message::{Message, Request};
use super::super::script::{Script, Way};
use super::super::served::Came;
use super::super::wire::Wire;
use super::machine::{came, seen};
use super::*;

pub(super) const OFFER: &str = "v=0\r\no=- 9 1 IN IP4 192.0.2.7\r\ns=-\r\n";
pub(super) const ANSWER: &str = "v=0\r\no=- 5 1 IN IP4 192.0.2.1\r\ns=-\r\n";

/// A request of the telephone's, in the dialog when `tag` says so.
pub(super) fn ask(method: &str, cseq: u32, tag: &str, fields: &str, body: &str) -> Request {
    let to = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let branch = if method == "ACK" { format!("a{cseq}") } else { format!("b{cseq}") };
    let text = format!(
        "{method} sip:110@weir SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{branch};rport\
         \r\nCall-ID: call\r\nFrom: <sip:5001@weir>;tag=tel\r\nTo: <sip:110@weir>{to}\r\n\
         Contact: <sip:5001@10.0.0.9:5062>\r\nCSeq: {cseq} {method}\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match Message::read(text.as_bytes()) {
        Some(Message::Request(request)) if request.fault.is_none() => *request,
        other => panic!("{other:?}"),
    }
}

/// A call from 5001 that says `fields`, and what it is told first.
pub(super) fn incoming(fields: &str, offer: &str) -> (Line, Request, Vec<Output>) {
    let invite = ask("INVITE", 1, "", fields, offer);
    let way = Way {
        transport: Transport::Udp,
        address: "192.0.2.7:5060".parse().unwrap(),
        uri: "sip:192.0.2.7:5060".into(),
        route: Vec::new(),
        local: "192.0.2.1:5060".parse().unwrap(),
    };
    let script = Script::callee(&invite, &way, "110", "z9hG4bKstem".into(), "ours");
    let arrival = Arrival { script, session_s: 1_800, seed: 3 };
    let (leg, out) = Answering::new(0, arrival, &invite, came(&invite));
    (Line::In(Box::new(leg)), invite, out)
}

fn answer() -> Deed {
    Deed::Answer { sdp: ANSWER.into() }
}

/// The bytes put out, one text each.
pub(super) fn texts(out: &[Output]) -> Vec<String> {
    let one = |output: &Output| match output {
        Output::Send(bytes) | Output::Reply { bytes, .. } | Output::Again { bytes, .. } => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    };
    out.iter().filter_map(one).collect()
}

/// Ticks whenever the machine asks for it, until `until_ms`: what it did, when.
pub(super) fn play(line: &mut Line, until_ms: u64) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut last_ms = 0;
    while line.next_ms() <= until_ms {
        let now_ms = line.next_ms().max(last_ms + 1);
        last_ms = now_ms;
        let out = line.tick(now_ms);
        all.extend(seen(&out).into_iter().map(|what| (now_ms, what)));
        if line.is_done(now_ms) {
            break;
        }
    }
    all
}

pub(super) fn key(request: &Request) -> Key {
    came(request).key
}

/// A call that was answered and acknowledged at 0.
pub(super) fn talking(fields: &str) -> Line {
    let (mut line, _, _) = incoming(fields, OFFER);
    line.deed(0, answer());
    let out = line.acknowledged(0, &ask("ACK", 1, "ours", "", ""));
    assert_eq!(seen(&out), ["confirmed 0"]);
    line
}

#[test]
fn early_media_then_the_answer_are_one_dialog() {
    let record = "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n";
    let (mut line, _, out) = incoming(record, OFFER);
    assert_eq!(seen(&out), ["100"]);
    let early = line.deed(10, Deed::Ring { code: 183, sdp: ANSWER.into() });
    let early = texts(&early).remove(0);
    assert!(early.starts_with("SIP/2.0 183 Session Progress\r\n") && early.ends_with(ANSWER));
    let ok = texts(&line.deed(20, answer())).remove(0);
    for text in [&early, &ok] {
        assert_eq!(device::field(text, "To"), "<sip:110@weir>;tag=ours");
        assert_eq!(device::field(text, "Contact"), "<sip:110@192.0.2.1:5060>");
        assert_eq!(device::field(text, "Record-Route"), "<sip:p1;lr>, <sip:p2;lr>");
    }
    assert_eq!(device::field(&ok, "Supported"), "timer");
    assert_eq!(seen(&line.acknowledged(30, &ask("ACK", 1, "ours", "", ""))), ["confirmed 0"]);
    // Our BYE goes along the route, to the Contact, with the tags turned round.
    let bye = texts(&line.hang_up(40)).remove(0);
    assert!(bye.starts_with("BYE sip:5001@10.0.0.9:5062 SIP/2.0\r\n"), "{bye}");
    assert_eq!(device::fields(&bye, "Route"), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(device::field(&bye, "From"), "<sip:110@weir>;tag=ours");
    assert_eq!(device::field(&bye, "To"), "<sip:5001@weir>;tag=tel");
}

#[test]
fn a_caller_that_gives_up_is_told_both_ways() {
    let (mut line, invite, _) = incoming("", OFFER);
    line.deed(5, Deed::Ring { code: 180, sdp: String::new() });
    let out = line.cancelled(10, &key(&invite));
    assert_eq!(seen(&out), ["487", "ended"]);
    assert!(line.is_over() && !line.is_done(10));
    // An answer that crossed the CANCEL comes too late, and says nothing.
    assert!(line.deed(11, answer()).is_empty());
    // The 487 goes out again until it is acknowledged.
    let first = line.tick(510);
    assert_eq!(seen(&first), ["again 487"]);
    line.acknowledged(600, &ask("ACK", 1, "ours", "", ""));
    assert!(line.is_done(600));
}

#[test]
fn a_cancel_that_crosses_our_answer_leaves_the_call() {
    let (mut line, invite, _) = incoming("", OFFER);
    line.deed(5, answer());
    assert!(line.cancelled(6, &key(&invite)).is_empty());
    assert_eq!(seen(&line.acknowledged(7, &ask("ACK", 1, "ours", "", ""))), ["confirmed 0"]);
    let bye = ask("BYE", 2, "ours", "", "");
    let (answer, out) = line.request(8, &bye, &came(&bye));
    assert_eq!((answer.unwrap().code, seen(&out)), (200, vec!["ended".to_owned()]));
    assert!(line.is_done(8));
}

#[test]
fn an_answer_that_nobody_acknowledges_is_repeated_then_hung_up() {
    let (mut line, _, _) = incoming("", OFFER);
    line.deed(0, answer());
    let all = play(&mut line, 33_000);
    let again: Vec<u64> =
        all.iter().filter(|(_, what)| what == "again 200").map(|(at, _)| *at).collect();
    assert_eq!(again[..5], [500, 1_500, 3_500, 7_500, 11_500]);
    assert!(all.contains(&(32_000, "ended".into())), "{all:?}");
    assert!(all.contains(&(32_000, "BYE".into())), "{all:?}");
}

#[test]
fn a_bye_of_ours_waits_for_the_ack() {
    let (mut line, _, _) = incoming("", OFFER);
    line.deed(0, answer());
    assert!(line.hang_up(10).is_empty());
    assert!(!line.is_over());
    assert_eq!(seen(&line.acknowledged(20, &ask("ACK", 1, "ours", "", ""))), ["BYE"]);
    // Asked twice, because the node stops, it does not wait.
    let (mut line, _, _) = incoming("", OFFER);
    line.deed(0, answer());
    line.hang_up(10);
    assert_eq!(seen(&line.hang_up(20)), ["BYE"]);
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let (mut line, _, _) = incoming("", "");
    let ok = texts(&line.deed(5, answer())).remove(0);
    assert!(ok.ends_with(ANSWER));
    let out = line.acknowledged(9, &ask("ACK", 1, "ours", "", OFFER));
    let [Output::Tell(CallEvent::Confirmed { sdp })] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(sdp, OFFER);
    // The same again is a refresh, which nobody needs to hear of.
    let again = ask("INVITE", 2, "ours", "", OFFER);
    let (now, out) = line.request(50, &again, &came(&again));
    assert!(now.is_none());
    assert_eq!(seen(&out), ["200"]);
    assert!(texts(&out).remove(0).ends_with(ANSWER));
    assert!(line.acknowledged(60, &ask("ACK", 2, "ours", "", "")).is_empty());
}

#[test]
fn nobody_answers_for_three_minutes() {
    let (mut line, _, _) = incoming("", OFFER);
    line.deed(0, Deed::Ring { code: 180, sdp: String::new() });
    let all = play(&mut line, 400_000);
    let at = |what: &str| -> Vec<u64> {
        all.iter().filter(|(_, w)| w == what).map(|(at, _)| *at).collect()
    };
    // Rung again each minute, so that no hop on the way forgets it.
    assert_eq!(at("180"), [60_000, 120_000]);
    assert_eq!((at("480"), at("ended")), (vec![180_000], vec![180_000]));
    assert!(line.is_over());
}

#[test]
fn an_owner_that_is_gone_or_refuses_is_heard_by_the_caller() {
    let (mut line, _, _) = incoming("", OFFER);
    assert_eq!(seen(&line.hang_up(5)), ["503"]);
    assert!(line.is_over());
    let (mut line, _, _) = incoming("", OFFER);
    let words = Deed::Refuse { code: 603, words: "不接 / no".into() };
    let text = texts(&line.deed(5, words)).remove(0);
    assert!(text.starts_with("SIP/2.0 603 Decline\r\n"), "{text}");
    assert!(device::field(&text, "Warning").contains("不接"));
    assert!(line.deed(6, answer()).is_empty());
}

#[test]
fn before_the_answer_a_bye_ends_it_and_a_second_invite_is_told_to_wait() {
    let (mut line, _, _) = incoming("", OFFER);
    let second = ask("INVITE", 2, "ours", "", OFFER);
    let (now, _) = line.request(5, &second, &came(&second));
    let text = now.unwrap().bytes(&second, "192.0.2.7:5060".parse().unwrap(), "x");
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("SIP/2.0 500 "), "{text}");
    assert!(device::field(&text, "Retry-After").parse::<u32>().unwrap() <= 10);
    let info = ask("INFO", 3, "ours", "Content-Type: Application/DTMF-Relay; x=y\r\n", "Signal=5");
    let (now, out) = line.request(6, &info, &came(&info));
    assert_eq!((now.unwrap().code, seen(&out)), (200, vec!["info application/dtmf-relay".into()]));
    let bye = ask("BYE", 4, "ours", "", "");
    let (now, out) = line.request(7, &bye, &came(&bye));
    assert_eq!(now.unwrap().code, 200);
    assert_eq!(seen(&out), ["487", "ended"]);
}

#[test]
fn a_lost_connection_ends_a_call_that_rings() {
    let invite = ask("INVITE", 1, "", "", OFFER);
    let source: SocketAddr = "192.0.2.7:5060".parse().unwrap();
    let (transport, flow) = (registrar::Transport::Tcp, Some(4));
    let over = registrar::Source { address: source, transport, flow };
    let came = Came::new(&invite, Key::of(&invite, source), source, Wire::back(over, &invite));
    let way = Way {
        transport: Transport::Tcp,
        address: source,
        uri: "sip:192.0.2.7".into(),
        route: Vec::new(),
        local: "192.0.2.1:5060".parse().unwrap(),
    };
    let script = Script::callee(&invite, &way, "110", "z9hG4bKs".into(), "ours");
    let arrival = Arrival { script, session_s: 1_800, seed: 3 };
    let (mut leg, _) = Answering::new(0, arrival, &invite, came);
    assert_eq!(seen(&leg.flow_lost(9)), ["forget", "ended"]);
    assert!(leg.is_done(9));
}
