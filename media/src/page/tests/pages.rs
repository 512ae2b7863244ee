//! What is heard at the loudspeakers, and what is said of it.

use weir_model::directory::Evidence;
use weir_signaling::paging::{Failure, SpeakerState};

use super::street::PROMPT;
use super::*;

/// A frame of the clip of page `n`, not of the pause.
fn of_page(got: &[street::Got], n: u8) -> usize {
    got.iter().filter(|packet| packet.byte == n).count()
}

#[tokio::test(start_paused = true)]
async fn a_page_is_heard_at_every_horn_twice_with_a_pause() {
    let habits: Vec<(u16, Habit)> = (1_000..1_083).map(|number| (number, PROMPT)).collect();
    let numbers: Vec<u16> = habits.iter().map(|(number, _)| *number).collect();
    let site = Bench::new(&habits).await;
    let began = Instant::now();
    let page = site.page(order(1, &numbers));
    assert_eq!(ended(page).await, (EffectResult::Done, proof(Grade::Answered, 83, 83)));
    // Answered after 150 ms, then 0.5 + 0.5 + 0.5 s and the tail.
    assert!(began.elapsed() < Duration::from_millis(2_300), "{:?}", began.elapsed());
    site.until(|street| street.in_call() == 0).await;
    for number in numbers {
        let got = site.street.got(number);
        assert_eq!((of_page(&got, 1), got.len()), (50, 75), "{number}");
        assert!(got[0].marker && got[1..].iter().all(|packet| !packet.marker));
        assert!(got.iter().all(|packet| packet.payload_type == 8));
    }
    let counted = site.pager.counters();
    assert_eq!((counted.pages_done, counted.calls_placed), (1, 83));
    assert_eq!((counted.speakers_answered, counted.speakers_failed), (83, 0));
    assert_eq!((counted.packets_sent, counted.packets_unsent), (83 * 75, 0));
    site.stops().await;
}

/// One is busy twice, one rings for ever, one is dead, one is not registered.
#[tokio::test(start_paused = true)]
async fn one_horn_that_fails_holds_up_no_other() {
    let habits = [
        (11, PROMPT),
        (12, Habit::Busy { times: 2 }),
        (13, Habit::Rings),
        (14, Habit::Silent),
        (15, Habit::Offline),
    ];
    let site = Bench::new(&habits).await;
    let page = site.page(order(1, &[11, 12, 13, 14, 15]));
    assert_eq!(ended(page).await, (EffectResult::Done, proof(Grade::Answered, 2, 5)));
    assert_eq!(of_page(&site.street.got(11), 1), 50);
    assert_eq!(of_page(&site.street.got(12), 1), 50);
    assert_eq!(site.street.clashes(), 0);
    site.until(|street| street.in_call() == 0).await;
    let zones = site.pager.picture().borrow().clone();
    let last = zones[0].last.as_ref().unwrap();
    let states: Vec<SpeakerState> = last.speakers.iter().map(|speaker| speaker.state).collect();
    let failed = |why| SpeakerState::Failed { why, again: false };
    assert_eq!(states[..2], [SpeakerState::Played; 2]);
    assert_eq!(states[2], failed(Failure::OnlyRang));
    assert_eq!(states[3], failed(Failure::Silent));
    assert_eq!(states[4], failed(Failure::Unregistered));
    let soon = last.speakers[0].first_sound_ms.unwrap();
    assert!((150..400).contains(&soon), "{soon} ms");
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_horns_report_is_the_evidence() {
    let reports = Habit::Answers { after_ms: 150, codec: Codec::Pcma, reports: true };
    let site = Bench::new(&[(11, reports), (12, reports), (13, PROMPT)]).await;
    let wanting = |n, numbers: &[u16]| PageOrder {
        evidence: Some(Evidence { grade: Grade::Receiving, within_s: 8 }),
        repeat: 4,
        ..order(n, numbers)
    };
    let all = ended(site.page(wanting(1, &[11, 12]))).await;
    assert_eq!(all, (EffectResult::Done, proof(Grade::Receiving, 2, 2)));
    let (result, seen) = ended(site.page(wanting(2, &[11, 12, 13]))).await;
    assert_eq!(seen, proof(Grade::Receiving, 2, 3));
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains("horn-13"), "{why}");
    assert_eq!(site.pager.counters().speakers_receiving, 4);
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_stopped_falls_silent() {
    let site = Bench::new(&[(11, PROMPT), (12, Habit::Rings)]).await;
    let page = site.page(PageOrder { repeat: 20, ..order(1, &[11, 12]) });
    site.until(|street| of_page(&street.got(11), 1) > 5).await;
    site.pager.cease(&key(1));
    assert_eq!(ended(page).await, (EffectResult::Ceased, proof(Grade::Answered, 1, 2)));
    let heard = site.street.got(11).len();
    site.until(|street| street.hung_up().len() == 2).await;
    street::after(1_000).await;
    assert!(site.street.got(11).len() <= heard + 1);
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn an_evacuation_is_heard_instead_of_a_notice() {
    let site = Bench::new(&[(11, PROMPT)]).await;
    let notice = site.page(PageOrder { repeat: 20, ..order(1, &[11]) });
    site.until(|street| of_page(&street.got(11), 1) > 5).await;
    let red = site.page(PageOrder { priority: Priority::Evacuation, ..order(2, &[11]) });
    let (result, _) = ended(notice).await;
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains(&key(2).to_string()), "{why}");
    assert_eq!(ended(red).await, (EffectResult::Done, proof(Grade::Answered, 1, 1)));
    let got = site.street.got(11);
    let first = got.iter().position(|packet| packet.byte == 2).unwrap();
    assert_eq!(of_page(&got[first..], 1), 0, "the notice is not heard any more");
    assert_eq!((of_page(&got, 2), site.street.clashes()), (50, 0));
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_horn_that_drops_the_call_hears_the_page_from_the_start() {
    let site = Bench::new(&[(11, Habit::Drops { after_ms: 300 })]).await;
    let page = site.page(order(1, &[11]));
    assert_eq!(ended(page).await, (EffectResult::Done, proof(Grade::Answered, 1, 1)));
    assert_eq!(site.street.placed().len(), 2);
    assert!(of_page(&site.street.got(11), 1) >= 50 + 10);
    site.stops().await;
}

/// The horn's best codec is not held; of the two that are offered it takes the
/// second.
#[tokio::test(start_paused = true)]
async fn the_codec_that_the_horn_chose_is_what_it_gets() {
    let chooses = Habit::Answers { after_ms: 150, codec: Codec::Pcmu, reports: false };
    let site = Bench::new(&[(11, chooses)]).await;
    let clips = BTreeMap::from([sound(Codec::Pcma, 25, 1), sound(Codec::Pcmu, 25, 2)]);
    let speakers = vec![horn(11, &[Codec::G722, Codec::Pcma, Codec::Pcmu])];
    let page = site.page(PageOrder { clips, speakers, ..order(1, &[]) });
    assert_eq!(ended(page).await.0, EffectResult::Done);
    assert!(site.street.offers()[0].contains("RTP/AVP 8 0\r\n"), "{}", site.street.offers()[0]);
    let got = site.street.got(11);
    assert!(got.iter().all(|packet| packet.payload_type == 0));
    assert_eq!((of_page(&got, 2), of_page(&got, 1)), (50, 0));
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_horn_that_cannot_play_the_sound_is_not_called_and_not_counted() {
    let site = Bench::new(&[(11, PROMPT), (12, Habit::Nonsense)]).await;
    let speakers = vec![horn(11, &[Codec::Opus]), horn(12, &[Codec::Pcma])];
    let (result, _) = ended(site.page(PageOrder { speakers, ..order(1, &[]) })).await;
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains("horn-11 no codec for it"), "{why}");
    assert!(why.contains("horn-12 refused 488"), "{why}");
    assert_eq!(
        (site.street.placed(), site.street.hung_up()),
        (vec!["12".into()], vec!["12".into()])
    );
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_ordered_twice_is_played_once_and_both_are_told() {
    let site = Bench::new(&[(11, PROMPT)]).await;
    let first = site.page(order(1, &[11]));
    let second = site.page(order(1, &[11]));
    assert!(matches!(ended(second).await.0, EffectResult::Unknown { .. }), "it goes on");
    assert_eq!(ended(first).await.0, EffectResult::Done);
    let third = site.page(order(1, &[11]));
    assert_eq!(ended(third).await, (EffectResult::Done, proof(Grade::Answered, 1, 1)));
    assert_eq!(site.street.placed().len(), 1);
    // The same to who asks.
    assert_eq!(site.pager.ask(key(1)).await.0, EffectResult::Done);
    site.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_free_ports_says_that_it_cannot_call() {
    let street = Street::new(&[(11, PROMPT)]);
    let folder = tempfile::tempdir().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let config = |rtp: [u8; 4], first: u16| PagerConfig {
        rtp: rtp.into(),
        ports: first..=first + 1,
        notes: folder.path().join("calls.json"),
    };
    let dice = Dice::new(|bytes| bytes.fill(7));
    let nowhere = Pager::start(
        street.clone(),
        config([0, 0, 0, 0], 23_500),
        dice.clone(),
        &tasks,
        stop.clone(),
    );
    assert!(nowhere.await.is_err());
    let _taken = std::net::UdpSocket::bind("127.0.0.1:23500").unwrap();
    let pager = Pager::start(street, config([127, 0, 0, 1], 23_500), dice, &tasks, stop).await;
    let (done, page) = oneshot::channel();
    let pager = pager.unwrap();
    pager.page(order(1, &[11]), done);
    let (result, seen) = ended(page).await;
    let EffectResult::Unreachable { why } = result else { panic!("{result:?}") };
    assert!(why.contains("not callable from here"), "{why}");
    assert_eq!(seen, Proof { grade: None, reached: 0, of: 1, siren: false });
}
