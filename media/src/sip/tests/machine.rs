//! The call's machine in simulated time: repetitions, patience, late answers.

use super::super::answered::Key;
use super::super::leg::{Leg, Plan};
use super::super::line::Output;
use super::super::message::{Message, Request, Response};
use super::super::script::{Script, Way};
use super::super::served::Came;
use super::super::wire::{Hop, Wire};
use super::*;
use weir_signaling::registrar;

fn leg(transport: Transport, answer_within_ms: u64) -> (Leg, String) {
    let way = Way {
        transport,
        address: "192.0.2.7:5060".parse().unwrap(),
        uri: "sip:5403@192.0.2.7".into(),
        route: Vec::new(),
        local: "192.0.2.1:5060".parse().unwrap(),
    };
    let secrets = ["call".to_owned(), "ours".to_owned()];
    let script = Script::new(&page("5403"), &way, REALM, "z9hG4bKstem".into(), secrets);
    let (leg, out) = Leg::new(0, script, plan(answer_within_ms, Changes::Refuse));
    let [Output::Send(invite)] = out.as_slice() else { panic!("{out:?}") };
    (leg, String::from_utf8(invite.clone()).unwrap())
}

pub(super) fn plan(answer_within_ms: u64, changes: Changes) -> Plan {
    let (fields, offer) = (Vec::new(), page("5403").offer);
    Plan { fields, offer, answer_within_ms, changes, session_s: 1_800, seed: 7 }
}

/// How a request came, over UDP from the far side's own address.
pub(super) fn came(request: &Request) -> Came {
    let source: SocketAddr = "192.0.2.7:5060".parse().unwrap();
    let came =
        registrar::Source { address: source, transport: registrar::Transport::Udp, flow: None };
    let back = Wire::back(came, request);
    assert!(matches!(back, Hop::Udp(_)));
    Came::new(request, Key::of(request, source), source, back)
}

fn response(to: &str, status: &str, tag: &str) -> Response {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", device::field(to, name));
    }
    text += &format!("To: <sip:5403@weir>;tag={tag}\r\nContact: <sip:box@192.0.2.7:5070>\r\n\r\n");
    match Message::read(text.as_bytes()) {
        Some(Message::Response(response)) => *response,
        other => panic!("{other:?}"),
    }
}

fn bye(tag: &str, cseq: u32) -> Request {
    let text = format!(
        "BYE sip:x@weir SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb{cseq}\r\nCall-ID: call\r\n\
         From: <sip:5403@weir>;tag={tag}\r\nTo: <sip:5400@weir>;tag=ours\r\n\
         CSeq: {cseq} BYE\r\n\r\n"
    );
    match Message::read(text.as_bytes()) {
        Some(Message::Request(request)) => *request,
        other => panic!("{other:?}"),
    }
}

/// The methods sent and the events told, in order.
pub(super) fn seen(out: &[Output]) -> Vec<String> {
    let one = |output: &Output| match output {
        Output::Send(bytes) => {
            String::from_utf8_lossy(bytes).split(' ').next().unwrap_or_default().to_owned()
        }
        Output::Tell(CallEvent::Answered { .. }) => "answered".into(),
        Output::Tell(CallEvent::Silent) => "silent".into(),
        Output::Tell(CallEvent::Ended { .. }) => "ended".into(),
        Output::Tell(CallEvent::Refused { code, .. }) => format!("refused {code}"),
        Output::Tell(CallEvent::Trying) => "trying".into(),
        Output::Tell(CallEvent::Ringing { code, .. }) => format!("ringing {code}"),
        Output::Tell(CallEvent::Confirmed { sdp }) => format!("confirmed {}", sdp.len()),
        Output::Tell(CallEvent::Changed { sdp }) => format!("changed {}", sdp.len()),
        Output::Tell(CallEvent::Agreed { .. }) => "agreed".into(),
        Output::Tell(CallEvent::Declined { code }) => format!("declined {code}"),
        Output::Tell(CallEvent::Info { kind, .. }) => format!("info {kind}"),
        Output::Reply { code, .. } => format!("{code}"),
        Output::Again { bytes, .. } => {
            format!(
                "again {}",
                String::from_utf8_lossy(bytes).split(' ').nth(1).unwrap_or_default()
            )
        }
        Output::Forget(_) => "forget".into(),
        Output::Crossed => "crossed".into(),
        Output::Forked => "forked".into(),
    };
    out.iter().map(one).collect()
}

/// Ticks whenever the machine asks for it, until `until_ms`: what it did, when.
fn play(leg: &mut Leg, until_ms: u64) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    while leg.next_ms() <= until_ms {
        let now_ms = leg.next_ms();
        let out = leg.tick(now_ms);
        all.extend(seen(&out).into_iter().map(|what| (now_ms, what)));
        if leg.is_done(now_ms) {
            break;
        }
    }
    all
}

#[test]
fn an_invite_into_silence_is_repeated_ever_more_slowly_and_given_up_after_32_s() {
    let (mut leg, _) = leg(Transport::Udp, 60_000);
    let all = play(&mut leg, 200_000);
    let invites: Vec<u64> =
        all.iter().filter(|(_, what)| what == "INVITE").map(|(at, _)| *at).collect();
    assert_eq!(invites, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(all.contains(&(32_000, "silent".into())), "{all:?}");
    assert!(leg.is_done(100_000));
}

#[test]
fn over_a_connection_nothing_is_repeated() {
    let (mut leg, _) = leg(Transport::Tcp, 5_000);
    assert_eq!(play(&mut leg, 20_000), [(5_000, "silent".into())]);
}

#[test]
fn a_cancel_waits_for_the_first_sign_of_life() {
    let (mut leg, invite) = leg(Transport::Udp, 60_000);
    assert!(leg.hang_up(100).is_empty());
    assert!(!leg.is_over());
    let out = leg.response(200, &response(&invite, "100 Trying", "t"));
    assert_eq!(seen(&out), ["CANCEL"]);
    let out = leg.response(300, &response(&invite, "487 Request Terminated", "t"));
    assert_eq!(seen(&out), ["ACK"]);
    assert!(leg.is_over());
    // The 487 again, because our ACK was lost; nothing else changes.
    assert_eq!(
        seen(&leg.response(400, &response(&invite, "487 Request Terminated", "t"))),
        ["ACK"]
    );
}

#[test]
fn an_answer_that_comes_long_after_we_gave_up_is_ended() {
    let (mut leg, invite) = leg(Transport::Udp, 1_000);
    assert_eq!(play(&mut leg, 20_000), [(500, "INVITE".into()), (1_000, "silent".into())]);
    let out = leg.response(20_000, &response(&invite, "200 OK", "late"));
    assert_eq!(seen(&out), ["ACK", "crossed", "BYE"]);
    let Output::Send(bye) = &out[2] else { panic!() };
    assert!(bye.starts_with(b"BYE sip:box@192.0.2.7:5070 SIP/2.0\r\n"));
    let bye = String::from_utf8(bye.clone()).unwrap();
    let out = leg.response(20_100, &response(&bye, "200 OK", "late"));
    assert!(out.is_empty() && leg.is_over());
}

#[test]
fn a_bye_is_repeated_until_it_is_answered_or_32_s_have_passed() {
    let (mut leg, invite) = leg(Transport::Udp, 5_000);
    leg.response(100, &response(&invite, "200 OK", "s"));
    assert_eq!(seen(&leg.hang_up(1_000)), ["BYE"]);
    let byes: Vec<u64> = play(&mut leg, 200_000).iter().map(|(at, _)| *at).collect();
    assert_eq!(byes[..4], [1_500, 2_500, 4_500, 8_500]);
    assert!(byes.iter().all(|at| *at < 33_000), "{byes:?}");
    assert!(leg.is_over());
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let (mut leg, invite) = leg(Transport::Udp, 5_000);
    leg.response(100, &response(&invite, "200 OK", "s"));
    leg.hang_up(1_000);
    let (answer, out) = leg.request(1_010, &bye("s", 3), &came(&bye("s", 3)));
    assert_eq!((answer.unwrap().code, out.len()), (200, 0));
    // A BYE from nowhere, and one that was held up.
    assert_eq!(leg.request(1_020, &bye("s", 3), &came(&bye("s", 3))).0.unwrap().code, 500);
    assert!(!leg.has_dialog(&bye("forged", 4)));
}

#[test]
fn answers_without_end_are_not_all_remembered() {
    let (mut leg, invite) = leg(Transport::Udp, 5_000);
    for tag in 0..100 {
        leg.response(tag, &response(&invite, "200 OK", &format!("t{tag}")));
    }
    // One call and seven forks; the rest finds no one.
    let byes = play(&mut leg, 600).iter().filter(|(_, what)| what == "BYE").count();
    assert_eq!(byes, 7);
}

#[test]
fn a_provisional_answer_is_told_when_it_changes() {
    let (mut leg, invite) = leg(Transport::Udp, 5_000);
    let mut all = Vec::new();
    for status in ["100 Trying", "180 Ringing", "180 Ringing", "100 Trying", "183 Progress"] {
        all.extend(seen(&leg.response(10, &response(&invite, status, "t"))));
    }
    assert_eq!(all, ["trying", "ringing 180", "ringing 183"]);
}

#[test]
fn an_answer_to_another_invite_is_none_of_ours() {
    let (mut leg, invite) = leg(Transport::Udp, 5_000);
    let forged = invite.replace("z9hG4bKstem.1", "z9hG4bKguess");
    assert!(leg.response(10, &response(&forged, "200 OK", "t")).is_empty());
    assert!(leg.response(10, &response(&forged, "603 Decline", "t")).is_empty());
}
