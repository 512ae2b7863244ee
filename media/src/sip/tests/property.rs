//! Anything in any order: no input and no wish makes a leg panic, answer one
//! INVITE twice in different ways, say something after its last word, or live
//! for ever.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::line::{Deed, Line, Output};
use super::super::message::{Message, Request};
use super::answering::{ANSWER, OFFER, ask, incoming, key};
use super::machine::came;
use super::renewing::{calling, reply};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// A request of the far side; which, its CSeq, whether it says the same, and
    /// a session interval.
    Request(u8, u32, bool, Option<u32>),
    Cancel(u32),
    Ack(u32, bool),
    /// An answer to one of our requests: which, counted from the last, the code.
    Response(usize, u16, bool),
    Deed(u8),
    Wait(u64),
    HangUp,
    FlowLost,
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop::sample::select(vec![
        100_u16, 180, 183, 200, 200, 200, 202, 302, 401, 408, 422, 481, 486, 487, 488, 491, 500,
    ]);
    let interval = prop::option::of(prop::sample::select(vec![0_u32, 60, 90, 600, u32::MAX]));
    prop_oneof![
        4 => (0..6_u8, 1..12_u32, any::<bool>(), interval)
            .prop_map(|(m, c, s, i)| Step::Request(m, c, s, i)),
        1 => (1..12_u32).prop_map(Step::Cancel),
        3 => (1..12_u32, any::<bool>()).prop_map(|(c, b)| Step::Ack(c, b)),
        6 => (0..4_usize, code, any::<bool>()).prop_map(|(n, c, b)| Step::Response(n, c, b)),
        5 => (0..8_u8).prop_map(Step::Deed),
        3 => (0..3_000_000_u64).prop_map(Step::Wait),
        2 => (0..3_000_u64).prop_map(Step::Wait),
        1 => Just(Step::HangUp),
        1 => Just(Step::FlowLost),
    ]
}

/// What a leg has done so far.
#[derive(Default)]
struct Watch {
    now_ms: u64,
    sent: Vec<String>,
    finals: BTreeMap<String, u16>,
    open: BTreeSet<String>,
    last_said: bool,
}

impl Watch {
    fn see(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send(bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    assert!(matches!(Message::read(text.as_bytes()), Some(Message::Request(_))));
                    if !text.starts_with("ACK") {
                        self.sent.push(text);
                    }
                }
                Output::Reply { came, code, bytes } => {
                    assert!(matches!(Message::read(&bytes), Some(Message::Response(_))));
                    let key = format!("{:?}", came.key);
                    if code < 200 {
                        self.open.insert(key);
                    } else {
                        let before = self.finals.insert(key, code);
                        assert_eq!(before, None, "a second final answer, {code}");
                    }
                }
                Output::Tell(event) => {
                    assert!(!self.last_said, "{event:?} after the last word");
                    self.last_said = matches!(
                        event,
                        CallEvent::Refused { .. } | CallEvent::Silent | CallEvent::Ended { .. }
                    );
                }
                Output::Again { .. } | Output::Forget(_) | Output::Crossed | Output::Forked => {}
            }
        }
    }

    /// Lets time pass; the machine never asks to be woken in the past again and
    /// again.
    fn wait(&mut self, line: &mut Line, until_ms: u64) {
        let (mut turns, mut at_once) = (0, 0);
        while !line.is_done(self.now_ms) && line.next_ms() <= until_ms {
            self.now_ms = self.now_ms.max(line.next_ms());
            let out = line.tick(self.now_ms);
            self.see(out);
            turns += 1;
            assert!(turns < 100_000, "it never rests");
            let rests = line.is_done(self.now_ms) || line.next_ms() > self.now_ms;
            // One step may make another one due at once.
            at_once = if rests { 0 } else { at_once + 1 };
            let rests = at_once < 3;
            assert!(rests, "at {} it wants {} again: {line:?}", self.now_ms, line.next_ms());
        }
        self.now_ms = self.now_ms.max(until_ms);
    }

    fn take(&mut self, line: &mut Line, step: Step, out_leg: bool) {
        let (now_ms, tag) = (self.now_ms, "ours");
        let turned = |request| if out_leg { from_speaker(request) } else { request };
        match step {
            Step::Request(method, cseq, same, interval) => {
                let methods = ["INVITE", "INVITE", "BYE", "INFO", "OPTIONS", "UPDATE"];
                let method = methods[usize::from(method)];
                let fields = interval.map_or(String::new(), |s| {
                    format!("Supported: timer\r\nSession-Expires: {s};refresher=uac\r\n")
                });
                let body = if same { OFFER } else { "v=0\r\nanother\r\n" };
                let request = turned(ask(method, cseq, tag, &fields, body));
                let came = came(&request);
                let given = format!("{:?}", came.key);
                // The hub gives the same request the same answer by itself.
                let again = self.finals.contains_key(&given) || self.open.contains(&given);
                if again || !line.has_dialog(&request) {
                    return;
                }
                let (answer, out) = line.request(now_ms, &request, &came);
                self.see(out);
                if let Some(answer) = answer {
                    let before = self.finals.insert(given, answer.code);
                    assert_eq!(before, None, "a second final answer, {}", answer.code);
                }
            }
            Step::Cancel(cseq) => {
                let invite = turned(ask("INVITE", cseq, "", "", OFFER));
                let out = line.cancelled(now_ms, &key(&invite));
                self.see(out);
            }
            Step::Ack(cseq, body) => {
                let ack = turned(ask("ACK", cseq, tag, "", if body { OFFER } else { "" }));
                let out = line.acknowledged(now_ms, &ack);
                self.see(out);
            }
            Step::Response(back, code, body) => {
                let Some(request) = self.sent.iter().rev().nth(back).cloned() else { return };
                let body = if body { OFFER } else { "" };
                let fields = "Session-Expires: 0;refresher=uac\r\nMin-SE: 100\r\n";
                let out =
                    line.response(now_ms, &reply(&request, &format!("{code} X"), fields, body));
                self.see(out);
            }
            Step::Deed(deed) => {
                let sdp = || ANSWER.to_owned();
                let deed = match deed {
                    0 => Deed::Ring { code: 183, sdp: sdp() },
                    1 | 2 => Deed::Answer { sdp: sdp() },
                    3 => Deed::Refuse { code: 486, words: "x".into() },
                    4 | 5 => Deed::Change { sdp: sdp() },
                    6 => Deed::Agree { sdp: sdp() },
                    _ => Deed::Info { kind: "a/b".into(), body: b"x".to_vec() },
                };
                let out = line.deed(now_ms, deed);
                self.see(out);
            }
            Step::Wait(ms) => self.wait(line, now_ms + ms),
            Step::HangUp => {
                let out = line.hang_up(now_ms);
                self.see(out);
            }
            Step::FlowLost => {
                let out = line.flow_lost(now_ms);
                self.see(out);
            }
        }
    }
}

/// The same, as the far side of a call of ours says it.
fn from_speaker(mut request: Request) -> Request {
    request.from_tag = "spk".into();
    request
}

fn lives(outgoing: bool, changes: Changes, offer: bool, steps: Vec<Step>) {
    let mut watch = Watch::default();
    let mut line = if outgoing {
        let (line, invite) = calling(changes);
        watch.sent.push(invite);
        line
    } else {
        let (line, _, out) = incoming("", if offer { OFFER } else { "" });
        watch.see(out);
        line
    };
    for step in steps {
        watch.take(&mut line, step, outgoing);
    }
    // Whatever happened, an owner that is gone ends it.
    let out = line.hang_up(watch.now_ms);
    watch.see(out);
    let end_ms = watch.now_ms + 200_000;
    watch.wait(&mut line, end_ms);
    assert!(line.is_over() && line.is_done(end_ms), "it never ends: {line:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn calls_that_come_in_keep_the_rules(
        offer in any::<bool>(), steps in prop::collection::vec(step(), 0..40),
    ) {
        lives(false, Changes::Ask, offer, steps);
    }

    #[test]
    fn calls_that_go_out_keep_the_rules(
        ask in any::<bool>(), steps in prop::collection::vec(step(), 0..40),
    ) {
        lives(true, if ask { Changes::Ask } else { Changes::Refuse }, true, steps);
    }
}
