//! Bad input in the manner of RFC 4475, and worse: each gets a clear answer or
//! none, and the node serves on.

use super::device::{Hash, WITHIN, field};
use super::*;

/// What must come back.
enum Then {
    /// This status.
    Says(u16),
    /// Nothing at all.
    Silence,
}
use Then::{Says, Silence};

const SILENT: Duration = Duration::from_millis(120);

/// A whole message; `{via}` stands for the device's own Via.
struct Case {
    name: &'static str,
    text: &'static [u8],
    /// Over UDP, and over TCP.
    then: [Then; 2],
}

const fn case(name: &'static str, text: &'static [u8], udp: Then, tcp: Then) -> Case {
    Case { name, text, then: [udp, tcp] }
}

macro_rules! rest {
    ($method:literal) => {
        concat!(
            "From: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\nCall-ID: {id}\r\nCSeq: 1 ",
            $method,
            "\r\nContent-Length: 0\r\n\r\n"
        )
    };
}

macro_rules! options {
    ($line:literal, $via:literal, $more:literal) => {
        concat!($line, "\r\n", $via, "\r\n", $more, rest!("OPTIONS")).as_bytes()
    };
}

const CASES: &[Case] = &[
    // Unusual, and right.
    case("plain", options!("OPTIONS sip:weir SIP/2.0", "{via}", ""), Says(200), Says(200)),
    case(
        "compact and folded",
        b"OPTIONS sip:weir SIP/2.0\r\nv: {viavalue}\r\nf:\r\n  <sip:a@weir>\r\n\t;tag=1\r\n\
          t: <sip:weir>\r\ni: {id}\r\nCSeq:\r\n 1\r\n OPTIONS\r\nl: 0\r\n\r\n",
        Says(200),
        Says(200),
    ),
    case(
        "ipv6",
        options!("OPTIONS sip:[2001:db8::1]:5060 SIP/2.0", "{via}", ""),
        Says(200),
        Says(200),
    ),
    case("tel", options!("OPTIONS tel:+86-10-5001 SIP/2.0", "{via}", ""), Says(200), Says(200)),
    case(
        "two Vias on a line",
        options!("OPTIONS sip:weir SIP/2.0", "{via}, SIP/2.0/UDP [::2];branch=z9hG4bKq", ""),
        Says(200),
        Says(200),
    ),
    case(
        "a name with all that confuses",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: \"a;tag=no, <b> \\\" c\" <sip:a@weir>;\
          tag=1\r\nTo: <sip:weir>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        Says(200),
        Says(200),
    ),
    case(
        "a name in GB18030",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: \"\xb5\xf7\xb6\xc8\xcc\xa8\" \
          <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\nCall-ID: {id}\r\n\
          CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        Says(200),
        Says(200),
    ),
    case(
        "a body in GB18030",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 6\r\n\r\n\xb5\xf7\xb6\xc8\xcc\xa8",
        Says(200),
        Says(200),
    ),
    case(
        "line ends before",
        options!("\r\nOPTIONS sip:weir SIP/2.0", "{via}", ""),
        Says(200),
        Says(200),
    ),
    // Asked for what is not done here.
    case(
        "too many hops",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Max-Forwards: 0\r\n"),
        Says(483),
        Says(483),
    ),
    case(
        "an extension",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Require: foo\r\n"),
        Says(420),
        Says(420),
    ),
    case(
        "another scheme",
        options!("OPTIONS nobodyKnows:weir SIP/2.0", "{via}", ""),
        Says(416),
        Says(416),
    ),
    case(
        "another version",
        options!("OPTIONS sip:weir SIP/7.0", "{via}", ""),
        Says(505),
        Says(505),
    ),
    case(
        "a known method",
        concat!("SUBSCRIBE sip:weir SIP/2.0\r\n{via}\r\n", rest!("SUBSCRIBE")).as_bytes(),
        Says(405),
        Says(405),
    ),
    case(
        "an unknown method",
        concat!("RE!INVITE sip:weir SIP/2.0\r\n{via}\r\n", rest!("RE!INVITE")).as_bytes(),
        Says(501),
        Says(501),
    ),
    case(
        "a call",
        concat!("INVITE sip:1@weir SIP/2.0\r\n{via}\r\n", rest!("INVITE")).as_bytes(),
        Says(401),
        Says(401),
    ),
    case(
        "BYE to no call",
        concat!("BYE sip:1@weir SIP/2.0\r\n{via}\r\n", rest!("BYE")).as_bytes(),
        Says(481),
        Says(481),
    ),
    case(
        "CANCEL of nothing",
        concat!("CANCEL sip:1@weir SIP/2.0\r\n{via}\r\n", rest!("CANCEL")).as_bytes(),
        Says(481),
        Says(481),
    ),
    case(
        "ACK of nothing",
        concat!("ACK sip:1@weir SIP/2.0\r\n{via}\r\n", rest!("ACK")).as_bytes(),
        Silence,
        Silence,
    ),
    // Broken, and yet one knows whom to tell.
    case(
        "blanks in the line",
        options!("OPTIONS  sip:weir  SIP/2.0", "{via}", ""),
        Says(400),
        Says(400),
    ),
    case("no version", options!("OPTIONS sip:weir", "{via}", ""), Says(400), Says(400)),
    case(
        "angles round the URI",
        options!("OPTIONS <sip:weir> SIP/2.0", "{via}", ""),
        Says(400),
        Says(400),
    ),
    case(
        "no colon",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Nonsense\r\n"),
        Says(400),
        Says(400),
    ),
    case(
        "forwards of words",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Max-Forwards: many\r\n"),
        Says(400),
        Says(400),
    ),
    case(
        "another method in CSeq",
        options!("REGISTER sip:weir SIP/2.0", "{via}", ""),
        Says(400),
        Says(400),
    ),
    case(
        "CSeq out of range",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 36893488147419103232 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        Says(400),
        Says(400),
    ),
    case(
        "two lengths",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Content-Length: 5\r\n"),
        Says(400),
        Says(400),
    ),
    case(
        "a negative length",
        options!("OPTIONS sip:weir SIP/2.0", "{via}", "Content-Length: -99\r\n"),
        Says(400),
        Says(400),
    ),
    case(
        "a length beyond the datagram",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 9999\r\n\r\nshort",
        Says(400),
        Silence,
    ),
    case(
        "a body too large",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 4000000\r\n\r\n",
        Says(413),
        Says(413),
    ),
    case(
        "cut off",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <sip:a@weir>;tag=1\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Le",
        Says(400),
        Silence,
    ),
    case(
        "a From that is none",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nFrom: <\r\nTo: <sip:weir>\r\n\
          Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        Says(400),
        Says(400),
    ),
    // Nobody to tell.
    case("no Via", options!("OPTIONS sip:weir SIP/2.0", "Subject: x", ""), Silence, Silence),
    case(
        "a Via that leaves a quote open",
        options!("OPTIONS sip:weir SIP/2.0", "{via};x=\"", ""),
        Silence,
        Silence,
    ),
    case(
        "a Via without a host",
        options!("OPTIONS sip:weir SIP/2.0", "Via: SIP/2.0/UDP", ""),
        Silence,
        Silence,
    ),
    case(
        "no From",
        b"OPTIONS sip:weir SIP/2.0\r\n{via}\r\nTo: <sip:weir>\r\nCall-ID: {id}\r\n\
          CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        Silence,
        Silence,
    ),
    case(
        "an answer to nothing",
        concat!("SIP/2.0 200 OK\r\n{via}\r\n", rest!("OPTIONS")).as_bytes(),
        Silence,
        Silence,
    ),
    case(
        "a broken answer",
        concat!("SIP/2.0 2x0 OK\r\n{via}\r\n", rest!("OPTIONS")).as_bytes(),
        Silence,
        Silence,
    ),
    case("noise", b"\x00\xff\x80\r\n\x01\x02:\x03\r\n\r\n\xfe\xed", Silence, Silence),
    case("words", b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n", Silence, Silence),
    case("nothing", b"\r\n", Silence, Silence),
];

fn filled(text: &[u8], via: &str, id: &str) -> Vec<u8> {
    let mut out = text.to_vec();
    let value = via.trim_start_matches("Via: ");
    for (from, to) in [("{viavalue}", value), ("{via}", via), ("{id}", id)] {
        while let Some(at) = out.windows(from.len()).position(|w| w == from.as_bytes()) {
            out.splice(at..at + from.len(), to.bytes());
        }
    }
    out
}

async fn play(house: &House, case: &Case, over_tcp: bool) {
    let mut device = if over_tcp { house.tcp("a").await } else { house.udp("a").await };
    let via = device.via();
    let id = format!("{}-{}", device.local, case.name.len());
    let bytes = filled(case.text, &via, &id);
    device.send(&bytes).await;
    let name = case.name;
    match &case.then[usize::from(over_tcp)] {
        Silence => {
            let heard = device.heard(SILENT).await;
            let heard = heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            assert_eq!(heard, None, "{name}");
        }
        Says(code) => {
            let heard = device.heard(WITHIN).await;
            let answer = heard.unwrap_or_else(|| panic!("{name}, tcp {over_tcp}: no answer"));
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(
                text.starts_with(&format!("SIP/2.0 {code} ")),
                "{name}, tcp {over_tcp}: {text}"
            );
            assert!(text.contains(&id), "{name}: {text}");
            if name == "a name in GB18030" {
                let raw = b"From: \"\xb5\xf7\xb6\xc8\xcc\xa8\" <sip:a@weir>;tag=1\r\n";
                assert!(answer.windows(raw.len()).any(|w| w == raw), "the name came back changed");
            }
        }
    }
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_or_none_and_the_node_serves_on() {
    let house = House::open(&["5001"]).await;
    for case in CASES {
        for over_tcp in [false, true] {
            play(&house, case, over_tcp).await;
        }
        house.still_serves().await;
    }
    let counters = house.sip.counters();
    assert!(counters.dropped_unreadable >= 10 && counters.refused_malformed >= 20, "{counters:?}");
    assert!(counters.tcp_broken >= 8, "{counters:?}");
    // Someone honest has not suffered.
    house.speaker("5001").await;
    house.close().await;
}

#[tokio::test]
async fn what_is_giant_is_refused_and_not_kept() {
    let house = House::open(&["5001"]).await;
    for over_tcp in [false, true] {
        let mut device = if over_tcp { house.tcp("a").await } else { house.udp("a").await };
        let padding = format!("X: {}", "y".repeat(1_000));
        let fields = vec![padding.as_str(); 30];
        let giant = device.request("OPTIONS", &fields);
        device.send(giant.as_bytes()).await;
        assert!(device.hear().await.starts_with("SIP/2.0 513"), "tcp {over_tcp}");
        let many = vec!["X: y"; 200];
        let mut other = if over_tcp { house.tcp("a").await } else { house.udp("a").await };
        let many = other.request("OPTIONS", &many);
        other.send(many.as_bytes()).await;
        assert!(other.hear().await.starts_with("SIP/2.0 513"), "tcp {over_tcp}");
    }
    // A line that never ends.
    let mut endless = house.tcp("a").await;
    endless.send(&[b'x'; 40_000]).await;
    assert_eq!(endless.heard(WITHIN).await, None);
    house.still_serves().await;
    house.close().await;
}

#[tokio::test]
async fn a_stream_in_small_pieces_and_many_at_once_is_read_in_order() {
    let house = House::open(&["5001"]).await;
    let mut device = house.tcp("5001").await;
    let slowly = device.request("OPTIONS", &[]);
    for piece in slowly.as_bytes().chunks(7) {
        device.send(piece).await;
    }
    assert!(device.hear().await.starts_with("SIP/2.0 200"));
    let all: String = (0..5).map(|_| device.request("OPTIONS", &[])).collect();
    device.send(all.as_bytes()).await;
    for cseq in 2..7 {
        assert_eq!(field(&device.hear().await, "CSeq"), format!("{cseq} OPTIONS"));
    }
    // A keep-alive is answered (RFC 5626 §3.5.1).
    device.send(b"\r\n\r\n").await;
    assert_eq!(device.hear().await, "\r\n");
    house.close().await;
}

#[tokio::test]
async fn a_request_that_came_by_two_ways_is_done_once() {
    let house = House::open(&["5001"]).await;
    let mut device = house.udp("5001").await;
    let one = device.request("OPTIONS", &[]);
    device.send(one.as_bytes()).await;
    assert!(device.hear().await.starts_with("SIP/2.0 200"));
    let (old, new) = (field(&one, "Via"), device.via().replace("Via: ", ""));
    device.send(one.replace(&old, &new).as_bytes()).await;
    assert!(device.hear().await.starts_with("SIP/2.0 482"));
    house.close().await;
}

#[tokio::test]
async fn a_cancel_that_comes_after_the_answer_is_told_that_it_was_heard() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let invite = phone.request("INVITE", &[]);
    phone.send(invite.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 401"));
    phone.send(invite.replace("INVITE", "CANCEL").as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 200"));
    house.close().await;
}

#[tokio::test]
async fn our_own_request_that_comes_back_is_a_loop() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    speaker.send(invite.as_bytes()).await;
    let answer = speaker.hear().await;
    assert!(answer.starts_with("SIP/2.0 482"), "{answer}");
    drop(call);
}

#[tokio::test]
async fn a_device_without_rport_is_answered_where_its_via_says() {
    let house = House::open(&["5001"]).await;
    let mut device = house.udp("5001").await;
    let plain = device.request("OPTIONS", &[]).replace(";rport", "");
    device.send(plain.as_bytes()).await;
    let answer = device.hear().await;
    assert!(field(&answer, "Via").ends_with(";received=127.0.0.1"), "{answer}");
    // With it, its real port is told; what it claims of itself is not believed.
    let lying = device.request("OPTIONS", &[]).replace(";rport", ";rport;received=192.0.2.9");
    device.send(lying.as_bytes()).await;
    let via = field(&device.hear().await, "Via");
    assert!(via.ends_with(&format!(";received=127.0.0.1;rport={}", device.local.port())), "{via}");
    house.close().await;
}

#[tokio::test]
async fn an_ipv6_device_registers_and_is_called() {
    let listen = "[::1]:0".parse().unwrap();
    let house = House::at(listen, &["5403"], SipLimits::default(), Vec::new()).await;
    let mut speaker = house.speaker("5403").await;
    let _call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    assert!(invite.starts_with(&format!("INVITE sip:5403@{} ", speaker.local)), "{invite}");
    assert!(field(&invite, "Via").starts_with(&format!("SIP/2.0/UDP {};", house.sip.local())));
    speaker.answer(&invite, "603 Decline", "d", "").await;
    speaker.expect("ACK").await;
    house.close().await;
}

#[tokio::test]
async fn a_contact_that_cannot_be_called_is_refused_in_words() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let nonce = phone.challenge("REGISTER", Hash::Md5).await;
    for (nc, contact) in ["tel:5001", "<sip:>", "<sip:5001@h"].iter().enumerate() {
        let (contact, nc) = (format!("Contact: {contact}"), format!("{:08x}", nc + 1));
        let auth = phone.authorization("REGISTER", Hash::Md5, &nonce, &nc);
        let answer = phone.ask("REGISTER", &[&contact, &auth]).await;
        assert!(answer.starts_with("SIP/2.0 400"), "{contact}: {answer}");
        assert!(field(&answer, "Warning").contains("Contact"), "{answer}");
    }
    house.close().await;
}
