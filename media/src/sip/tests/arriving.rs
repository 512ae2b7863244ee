//! Telephones that call in, over real sockets.

use super::device::{Device, Hash, field};
use super::*;

const OFFER: &str = "v=0\r\no=- 9 1 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 6000 RTP/AVP 8\r\n";
const ANSWER: &str = "v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 7000 RTP/AVP 8\r\n";
const HELD: &str = "v=0\r\no=- 9 2 IN IP4 127.0.0.1\r\ns=-\r\na=sendonly\r\n";

/// An INVITE to `to` with a password that is right.
async fn invite(phone: &mut Device, to: &str, fields: &str, offer: &str) -> String {
    let nonce = phone.challenge("INVITE", Hash::Md5).await;
    let (contact, auth) =
        (phone.contact(), phone.authorization("INVITE", Hash::Md5, &nonce, "00000001"));
    let text = phone.request("INVITE", &[&contact, &auth]);
    let own = format!("To: <sip:{}@weir>", phone.number);
    text.replace("INVITE sip:weir ", &format!("INVITE sip:{to}@weir;user=phone "))
        .replace(&own, &format!("To: <sip:{to}@weir>"))
        .replace(
            "Content-Length: 0\r\n\r\n",
            &format!(
                "{fields}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
                offer.len()
            ),
        )
}

/// Calls, and is told that the call is known.
async fn call(phone: &mut Device, to: &str) -> String {
    let text = invite(phone, to, "", OFFER).await;
    phone.send(text.as_bytes()).await;
    let trying = phone.hear().await;
    assert!(trying.starts_with("SIP/2.0 100 "), "{trying}");
    text
}

/// A request within the call that `invite` began and `ok` answered.
fn within(
    phone: &mut Device,
    invite: &str,
    ok: &str,
    method: &str,
    cseq: u32,
    body: &str,
) -> String {
    let (via, from, to) = (phone.via(), field(invite, "From"), field(ok, "To"));
    let (call_id, contact) = (field(invite, "Call-ID"), phone.contact());
    format!(
        "{method} sip:110@weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn cseq(invite: &str) -> u32 {
    field(invite, "CSeq").split(' ').next().unwrap().parse().unwrap()
}

/// A call that is up, with the INVITE and the 200.
async fn talking(house: &mut House, phone: &mut Device) -> (Call, String, String) {
    let text = call(phone, "110").await;
    let mut incoming = house.arrival().await;
    incoming.call.answer(ANSWER.into()).await;
    let ok = phone.hear().await;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    let ack = within(phone, &text, &ok, "ACK", cseq(&text), "");
    phone.send(ack.as_bytes()).await;
    let confirmed = Some(CallEvent::Confirmed { sdp: String::new() });
    assert_eq!(next(&mut incoming.call).await, confirmed);
    (incoming.call, text, ok)
}

#[tokio::test]
async fn a_telephone_calls_hears_early_media_talks_and_hangs_up() {
    let mut house = House::open(&["5001"]).await;
    for over_tcp in [false, true] {
        let mut phone = if over_tcp { house.tcp("5001").await } else { house.udp("5001").await };
        let text = call(&mut phone, "%31%310").await;
        let mut incoming = house.arrival().await;
        assert_eq!((incoming.from.as_str(), incoming.to.as_str()), ("5001", "110"));
        assert_eq!((incoming.offer.as_str(), incoming.max_forwards), (OFFER, 69));
        assert_eq!(incoming.source, phone.local);
        assert_eq!(incoming.call.note(), None);
        incoming.call.ring(183, Some(ANSWER.into())).await;
        let early = phone.hear().await;
        assert!(early.starts_with("SIP/2.0 183 ") && early.ends_with(ANSWER), "{early}");
        // It comes again: the last answer again, and no second call.
        phone.send(text.as_bytes()).await;
        assert_eq!(phone.hear().await, early);
        incoming.call.answer(ANSWER.into()).await;
        let ok = phone.hear().await;
        assert_eq!(field(&ok, "To"), field(&early, "To"));
        assert!(field(&ok, "Allow").contains("INFO"), "{ok}");
        let over = if over_tcp { ";transport=tcp" } else { "" };
        assert_eq!(field(&ok, "Contact"), format!("<sip:110@{}{over}>", house.sip.local()));
        phone.send(text.as_bytes()).await;
        assert_eq!(phone.hear().await, ok);
        let ack = within(&mut phone, &text, &ok, "ACK", cseq(&text), "");
        phone.send(ack.as_bytes()).await;
        let confirmed = CallEvent::Confirmed { sdp: String::new() };
        assert_eq!(next(&mut incoming.call).await, Some(confirmed));
        assert_eq!(incoming.call.note().unwrap().address, phone.local);
        let key = within(&mut phone, &text, &ok, "INFO", cseq(&text) + 1, "Signal=5");
        phone.send(key.replace("application/sdp", "application/dtmf-relay").as_bytes()).await;
        assert!(phone.hear().await.starts_with("SIP/2.0 200 "));
        let pressed =
            CallEvent::Info { kind: "application/dtmf-relay".into(), body: b"Signal=5".to_vec() };
        assert_eq!(next(&mut incoming.call).await, Some(pressed));
        let bye = within(&mut phone, &text, &ok, "BYE", cseq(&text) + 2, "");
        phone.send(bye.as_bytes()).await;
        assert!(phone.hear().await.starts_with("SIP/2.0 200 "));
        assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Ended { .. })));
        assert_eq!(next(&mut incoming.call).await, None);
    }
    let counters = house.sip.counters();
    assert_eq!((counters.calls_in, counters.calls_in_answered, counters.calls_now), (2, 2, 0));
    assert!(house.arrivals.try_recv().is_err(), "a second call came of one INVITE");
    house.close().await;
}

#[tokio::test]
async fn a_caller_that_gives_up_and_one_that_gives_up_too_late() {
    let mut house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let text = call(&mut phone, "110").await;
    let mut incoming = house.arrival().await;
    incoming.call.ring(180, None).await;
    let rings = phone.hear().await;
    let cancel = text.replace("INVITE", "CANCEL").replace(OFFER, "");
    let cancel = cancel.replace(&format!("Content-Length: {}", OFFER.len()), "Content-Length: 0");
    phone.send(cancel.as_bytes()).await;
    let both = [phone.hear().await, phone.hear().await];
    let of = |code: &str| both.iter().find(|text| text.starts_with(&format!("SIP/2.0 {code} ")));
    assert_eq!(field(of("200").unwrap(), "To"), field(&rings, "To"));
    assert_eq!(field(of("487").unwrap(), "CSeq"), field(&text, "CSeq"));
    let ack = text.replace("INVITE", "ACK").replace("To: <sip:110@weir>", "To: <sip:110@weir>;x");
    let ack = ack.replace("To: <sip:110@weir>;x", &format!("To: {}", field(&rings, "To")));
    phone.send(ack.as_bytes()).await;
    assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Ended { .. })));
    house.until("over", || house.sip.counters().calls_now == 0).await;

    let text = call(&mut phone, "110").await;
    let mut incoming = house.arrival().await;
    incoming.call.answer(ANSWER.into()).await;
    let ok = phone.hear().await;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    let cancel = text.replace("INVITE", "CANCEL").replace(OFFER, "");
    let cancel = cancel.replace(&format!("Content-Length: {}", OFFER.len()), "Content-Length: 0");
    phone.send(cancel.as_bytes()).await;
    let heard = phone.hear().await;
    assert!(heard.starts_with("SIP/2.0 200 ") && heard.contains(" CANCEL\r\n"), "{heard}");
    let ack = within(&mut phone, &text, &ok, "ACK", cseq(&text), "");
    phone.send(ack.as_bytes()).await;
    // It lives, until the phone's BYE.
    assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Confirmed { .. })));
    assert_eq!(house.sip.counters().calls_now, 1);
    let bye = within(&mut phone, &text, &ok, "BYE", cseq(&text) + 1, "");
    phone.send(bye.as_bytes()).await;
    assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Ended { .. })));
    assert_eq!(house.sip.counters().calls_in_cancelled, 1);
    house.close().await;
}

#[tokio::test]
async fn a_stranger_with_the_right_tags_ends_nothing() {
    let mut house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let (mut held, text, ok) = talking(&mut house, &mut phone).await;
    let mut stranger = Device::udp_from("127.0.0.9:0", house.sip.local(), "5001").await;
    for method in ["BYE", "INFO", "INVITE"] {
        let forged = within(&mut stranger, &text, &ok, method, 99, HELD);
        stranger.send(forged.as_bytes()).await;
        let answer = stranger.hear().await;
        assert!(answer.starts_with("SIP/2.0 481 "), "{answer}");
    }
    // Nor from the right place with a tag that is not its own.
    let other = text.replace(";tag=dev", ";tag=other");
    let forged = within(&mut phone, &other, &ok, "BYE", 99, "");
    phone.send(forged.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 481 "));
    assert_eq!(house.sip.counters().calls_strangers, 3);
    assert_eq!(house.sip.counters().calls_now, 1);
    let hold = within(&mut phone, &text, &ok, "INVITE", cseq(&text) + 1, HELD);
    phone.send(hold.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 100 "));
    assert_eq!(next(&mut held).await, Some(CallEvent::Changed { sdp: HELD.into() }));
    held.agree(ANSWER.into()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 200 "));
    house.close().await;
}

#[tokio::test]
async fn without_its_password_nobody_calls_and_none_calls_as_another() {
    let mut house = House::open(&["5001", "5002"]).await;
    let mut thief = house.udp("5001").await;
    thief.password = "guess".into();
    let text = invite(&mut thief, "110", "", OFFER).await;
    thief.send(text.as_bytes()).await;
    assert!(thief.hear().await.starts_with("SIP/2.0 403 "));
    // From says 5002, the password is 5001's.
    let mut phone = house.udp("5001").await;
    let text = invite(&mut phone, "110", "", OFFER).await;
    let text = text.replace("From: <sip:5001@", "From: <sip:5002@");
    phone.send(text.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 100 "));
    assert_eq!(house.arrival().await.from, "5001");
    // Its owner let go of it.
    let refused = phone.hear().await;
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    house.close().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_at_once() {
    let limits = SipLimits { calls_per_number: 1, ..SipLimits::default() };
    let mut house = House::with(&["5001"], limits, Vec::new()).await;
    let mut phone = house.udp("5001").await;
    let cases = [
        ("110", "Supported: timer\r\nSession-Expires: 60\r\n", "422"),
        ("110", "Require: 100rel\r\n", "420"),
        ("%0a", "", "484"),
    ];
    for (to, fields, code) in cases {
        let text = invite(&mut phone, to, fields, OFFER).await;
        phone.send(text.as_bytes()).await;
        let answer = phone.hear().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{answer}");
    }
    let text = invite(&mut phone, "110", "", OFFER).await;
    phone.send(text.replace("application/sdp", "text/plain").as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 415 "));
    let text = call(&mut phone, "110").await;
    let incoming = house.arrival().await;
    // The same by another way, and a second one that cannot wait.
    let via = field(&text, "Via");
    let (at, _) = via.split_once(";branch=").unwrap();
    let other = text.replace(&via, &format!("{at};branch=z9hG4bKother;rport"));
    phone.send(other.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 482 "));
    let (from, cseq) = (field(&text, "From"), field(&text, "CSeq"));
    let again = invite(&mut phone, "110", "", OFFER).await;
    let again = again.replace(&field(&again, "From"), &from);
    phone.send(again.as_bytes()).await;
    let later = phone.hear().await;
    assert!(later.starts_with("SIP/2.0 500 "), "{later} after {cseq}");
    assert!(field(&later, "Retry-After").parse::<u32>().unwrap() <= 10);
    // One call more than a number may make.
    let text = invite(&mut phone, "110", "", OFFER).await;
    phone.send(text.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 486 "));
    let mut incoming = incoming;
    incoming.call.refuse(404, "无此号码 / no such number").await;
    assert_eq!(next(&mut incoming.call).await, None);
    let refused = phone.hear().await;
    assert!(refused.starts_with("SIP/2.0 404 "), "{refused}");
    // In no call that we know.
    let gone = within(&mut phone, &text, &refused, "INVITE", 70, OFFER);
    phone.send(gone.replace(";tag=", ";tag=no").as_bytes()).await;
    assert!(phone.expect("SIP/2.0 481").await.contains(" INVITE\r\n"));
    let info = phone.request("INFO", &[]);
    phone.send(info.as_bytes()).await;
    assert!(phone.expect("SIP/2.0 481").await.contains(" INFO\r\n"));
    house.close().await;
}

#[tokio::test]
async fn a_full_house_says_when_to_try_again() {
    let limits = SipLimits { calls: 1, ..SipLimits::default() };
    let mut house = House::with(&["5001"], limits, Vec::new()).await;
    let mut phone = house.udp("5001").await;
    call(&mut phone, "110").await;
    let first = house.arrival().await;
    let text = invite(&mut phone, "110", "", OFFER).await;
    phone.send(text.as_bytes()).await;
    let full = phone.hear().await;
    assert!(full.starts_with("SIP/2.0 503 ") && full.contains("Retry-After: "), "{full}");
    assert_eq!(house.sip.counters().calls_in_too_many, 1);
    drop(first);
    assert!(phone.hear().await.starts_with("SIP/2.0 503 "));
    house.until("over", || house.sip.counters().calls_now == 0).await;
    // Nobody takes calls any more.
    house.arrivals.close();
    let text = invite(&mut phone, "110", "", OFFER).await;
    phone.send(text.as_bytes()).await;
    assert!(phone.expect("SIP/2.0 503").await.contains("Retry-After: "));
    house.close().await;
}

#[tokio::test]
async fn our_change_and_our_bye_go_where_its_packets_come_from() {
    let mut house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    // Behind a NAT: its Contact is an address that leads nowhere.
    let text = invite(&mut phone, "110", "", OFFER).await;
    let contact = format!("<sip:5001@{}>", phone.local);
    let text = text.replace(&contact, "<sip:5001@192.0.2.200:9>");
    phone.send(text.as_bytes()).await;
    assert!(phone.hear().await.starts_with("SIP/2.0 100 "));
    let mut incoming = house.arrival().await;
    incoming.call.answer(ANSWER.into()).await;
    let ok = phone.hear().await;
    let ack = within(&mut phone, &text, &ok, "ACK", cseq(&text), "");
    phone.send(ack.as_bytes()).await;
    assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Confirmed { .. })));
    incoming.call.change(HELD.into()).await;
    let change = phone.expect("INVITE").await;
    assert!(change.starts_with("INVITE sip:5001@192.0.2.200:9 ") && change.ends_with(HELD));
    phone.answer(&change, "200 OK", "", OFFER).await;
    assert_eq!(next(&mut incoming.call).await, Some(CallEvent::Agreed { sdp: OFFER.into() }));
    phone.expect("ACK").await;
    tokio::join!(incoming.call.hang_up(), async {
        let bye = phone.expect("BYE").await;
        assert_eq!(field(&bye, "From"), field(&ok, "To"));
        phone.answer(&bye, "200 OK", "", "").await;
    });
    assert_eq!(house.sip.counters().calls_now, 0);
    house.close().await;
}

#[tokio::test]
async fn a_telephone_whose_connection_breaks_is_out_of_the_call() {
    let mut house = House::open(&["5001"]).await;
    let mut phone = house.tcp("5001").await;
    let (mut held, _, _) = talking(&mut house, &mut phone).await;
    drop(phone);
    assert!(matches!(next(&mut held).await, Some(CallEvent::Ended { .. })));
    house.close().await;
}

#[tokio::test]
async fn three_hundred_telephones_call_at_once() {
    let limits = SipLimits { calls_per_number: 400, messages_per_s: 5_000, ..SipLimits::default() };
    let mut house = House::with(&["5001"], limits, Vec::new()).await;
    let began = tokio::time::Instant::now();
    let (mut phones, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let mut phone = house.udp("5001").await;
        let text = call(&mut phone, "110").await;
        phones.push((phone, text));
        calls.push(house.arrival().await);
    }
    assert_eq!(house.sip.counters().calls_now, 300);
    for incoming in &calls {
        incoming.call.answer(ANSWER.into()).await;
    }
    for (phone, text) in &mut phones {
        let ok = phone.hear().await;
        assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
        let ack = within(phone, text, &ok, "ACK", cseq(text), "");
        phone.send(ack.as_bytes()).await;
    }
    for incoming in &mut calls {
        assert!(matches!(next(&mut incoming.call).await, Some(CallEvent::Confirmed { .. })));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(calls);
    for (phone, _) in &mut phones {
        let bye = phone.expect("BYE").await;
        phone.answer(&bye, "200 OK", "", "").await;
    }
    house.until("over", || house.sip.counters().calls_now == 0).await;
    house.close().await;
}

#[tokio::test]
async fn every_contact_of_a_number_is_called_and_a_gateway_is_told_what_to_dial() {
    let house = House::open(&["5403"]).await;
    let mut phones = vec![house.speaker("5403").await, house.speaker("5403").await];
    let local = phones[1].local;
    house.until("both", || house.sip.bindings().borrow().iter().any(|b| b.address == local)).await;
    let dial = Some("13800138000".to_owned());
    let outgoing = Outgoing { dial, max_forwards: 12, ..page("5403") };
    let calls = house.sip.call_all(outgoing).await.unwrap();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].id(), calls[1].id());
    for phone in &mut phones {
        let invite = phone.expect("INVITE").await;
        let begins = format!("INVITE sip:13800138000@{} SIP/2.0\r\n", phone.local);
        assert!(invite.starts_with(&begins), "{invite}");
        assert_eq!(field(&invite, "To"), "<sip:13800138000@weir>");
        assert_eq!(field(&invite, "Max-Forwards"), "12");
        assert_eq!(field(&invite, "P-Asserted-Identity"), "<sip:5400@weir>");
        phone.answer(&invite, "486 Busy Here", "b", "").await;
    }
    house.until("over", || house.sip.counters().calls_now == 0).await;
    house.close().await;
}

#[tokio::test]
async fn a_text_is_sent_and_its_answer_told() {
    let house = House::open(&["5001"]).await;
    let nobody = house.sip.message("5001", "5400", "", "x").await;
    assert_eq!(nobody, Err(MessageError::NotRegistered));
    let mut phone = house.speaker("5001").await;
    for (status, code) in [("200 OK", 200), ("407 Proxy Authentication Required", 407)] {
        let (told, ()) =
            tokio::join!(house.sip.message("5001", "5400", "调度台", "水位上涨"), async {
                let text = phone.expect("MESSAGE").await;
                assert_eq!(field(&text, "Content-Type"), "text/plain;charset=UTF-8");
                assert!(text.ends_with("\r\n\r\n水位上涨"), "{text}");
                // It comes again until it is answered.
                assert_eq!(phone.expect("MESSAGE").await, text);
                phone.answer(&text, status, "m", "").await;
            });
        assert_eq!(told, Ok(code));
    }
    let long = house.sip.message("5001", "5400", "", &"长".repeat(1_000)).await;
    assert_eq!(long, Err(MessageError::TooLarge));
    // None is taken.
    let theirs = phone.ask("MESSAGE", &[]).await;
    assert!(theirs.starts_with("SIP/2.0 405 "), "{theirs}");
    house.close().await;
}
