//! How a link ends.

use super::*;
use crate::Unreachable;

#[tokio::test]
async fn closing_ends_every_task_and_tells_the_peers() {
    let (one, two) = two();
    one.say(N2, "hello").await.unwrap();
    let mut stream =
        one.link.open(N2, Class::Bulk, Urgency::Bulk, Bytes::new(), SOON).await.unwrap();
    assert_eq!(stream.recv().await.unwrap().unwrap(), "");
    assert_eq!(two.echo.open_streams.load(Ordering::SeqCst), 1);

    assert!(two.link.close().await, "every task ended");

    assert_eq!(two.link.tasks_left(), 0);
    assert_eq!(two.echo.open_streams.load(Ordering::SeqCst), 0);
    assert!(stream.recv().await.is_err());
    until("the peer knows", async || !one.link.peer(N2).unwrap().connected).await;
    let error = two.say(N1, "late").await.unwrap_err();
    assert_eq!(error, CallError::Unreachable { reason: Unreachable::LinkClosed });
}

#[tokio::test]
async fn an_answer_under_way_is_not_lost_by_closing() {
    let (one, two) = two();
    one.say(N2, "hello").await.unwrap();
    let body = Bytes::from(vec![1; 4 << 20]);
    let calling = one.link.call(N2, Class::Control, Urgency::Ordinary, body.clone(), SOON);
    let closing = async {
        until("it is being answered", async || two.echo.calls.load(Ordering::SeqCst) == 2).await;
        two.link.close().await
    };
    let (answer, closed) = tokio::join!(calling, closing);
    assert_eq!(answer.unwrap()[4..], body[..]);
    assert!(closed);
}

#[tokio::test]
async fn a_call_that_closing_cuts_off_is_unknown() {
    let ca = ca();
    let mut config = LinkConfig::new(identity(&ca, N2), anywhere());
    config.limits.drain = Duration::from_millis(100);
    let (one, two) = (start(identity(&ca, N1)), start_with(config));
    one.knows(N2, two.addr());
    let calling = one.say(N2, "never");
    let closing = async {
        until("it is being answered", async || two.echo.calls.load(Ordering::SeqCst) == 1).await;
        two.link.close().await;
    };
    let (answer, ()) = tokio::join!(calling, closing);
    assert!(!answer.unwrap_err().surely_not_processed());
}

#[tokio::test]
async fn dropping_the_last_handle_frees_the_ports() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let addr = node.addr();
    drop(node);
    until("the port is free again", async || std::net::UdpSocket::bind(addr).is_ok()).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let config = LinkConfig::new(identity(&ca, N2), node.addr());
    let refused = Link::bind(config, node.members.clone(), node.echo.clone());
    assert!(refused.unwrap_err().to_string().contains(&node.addr().to_string()));
}
