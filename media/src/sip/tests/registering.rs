//! Registering: who gets in, who does not, and what strangers learn.

use super::device::{Hash, field, fields};
use super::*;

#[tokio::test]
async fn a_phone_registers_over_udp_and_tcp_with_either_hash_and_signs_off() {
    let house = House::open(&["5001", "5002"]).await;
    for hash in [Hash::Md5, Hash::Sha256] {
        for over_tcp in [false, true] {
            let mut phone =
                if over_tcp { house.tcp("5001").await } else { house.udp("5001").await };
            let nonce = phone.challenge("REGISTER", hash).await;
            let answer = phone.register(hash, &nonce, "00000001", 120).await;
            assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
            let contact = phone.contact().replace("Contact: ", "");
            assert!(fields(&answer, "Contact")[0].starts_with(&contact), "{answer}");
            house.until_registered("5001").await;
            let kept = house.sip.bindings().borrow()[0].clone();
            assert_eq!((kept.number.as_str(), kept.address), ("5001", phone.local));
            let gone = phone.register(hash, &nonce, "00000002", 0).await;
            assert!(gone.starts_with("SIP/2.0 200") && fields(&gone, "Contact").is_empty());
            house.until("gone", || !house.sip.registered("5001")).await;
        }
    }
    assert!(!house.sip.registered("5002"));
    house.close().await;
}

#[tokio::test]
async fn the_tenth_refresh_under_one_nonce_is_taken_as_hexadecimal() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let nonce = phone.challenge("REGISTER", Hash::Sha256).await;
    for nc in ["00000001", "00000009", "0000000a", "0000000B", "00000010"] {
        let answer = phone.register(Hash::Sha256, &nonce, nc, 120).await;
        assert!(answer.starts_with("SIP/2.0 200"), "{nc}: {answer}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_recorded_registration_cannot_be_played_again() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let nonce = phone.challenge("REGISTER", Hash::Md5).await;
    assert!(phone.register(Hash::Md5, &nonce, "00000001", 120).await.contains(" 200 "));
    // Someone else's packet with the same credentials.
    let mut thief = house.udp("5001").await;
    let answer = thief.register(Hash::Md5, &nonce, "00000001", 120).await;
    assert!(answer.starts_with("SIP/2.0 403 Forbidden\r\n"), "{answer}");
    assert_eq!(house.sip.counters().refused_replayed, 1);
    house.close().await;
}

#[tokio::test]
async fn the_same_packet_again_gets_the_same_answer_and_does_nothing() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let nonce = phone.challenge("REGISTER", Hash::Md5).await;
    let (contact, auth) =
        (phone.contact(), phone.authorization("REGISTER", Hash::Md5, &nonce, "00000001"));
    let packet = phone.request("REGISTER", &[&contact, &auth]);
    phone.send(packet.as_bytes()).await;
    let first = phone.hear().await;
    phone.send(packet.as_bytes()).await;
    assert_eq!(first, phone.hear().await);
    assert!(first.starts_with("SIP/2.0 200"));
    assert_eq!(house.sip.counters().retransmissions, 1);
    house.close().await;
}

#[tokio::test]
async fn a_stranger_cannot_tell_an_unknown_number_from_a_wrong_password() {
    let house = House::open(&["5001"]).await;
    let mut said = Vec::new();
    for number in ["5001", "9999"] {
        let mut phone = house.udp(number).await;
        phone.password = "guess".into();
        let nonce = phone.challenge("REGISTER", Hash::Sha256).await;
        let answer = phone.register(Hash::Sha256, &nonce, "00000001", 120).await;
        let names = answer.lines().filter_map(|line| line.split(':').next()).map(str::to_owned);
        said.push((answer.lines().next().unwrap().to_owned(), names.skip(1).collect::<Vec<_>>()));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0].0, "SIP/2.0 403 Forbidden");
    assert_eq!(house.sip.counters().refused_credentials, 2);
    house.close().await;
}

#[tokio::test]
async fn whoever_guesses_is_told_to_wait_and_a_phone_at_home_is_not_thrown_off() {
    let limits = SipLimits { guesses: 3, guess_every_s: 3_600, ..SipLimits::default() };
    let house = House::with(&["5001", "5002"], limits, Vec::new()).await;
    let mut phone = house.speaker("5001").await;
    let mut thief = house.udp("5002").await;
    thief.password = "guess".into();
    for guess in 0..5 {
        let nonce = thief.challenge("REGISTER", Hash::Md5).await;
        let answer = thief.register(Hash::Md5, &nonce, "00000001", 120).await;
        let expected = if guess < 3 { "SIP/2.0 403" } else { "SIP/2.0 503" };
        assert!(answer.starts_with(expected), "{guess}: {answer}");
    }
    // Now even the right password of a number that is not here has to wait …
    thief.password = "secret-5002".into();
    let nonce = thief.challenge("REGISTER", Hash::Md5).await;
    let answer = thief.register(Hash::Md5, &nonce, "00000001", 120).await;
    assert!(answer.starts_with("SIP/2.0 503"), "{answer}");
    assert_eq!(field(&answer, "Retry-After"), "3600");
    // … while the phone beside it refreshes as before.
    phone.register_well().await;
    assert_eq!(house.sip.counters().refused_guessing, 3);
    house.close().await;
}

#[tokio::test]
async fn what_is_asked_too_briefly_or_for_someone_else_is_refused_in_words() {
    let house = House::open(&["5001"]).await;
    let mut phone = house.udp("5001").await;
    let nonce = phone.challenge("REGISTER", Hash::Md5).await;
    let brief = phone.register(Hash::Md5, &nonce, "00000001", 5).await;
    assert!(brief.starts_with("SIP/2.0 423"), "{brief}");
    assert_eq!(field(&brief, "Min-Expires"), "60");
    let (contact, auth) =
        (phone.contact(), phone.authorization("REGISTER", Hash::Md5, &nonce, "00000002"));
    let other = phone.request("REGISTER", &[&contact, &auth]);
    let other = other.replace("To: <sip:5001@weir>", "To: <sip:5002@weir>");
    phone.send(other.as_bytes()).await;
    let answer = phone.hear().await;
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn registrations_survive_a_restart_udp_to_be_called_tcp_to_be_seen() {
    let first = House::open(&["5001", "5002"]).await;
    let mut udp = first.speaker("5001").await;
    let mut tcp = first.tcp("5002").await;
    tcp.register_well().await;
    first.until_registered("5002").await;
    let kept = first.sip.bindings().borrow().as_ref().clone();
    let listen = first.sip.local();
    first.close().await;
    let written = serde_json::to_string(&kept).unwrap();

    let kept: Vec<KeptBinding> = serde_json::from_str(&written).unwrap();
    assert_eq!(kept.len(), 2);
    let house = House::at(listen, &["5001", "5002"], SipLimits::default(), kept).await;
    assert!(house.sip.registered("5001") && !house.sip.registered("5002"));
    assert_eq!(house.sip.bindings().borrow().len(), 2);
    let refused = house.sip.call(page("5002")).await.unwrap_err();
    assert_eq!(refused, CallError::Unreachable("5002".into()));
    let mut call = house.sip.call(page("5001")).await.unwrap();
    let invite = udp.expect("INVITE").await;
    udp.answer(&invite, "486 Busy Here", "s1", "").await;
    udp.expect("ACK").await;
    assert!(matches!(next(&mut call).await, Some(CallEvent::Refused { code: 486, .. })));
    // The device comes back over a new connection.
    let mut back = house.tcp("5002").await;
    back.register_well().await;
    house.until_registered("5002").await;
    house.close().await;
}

#[tokio::test]
async fn a_number_struck_off_the_directory_is_gone_at_once() {
    let house = House::open(&["5001", "5002"]).await;
    let _one = house.speaker("5001").await;
    let _two = house.speaker("5002").await;
    house.accounts.send_replace(accounts(&["5002"]));
    house.until("struck off", || !house.sip.registered("5001")).await;
    assert!(house.sip.registered("5002"));
    house.close().await;
}

#[tokio::test]
async fn one_source_cannot_take_all_connections_and_a_silent_one_costs_no_service() {
    let limits = SipLimits { connections_per_source: 2, ..SipLimits::default() };
    let house = House::with(&["5001"], limits, Vec::new()).await;
    let mut first = house.tcp("5001").await;
    first.register_well().await;
    let _silent = house.tcp("5001").await;
    let mut third = house.tcp("5001").await;
    assert_eq!(third.heard(Duration::from_secs(3)).await, None);
    house.until("refused", || house.sip.counters().tcp_refused == 1).await;
    house.still_serves().await;
    house.close().await;
}

#[tokio::test]
async fn a_flood_from_one_source_is_dropped_unread() {
    let limits = SipLimits { messages_per_s: 1, messages_burst: 20, ..SipLimits::default() };
    let house = House::with(&["5001"], limits, Vec::new()).await;
    let mut flood = house.udp("5001").await;
    for _ in 0..100 {
        let request = flood.request("OPTIONS", &[]);
        flood.send(request.as_bytes()).await;
    }
    house.until("dropped", || house.sip.counters().dropped_rate >= 70).await;
    let counters = house.sip.counters();
    assert!(counters.requests_options <= 25, "{counters:?}");
    house.close().await;
}
