//! A node that died in the middle of a page comes back and ends what it began.

use super::device::field;
use super::*;

/// Answers a call in a life that ends without a word.
async fn a_life_that_ends_badly(
    over_tcp: bool,
) -> (DialogNote, Vec<KeptBinding>, SocketAddr, Device) {
    let life = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let life = life.unwrap();
    let house = life.spawn(House::open(&["5403"])).await.unwrap();
    let mut speaker = if over_tcp { house.tcp("5403").await } else { house.udp("5403").await };
    speaker.register_well().await;
    house.until_registered("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    speaker.answer(&invite, "200 OK", "spk", "v=0\r\n").await;
    speaker.expect("ACK").await;
    let Some(CallEvent::Answered { note, .. }) = next(&mut call).await else {
        panic!("not answered")
    };
    let kept = house.sip.bindings().borrow().as_ref().clone();
    let crash = move || life.shutdown_timeout(Duration::from_secs(2));
    tokio::task::spawn_blocking(crash).await.unwrap();
    (note, kept, house.sip.local(), speaker)
}

#[tokio::test]
async fn a_restarted_node_ends_the_call_it_left_behind() {
    let (note, kept, listen, mut speaker) = a_life_that_ends_badly(false).await;
    let written = serde_json::to_string(&note).unwrap();
    let note: DialogNote = serde_json::from_str(&written).unwrap();
    let house = House::at(listen, &["5403"], SipLimits::default(), kept).await;
    let (ended, ()) = tokio::join!(house.sip.end_stale(&note), async {
        let bye = speaker.expect("BYE").await;
        assert_eq!(field(&bye, "CSeq"), "100001 BYE");
        assert_eq!(field(&bye, "Call-ID"), note.call_id);
        assert!(field(&bye, "To").ends_with(";tag=spk"), "{bye}");
        speaker.answer(&bye, "200 OK", "", "").await;
    });
    assert_eq!(ended, Ended::Done);
    // Asked again, the speaker knows nothing of it.
    let (ended, ()) = tokio::join!(house.sip.end_stale(&note), async {
        let bye = speaker.expect("BYE").await;
        speaker.answer(&bye, "481 Call/Transaction Does Not Exist", "", "").await;
    });
    assert_eq!(ended, Ended::WasOver);
    let began = tokio::time::Instant::now();
    assert_eq!(house.sip.end_stale(&note).await, Ended::Silent);
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
    house.close().await;
}

#[tokio::test]
async fn over_tcp_it_is_ended_once_the_device_is_back() {
    let (note, kept, listen, speaker) = a_life_that_ends_badly(true).await;
    drop(speaker);
    let house = House::at(listen, &["5403"], SipLimits::default(), kept).await;
    assert_eq!(house.sip.end_stale(&note).await, Ended::Unreachable);
    let mut back = house.tcp("5403").await;
    back.register_well().await;
    house.until_registered("5403").await;
    let (ended, ()) = tokio::join!(house.sip.end_stale(&note), async {
        let bye = back.expect("BYE").await;
        back.answer(&bye, "200 OK", "", "").await;
    });
    assert_eq!(ended, Ended::Done);
    house.close().await;
}
