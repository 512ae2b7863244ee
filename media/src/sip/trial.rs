//! Any bytes, sent through the whole way in as far as it opens no socket: for
//! fuzzing and for tests with random input. Refuses to be part of a product:
//! it checks, and panics when a rule of its own is broken.

use std::net::SocketAddr;

use weir_signaling::registrar::{Source, Transport};

use super::answer::Answer;
use super::answered::{Answered, Key};
use super::config::{Accounts, SipConfig, SipLimits};
use super::counters::Tally;
use super::desk::{Books, Desk};
use super::dice::Dice;
use super::frame::{Framed, Framer};
use super::message::{Message, Request};

/// Where the bytes pretend to come from.
const SOURCE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Takes `bytes` as a datagram, and as a stream that comes in two pieces cut at
/// `cut`. Returns how many of them could be answered.
///
/// # Panics
/// When an answer of ours cannot be read as what it is.
pub fn any_bytes(bytes: &[u8], cut: usize) -> usize {
    let mut answered = taken(bytes);
    let mut framer = Framer::default();
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    for piece in [first, second] {
        framer.push(piece);
        loop {
            match framer.next() {
                Framed::Wait => break,
                Framed::KeepAlive => {}
                Framed::Message(whole) => answered += taken(&whole),
                Framed::Broken(rest) => return answered + taken(&rest),
            }
        }
    }
    answered
}

fn taken(bytes: &[u8]) -> usize {
    match Message::read(bytes) {
        Some(Message::Request(request)) => {
            let mut answers = Answered::default();
            let answer = judged(&request);
            let answer_bytes = answer.bytes(&request, SOURCE, "tag");
            reads_back(&answer, &request, &answer_bytes);
            let key = Key::of(&request, SOURCE);
            answers.keep(0, key.clone(), None, answer_bytes);
            assert!(answers.again(&key).is_some(), "an answer was not kept");
            1
        }
        Some(Message::Response(_)) => 1,
        None => 0,
    }
}

fn judged(request: &Request) -> Answer {
    if let Some(fault) = request.fault {
        return Answer::new(fault.code, fault.why);
    }
    let listen = SOURCE;
    let config = SipConfig {
        listen,
        realm: "weir".into(),
        algorithms: crate::sip::Algorithm::ALL.to_vec(),
        emergency: Vec::new(),
        limits: SipLimits::default(),
    };
    let Ok(mut desk) = Desk::new(&config) else { return Answer::new(500, "No Desk") };
    let (accounts, tally) = (Accounts::default(), Tally::default());
    let books = Books { accounts: &accounts, tally: &tally };
    let source = Source { address: SOURCE, transport: Transport::Udp, flow: None };
    desk.answer(0, source, request, books, &mut Dice::new([7; 32])).0
}

/// Whoever asked must recognise the answer as theirs.
fn reads_back(answer: &Answer, request: &Request, bytes: &[u8]) {
    let read = Message::read(bytes);
    let Some(Message::Response(response)) = read else {
        let text = String::from_utf8_lossy(bytes);
        assert!(request.fault.is_some(), "an answer that nobody can read: {text}");
        return;
    };
    assert_eq!(response.code, answer.code, "another status than meant");
    assert_eq!(response.call_id, request.call_id, "another call");
    assert_eq!(response.branch, request.via.branch, "another transaction");
}
