//! Requests and answers between nodes that trust each other.

use super::*;
use crate::{FRAME_MAX_BYTES, Unreachable};

#[tokio::test]
async fn two_nodes_ask_and_answer_each_other_on_every_class() {
    let (one, two) = two();
    assert_eq!(one.say(N2, "hello").await.unwrap(), "n1: hello");
    assert_eq!(two.say(N1, "hello").await.unwrap(), "n2: hello");
    let (bulk, body) = (Class::Bulk, Bytes::from(vec![7; 3 << 20]));
    let answer = one.link.call(N2, bulk, Urgency::Bulk, body.clone(), SOON).await.unwrap();
    assert_eq!(answer[4..], body[..]);
}

#[tokio::test]
async fn the_answering_node_calls_back_over_the_same_connection() {
    let ca = ca();
    let (hub, site) = (start(identity(&ca, N1)), start(identity(&ca, N2)));
    site.knows(N1, hub.addr());
    assert!(matches!(hub.say(N2, "early").await, Err(CallError::Unreachable { .. })));
    site.say(N1, "hello").await.unwrap();
    // The hub has no address of the site and needs none.
    assert_eq!(hub.say(N2, "back").await.unwrap(), "n1: back");
    assert_eq!(hub.link.peer(N2).unwrap().connections, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_all_come_back() {
    let (one, _two) = two();
    let calls = (0..1_000).map(|number| {
        let link = one.link.clone();
        async move {
            let body = Bytes::from(format!("{number}"));
            let answer = link.call(N2, Class::Control, Urgency::Ordinary, body, SOON).await;
            assert_eq!(answer.unwrap(), format!("n1: {number}"));
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(one.link.peer(N2).unwrap().connections, 1);
}

#[tokio::test]
async fn an_unanswered_call_is_unknown_and_not_a_failure() {
    let (one, two) = two();
    let error = one.say_within(N2, "never", Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error, CallError::TimedOut);
    assert!(!error.surely_not_processed());
    assert_eq!(two.echo.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dead_address_is_reported_at_once_after_the_first_try() {
    let (one, two) = two();
    let gone = two.addr();
    assert!(two.link.close().await);
    one.knows(N2, gone);
    let first = one.say(N2, "hello").await.unwrap_err();
    assert!(first.surely_not_processed(), "{first}");
    let began = std::time::Instant::now();
    let second = one.say(N2, "hello").await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    let Unreachable::BackingOff { .. } = unreachable_reason(second) else {
        panic!("the second call dialled again");
    };
}

fn unreachable_reason(error: CallError) -> Unreachable {
    match error {
        CallError::Unreachable { reason } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_second_address_serves_when_the_first_is_dead() {
    let (one, two) = two();
    let dead = start(identity(&ca(), N3));
    let addrs = vec![dead.addr(), two.addr()];
    assert!(dead.link.close().await);
    one.link.set_peers(vec![PeerAddress { id: N2, addrs, satellite: None }]).unwrap();
    assert_eq!(one.say(N2, "hello").await.unwrap(), "n1: hello");
}

#[tokio::test]
async fn a_message_that_is_too_long_never_leaves() {
    let (one, two) = two();
    let body = Bytes::from(vec![0; FRAME_MAX_BYTES + 1]);
    let error = one.link.call(N2, Class::Bulk, Urgency::Bulk, body, SOON).await.unwrap_err();
    let max = FRAME_MAX_BYTES;
    assert_eq!(unreachable_reason(error), Unreachable::TooLong { len: max + 1, max });
    assert_eq!(two.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn both_may_dial_at_the_same_moment_and_one_connection_stays() {
    let (one, two) = two();
    let (first, second) = tokio::join!(one.say(N2, "a"), two.say(N1, "b"));
    assert_eq!((first.unwrap(), second.unwrap()), ("n1: a".into(), "n2: b".into()));
    until("one connection is left", async || {
        one.retire_spares_now();
        two.retire_spares_now();
        one.connections() == 1 && two.connections() == 1
    })
    .await;
    assert_eq!(one.say(N2, "c").await.unwrap(), "n1: c");
    assert_eq!(two.say(N1, "d").await.unwrap(), "n2: d");
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

#[tokio::test]
async fn a_status_shows_when_a_peer_was_heard_and_how_far_it_is() {
    let (one, _two) = two();
    assert!(!one.link.peer(N2).unwrap().connected);
    one.say(N2, "hello").await.unwrap();
    let status = one.link.peer(N2).unwrap();
    assert!(status.connected);
    assert!(status.rtt.unwrap() > Duration::ZERO);
    assert!(status.last_heard.unwrap().elapsed() < SOON);
    assert!(status.traffic.sent_bytes > 1_200 && status.traffic.received_bytes > 1_200);
    assert_eq!(one.link.peer(N3), None);
}
