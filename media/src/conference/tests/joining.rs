//! One site: who joins, who is heard, who is asked first.

use super::*;

const TONES: [f64; 3] = [440.0, 700.0, 1_000.0];
const NUMBERS: [&str; 3] = ["5001", "5002", "5003"];
const NAMES: [&str; 3] = ["li", "wang", "zhao"];

fn members() -> Vec<Invited> {
    NAMES.iter().zip(NUMBERS).map(|(who, number)| person("HQ", who, &[number])).collect()
}

async fn three() -> (Site, Vec<Phone>) {
    let site = Site::open("HQ", &["5001", "5002", "5003", "5009"], &Net::default()).await;
    let mut phones = Vec::new();
    for (number, hz) in NUMBERS.iter().zip(TONES) {
        phones.push(site.phone(number, hz).await);
    }
    (site, phones)
}

async fn all_hear_all(phones: &[Phone]) {
    until("everybody hears all others and not himself", || {
        phones.iter().all(|phone| {
            let others: Vec<f64> = TONES.into_iter().filter(|hz| *hz != phone.hz).collect();
            phone.hears(&others) && phone.misses(&[phone.hz])
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_telephones_hear_each_other_and_not_themselves() {
    let (mut site, phones) = three().await;
    site.hold(ConferenceOrder { min_join: 3, min_by_ms: 20_000, ..order(members()) }).await;
    all_hear_all(&phones).await;
    assert!(
        phones[0].seen().from.contains("会商 conference\" <sip:6500@"),
        "{:?}",
        phones[0].seen()
    );
    assert_eq!(site.told.recv().await, Some(Report::Reached { joined: 3 }));
    until("levels are shown", || {
        let view = site.view().unwrap();
        view.members.iter().all(|member| member.speaks && member.level_dbfs.unwrap() > -30.0)
    })
    .await;
    assert_eq!(site.member("li").number.as_deref(), Some("5001"));

    // One is mute, another removed.
    assert!(site.conferences.order(7, Order::Mute { who: "li".into(), mute: true }, 1));
    until("li is not heard", || phones[1].misses(&[440.0]) && phones[0].hears(&[700.0])).await;
    assert!(site.member("li").muted && !site.member("li").speaks);
    site.conferences.order(7, Order::Remove { who: "zhao".into() }, 1);
    until("zhao is out", || !phones[2].seen().talks && phones[1].misses(&[1_000.0])).await;
    assert_eq!(site.state("zhao"), State::Removed);
    phones[2].call(ROOM).await;
    until("zhao is not let in", || phones[2].seen().refused.is_some()).await;
    assert!(phones[2].seen().refused.unwrap().starts_with("SIP/2.0 403"));
    site.conferences.order(7, Order::Mute { who: "li".into(), mute: false }, 1);
    site.conferences.order(7, Order::Redial { who: "zhao".into() }, 1);
    all_hear_all(&phones).await;

    site.conferences.order(7, Order::End, 1);
    until("all are hung up", || phones.iter().all(|phone| !phone.seen().talks)).await;
    until("nothing is left", || site.view().is_none()).await;
    assert!(!site.conferences.order(7, Order::Lock(true), 1));
    let mut news = Vec::new();
    while let Ok(one) = site.news.try_recv() {
        assert_eq!((one.conference, one.number.as_str()), (7, ROOM));
        news.push(one.record);
    }
    assert!(matches!(news.first(), Some(Record::Opened { .. })));
    assert!(matches!(news.last(), Some(Record::Ended { joined: 3, .. })), "{news:?}");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_asked_for_and_a_voice_mail_never_joins() {
    let (site, phones) = three().await;
    site.hold(ConferenceOrder { confirm: Some('1'), ..order(members()) }).await;
    until("all hear the question", || phones.iter().all(|phone| phone.hears(&[ASKING]))).await;
    assert!(phones.iter().all(|phone| phone.misses(&TONES)), "who is asked hears the room");
    assert!(site.member("li").asked);
    // An event in RTP, and INFO.
    phones[0].press(1);
    phones[1].info('1').await;
    until("two hear each other", || phones[0].hears(&[700.0]) && phones[1].hears(&[440.0])).await;
    until("the question is over", || phones[0].misses(&[ASKING])).await;
    // Zhao's voice-mail has heard the wrong key, if any.
    phones[2].press(7);
    assert!(phones[0].misses(&[1_000.0]), "somebody is heard before the key");
    until("zhao's voice-mail is hung up", || !phones[2].seen().talks).await;
    assert!(matches!(site.state("zhao"), State::NoAnswer | State::Ringing));
    assert_eq!(site.view().unwrap().joined, 2);
    // At the second try zhao is there.
    until("zhao is rung again", || phones[2].seen().rung == 2).await;
    until("zhao is asked", || phones[2].hears(&[ASKING])).await;
    phones[2].press(1);
    all_hear_all(&phones).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_calls_the_room_comes_in_until_it_is_locked() {
    let (site, phones) = three().await;
    phones[2].mood(Mood::Rings);
    phones[0].call(ROOM).await;
    until("no such room", || phones[0].seen().refused.is_some()).await;
    let refused = phones[0].seen().refused.unwrap();
    assert!(refused.starts_with("SIP/2.0 404") && refused.contains("no conference"), "{refused}");
    phones[1].call("7500").await;
    until("another site's room", || phones[1].seen().refused.is_some()).await;
    let refused = phones[1].seen().refused.unwrap();
    assert!(refused.starts_with("SIP/2.0 480") && refused.contains("R1"), "{refused}");

    phones.iter().take(2).for_each(|phone| phone.mood(Mood::Busy));
    site.hold(order(members())).await;
    until("two are busy", || site.state("li") == State::Busy && site.state("wang") == State::Busy)
        .await;
    phones[0].call(ROOM).await;
    phones[1].call(ROOM).await;
    until("both are in", || phones[0].hears(&[700.0]) && phones[1].hears(&[440.0])).await;
    assert_eq!(site.member("li").number.as_deref(), Some("5001"));

    // A stranger, and one whose telephone speaks nothing that is mixed.
    let stranger = site.phone("5009", 1_600.0).await;
    stranger.call(ROOM).await;
    until("a stranger is refused", || stranger.seen().refused.is_some()).await;
    assert!(stranger.seen().refused.unwrap().starts_with("SIP/2.0 403"));
    phones[1].hang_up().await;
    until("wang left", || site.state("wang") == State::Left).await;
    phones[1].call_with(ROOM, "9").await;
    until("G.722 alone is refused", || {
        phones[1].seen().refused.is_some_and(|refused| refused.starts_with("SIP/2.0 488"))
    })
    .await;
    site.conferences.order(7, Order::Lock(true), 1);
    until("locked", || site.view().unwrap().locked).await;
    phones[1].call(ROOM).await;
    until("locked out", || {
        phones[1].seen().refused.is_some_and(|refused| refused.starts_with("SIP/2.0 403"))
    })
    .await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_is_neither_heard_nor_hears() {
    let (site, phones) = three().await;
    site.hold(order(members())).await;
    all_hear_all(&phones).await;
    phones[0].offer("sendonly").await;
    until("li holds", || phones[1].misses(&[440.0]) && site.member("li").held).await;
    phones[0].offer("sendrecv").await;
    all_hear_all(&phones).await;
    assert!(!site.member("li").held);
    assert_eq!(site.state("li"), State::Joined);
    site.close().await;
}

/// Two telephones have registered the same number; a voice-mail answers on one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_second_on_the_same_number_gets_a_seat_of_its_own() {
    let (site, phones) = three().await;
    let twin = site.phone("5001", 850.0).await;
    until("two contacts", || {
        site.sip.bindings().borrow().iter().filter(|one| one.number == "5001").count() == 2
    })
    .await;
    let members = members()[..2].to_vec();
    site.hold(ConferenceOrder { confirm: Some('1'), ..order(members) }).await;
    phones[1].press(1);
    until("both are asked", || phones[0].hears(&[ASKING]) && twin.hears(&[ASKING])).await;
    assert_eq!(phones[0].seen().moved + twin.seen().moved, 1);
    phones[1].press(1);
    until("wang is in", || site.state("wang") == State::Joined).await;
    twin.press(1);
    until("the twin is in", || twin.hears(&[700.0]) && phones[1].hears(&[850.0])).await;
    until("the other is hung up", || !phones[0].seen().talks).await;
    assert_eq!(site.view().unwrap().joined, 2);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_stops_and_nobody_is_left_in_the_line() {
    let (site, phones) = three().await;
    phones[2].mood(Mood::Rings);
    site.hold(order(members())).await;
    until("two talk", || phones[0].hears(&[700.0]) && phones[2].seen().rung == 1).await;
    site.stop.cancel();
    until("all are hung up", || phones.iter().all(|phone| !phone.seen().talks)).await;
    site.close().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_with_words() {
    let site = Site::open("HQ", &[], &Net::default()).await;
    site.hold(order(Vec::new())).await;
    let again = |order| site.conferences.open(order, site.reports.clone());
    assert!(matches!(again(order(Vec::new())), Err(ConferenceError::Exists(7))));
    let same = ConferenceOrder { room: 8, ..order(Vec::new()) };
    assert!(matches!(again(same), Err(ConferenceError::RoomInUse(_))));
    let crowd = (0..=MEMBERS_MAX).map(|n| person("HQ", &format!("p{n}"), &[])).collect();
    let crowd = ConferenceOrder { room: 9, number: "6501".into(), ..order(crowd) };
    assert!(matches!(again(crowd), Err(ConferenceError::TooLarge)));
    for room in 1..CONFERENCES_MAX as u64 {
        let number = format!("x{room}");
        again(ConferenceOrder { room: 100 + room, number, ..order(Vec::new()) }).unwrap();
    }
    let more = ConferenceOrder { room: 99, number: "y".into(), ..order(Vec::new()) };
    assert!(matches!(again(more), Err(ConferenceError::TooMany)));
    site.close().await;
}
