//! What strangers can do to those who belong here: nothing that lasts.

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::device::{Device, Hash};
use super::hub::{Input, Letter};
use super::*;

#[tokio::test]
async fn what_a_forger_sends_in_its_name_does_not_keep_a_speaker_out() {
    let limits = SipLimits { guesses: 3, guess_every_s: 3_600, ..SipLimits::default() };
    let house = House::with(&["5001", "5002"], limits, Vec::new()).await;
    let mut speaker = house.speaker("5001").await;
    // It is sent challenges at its own address, and writes the speaker's on what
    // it sends: to us the two are one source.
    let mut thief = Device::udp_from("127.0.0.2:0", house.sip.local(), "5001").await;
    let mut forger = house.udp("5001").await;
    forger.password = "guess".into();
    for _ in 0..10 {
        let stolen = thief.challenge("REGISTER", Hash::Md5).await;
        for nonce in [stolen.as_str(), "00000000000000000000000000000000", "x"] {
            let answer = forger.register(Hash::Md5, nonce, "00000001", 120).await;
            assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
            assert!(answer.contains("stale=true"), "{answer}");
        }
        let broken = forger.ask("REGISTER", &["Authorization: Digest realm"]).await;
        assert!(broken.starts_with("SIP/2.0 400"), "{broken}");
    }
    speaker.register_well().await;
    // Nor one that was never here.
    house.speaker("5002").await;
    assert_eq!(house.sip.counters().refused_guessing, 0);
    house.close().await;
}

#[tokio::test]
async fn who_guessed_too_often_is_still_sent_a_new_challenge_for_an_old_nonce() {
    let limits = SipLimits { guesses: 1, guess_every_s: 3_600, ..SipLimits::default() };
    let house = House::with(&["5001"], limits, Vec::new()).await;
    let mut thief = house.udp("5001").await;
    thief.password = "guess".into();
    let nonce = thief.challenge("REGISTER", Hash::Md5).await;
    assert!(thief.register(Hash::Md5, &nonce, "00000001", 120).await.contains(" 403 "));
    assert!(thief.register(Hash::Md5, &nonce, "00000002", 120).await.contains(" 503 "));
    // An old nonce says nothing about the password, right or wrong.
    for password in ["guess", "secret-5001"] {
        thief.password = password.into();
        let answer = thief.register(Hash::Md5, &"0".repeat(32), "00000001", 120).await;
        assert!(answer.starts_with("SIP/2.0 401") && answer.contains("stale=true"), "{answer}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_connection_that_says_no_more_is_closed_unless_its_device_registered() {
    let limits = SipLimits { stranger_silence_s: 1, ..SipLimits::default() };
    let house = House::with(&["5001"], limits, Vec::new()).await;
    let mut speaker = house.tcp("5001").await;
    speaker.register_well().await;
    let mut stranger = house.tcp("nobody").await;
    assert!(stranger.ask("OPTIONS", &[]).await.starts_with("SIP/2.0 200"));
    // A challenge alone, or a wrong password, is no registration.
    let mut guesser = house.tcp("5001").await;
    guesser.password = "guess".into();
    let nonce = guesser.challenge("REGISTER", Hash::Md5).await;
    assert!(guesser.register(Hash::Md5, &nonce, "00000001", 120).await.contains(" 403 "));
    for silent in [&mut stranger, &mut guesser] {
        assert_eq!(silent.heard(Duration::from_secs(5)).await, None);
    }
    house.until("closed", || house.sip.counters().tcp_broken == 2).await;
    // It was silent for longer than they were.
    assert!(speaker.ask("OPTIONS", &[]).await.starts_with("SIP/2.0 200"));
    house.close().await;
}

#[tokio::test]
async fn many_connections_of_one_source_have_the_rate_of_one() {
    let limits = SipLimits { messages_per_s: 1, messages_burst: 20, ..SipLimits::default() };
    let house = House::with(&["5001"], limits, Vec::new()).await;
    let mut flood = Vec::new();
    for _ in 0..10 {
        let mut device = house.tcp("nobody").await;
        let requests: String = (0..10).map(|_| device.request("OPTIONS", &[])).collect();
        device.send(requests.as_bytes()).await;
        flood.push(device);
    }
    house.until("taken", || house.sip.counters().received_tcp >= 20).await;
    // Datagrams have a bucket of their own.
    house.still_serves().await;
    let counters = house.sip.counters();
    assert!(counters.received_tcp <= 30, "{counters:?}");
    house.close().await;
}

#[tokio::test]
async fn connections_that_fill_the_queue_leave_room_for_datagrams() {
    let (hub, mut taken) = mpsc::channel(4);
    let (tally, limits) = (Arc::default(), SipLimits::default());
    let (places, stop) = (Arc::new(Semaphore::new(2)), CancellationToken::new());
    let door = Door { hub, places, tally, limits, clock: Clock::new(), stop };
    let closed = |flow| Input::Closed { flow };
    assert_eq!(door.hand_on(closed(1)).now_or_never(), Some(Some(())));
    assert_eq!(door.hand_on(closed(2)).now_or_never(), Some(Some(())));
    let mut waiting = Box::pin(door.hand_on(closed(3)));
    assert_eq!((&mut waiting).now_or_never(), None);
    for flow in [4, 5] {
        let datagram = Letter { input: closed(flow), place: None };
        assert!(door.hub.try_send(datagram).is_ok(), "{flow}");
    }
    // It goes on once the hub takes one.
    drop(taken.recv().await);
    assert_eq!((&mut waiting).now_or_never(), Some(Some(())));
}

#[tokio::test]
async fn a_new_password_throws_out_whoever_came_with_the_old_one() {
    let house = House::open(&["5001", "5002"]).await;
    let mut thief = house.speaker("5001").await;
    let _other = house.speaker("5002").await;
    let mut changed = accounts(&["5001", "5002"]).as_ref().clone();
    let (md5, sha256) = ha1("5001", REALM, "new");
    changed.by_number.insert("5001".into(), Account { md5, sha256 });
    house.accounts.send_replace(Arc::new(changed));
    house.until("thrown out", || !house.sip.registered("5001")).await;
    assert!(house.sip.registered("5002"), "a number with its old password was thrown out");
    let nonce = thief.challenge("REGISTER", Hash::Md5).await;
    assert!(thief.register(Hash::Md5, &nonce, "00000001", 120).await.contains(" 403 "));
    let mut owner = house.udp("5001").await;
    owner.password = "new".into();
    owner.register_well().await;
    house.until_registered("5001").await;
    house.close().await;
}

#[tokio::test]
async fn a_password_changed_while_the_node_was_down_throws_the_old_one_out() {
    let first = House::open(&["5001", "5002"]).await;
    let (_one, _two) = (first.speaker("5001").await, first.speaker("5002").await);
    let kept = first.sip.bindings().borrow().as_ref().clone();
    let written = serde_json::to_string(&kept).unwrap();
    first.close().await;
    let mut changed = accounts(&["5001", "5002"]).as_ref().clone();
    let (md5, sha256) = ha1("5001", REALM, "new");
    changed.by_number.insert("5001".into(), Account { md5, sha256 });
    for (mark, stays) in [(true, false), (false, true)] {
        // As an older version wrote it, without marks, nobody is thrown out.
        let mut lines: Vec<serde_json::Value> = serde_json::from_str(&written).unwrap();
        let drop_mark = |line: &mut serde_json::Value| line.as_object_mut()?.remove("mark");
        if !mark {
            assert!(lines.iter_mut().all(|line| drop_mark(line).is_some()));
        }
        let kept: Vec<KeptBinding> = serde_json::from_value(lines.into()).unwrap();
        let (_told, books) = watch::channel(Arc::new(changed.clone()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (arrivals, _calls) = mpsc::channel(1);
        let (listen, limits) = ("127.0.0.1:0".parse().unwrap(), SipLimits::default());
        let config = SipConfig {
            listen,
            realm: REALM.into(),
            algorithms: Algorithm::ALL.to_vec(),
            emergency: Vec::new(),
            limits,
        };
        let sip = Sip::start(config, books, kept, arrivals, &tasks, stop.clone()).await.unwrap();
        assert_eq!(sip.registered("5001"), stays, "mark {mark}");
        assert!(sip.registered("5002"));
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
