//! Nodes that are not what they say, or not of this cluster: each is refused, and
//! the one that dialled learns why.

use quinn::ClientConfig;

use super::*;
use crate::Refusal;
use crate::dial::refusal_in;
use crate::hello::{HELLO_BYTES, Hello};
use crate::names::node_name;

fn refusal(result: Result<Bytes, CallError>) -> Refusal {
    match result.unwrap_err() {
        CallError::Refused { reason } => reason,
        other => panic!("{other}"),
    }
}

/// A node whose parts do not belong together.
fn liar(parts: IdentityParts) -> Node {
    start(Arc::new(Identity::unchecked(parts)))
}

#[tokio::test]
async fn a_node_of_another_ca_is_not_spoken_with() {
    let (ours, theirs) = (start(identity(&ca(), N1)), start(identity(&ca(), N2)));
    ours.knows(N2, theirs.addr());
    assert_eq!(refusal(ours.say(N2, "hello").await), Refusal::WrongCa);
    assert_eq!(theirs.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_of_another_ca_does_not_open_our_door() {
    let (ours, theirs) = (ca(), ca());
    let node = start(identity(&ours, N1));
    // It even trusts our CA, so that its own checks pass.
    let ca_der = ours.certificate_der().to_vec();
    let forger = liar(IdentityParts { ca_der, ..parts(&theirs, N2) });
    forger.knows(N1, node.addr());
    assert_eq!(refusal(forger.say(N1, "hello").await), Refusal::WrongCa);
    assert_eq!(node.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_node_that_claims_another_id_than_its_certificate_is_refused() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let impostor = liar(IdentityParts { node: N3, ..parts(&ca, N2) });
    impostor.knows(N1, node.addr());
    assert_eq!(refusal(impostor.say(N1, "hello").await), Refusal::WrongNode);
    assert_eq!(node.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_node_at_the_address_is_not_taken_for_the_one_dialled() {
    let ca = ca();
    let (one, two) = (start(identity(&ca, N1)), start(identity(&ca, N2)));
    one.knows(N3, two.addr());
    assert_eq!(refusal(one.say(N3, "hello").await), Refusal::WrongNode);
    assert_eq!(two.echo.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_node_that_dials_itself_by_mistake_is_told() {
    let node = start(identity(&ca(), N1));
    node.knows(N1, node.addr());
    assert_eq!(refusal(node.say(N1, "hello").await), Refusal::WrongNode);
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let stranger = liar(IdentityParts { cluster: ClusterId([9; 16]), ..parts(&ca, N2) });
    stranger.knows(N1, node.addr());
    assert_eq!(refusal(stranger.say(N1, "hello").await), Refusal::OtherCluster);
}

#[tokio::test]
async fn a_node_that_is_no_member_or_was_revoked_is_refused_by_both_sides() {
    let (one, two) = two();
    two.members.deny(N1, Denied::NotAMember);
    assert_eq!(refusal(one.say(N2, "hello").await), Refusal::NotAMember);
    two.members.deny(N1, Denied::Revoked);
    assert_eq!(refusal(two.say(N1, "hello").await), Refusal::Revoked);
    let calls = |node: &Node| node.echo.calls.load(Ordering::SeqCst);
    assert_eq!((calls(&one), calls(&two)), (0, 0));
}

#[tokio::test]
async fn a_revoked_node_loses_the_connection_it_has() {
    let (one, two) = two();
    one.say(N2, "hello").await.unwrap();
    two.members.deny(N1, Denied::Revoked);
    two.link.recheck();
    until("the connection is gone", async || !one.link.peer(N2).unwrap().connected).await;
    assert_eq!(refusal(one.say(N2, "again").await), Refusal::Revoked);
}

#[tokio::test]
async fn a_certificate_that_ran_out_is_refused_by_whoever_sees_it() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    // Issued in 2001, for twenty years.
    let stale = parts_at(&ca, N2, WallMs(1_000_000_000_000));
    let stale = start(Arc::new(Identity::new(stale).unwrap()));
    node.knows(N2, stale.addr());
    stale.knows(N1, node.addr());
    assert_eq!(refusal(node.say(N2, "hello").await), Refusal::OutOfDate);
    assert_eq!(refusal(stale.say(N1, "hello").await), Refusal::OutOfDate);
}

/// Speaks QUIC and TLS well, and then says what it likes.
async fn hello_of(node: &Node, speaker: &Identity, hello: &[u8]) -> Option<Refusal> {
    let endpoint = quinn::Endpoint::client(anywhere()).unwrap();
    let config = ClientConfig::new(crate::tls::client(speaker).unwrap().config);
    let name = node_name(N1, CLUSTER);
    let connection = endpoint.connect_with(config, node.addr(), &name).unwrap().await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(hello).await.unwrap();
    send.finish().unwrap();
    refusal_in(&tokio::time::timeout(SOON, connection.closed()).await.unwrap())
}

#[tokio::test]
async fn a_hello_that_makes_no_sense_is_refused_and_harms_nobody() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let speaker = identity(&ca, N2);
    let hello = Hello { class: Class::Control, cluster: CLUSTER, node: N2, boot: 1 };
    let other_cluster = Hello { cluster: ClusterId([9; 16]), ..hello }.to_bytes();
    assert_eq!(hello_of(&node, &speaker, &other_cluster).await, Some(Refusal::OtherCluster));
    let other_node = Hello { node: N3, ..hello }.to_bytes();
    assert_eq!(hello_of(&node, &speaker, &other_node).await, Some(Refusal::WrongNode));
    let other_class = Hello { class: Class::Bulk, ..hello }.to_bytes();
    assert_eq!(hello_of(&node, &speaker, &other_class).await, Some(Refusal::OtherProtocol));
    for nonsense in [&[0xff; HELLO_BYTES][..], &[1; 3], &[]] {
        let refused = hello_of(&node, &speaker, nonsense).await;
        assert_eq!(refused, Some(Refusal::OtherProtocol), "{nonsense:?}");
    }
    let friend = start(speaker);
    friend.knows(N1, node.addr());
    assert_eq!(friend.say(N1, "hello").await.unwrap(), "n2: hello");
}

#[tokio::test]
async fn who_shows_no_certificate_gets_no_further_than_joining() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let endpoint = quinn::Endpoint::client(anywhere()).unwrap();
    let anonymous = crate::tls::anonymous(&identity(&ca, N2)).unwrap();
    let (config, name) = (ClientConfig::new(anonymous), node_name(N1, CLUSTER));
    let connection = endpoint.connect_with(config, node.addr(), &name).unwrap().await.unwrap();
    let closed = tokio::time::timeout(SOON, connection.closed()).await.unwrap();
    assert_eq!(refusal_in(&closed), Some(Refusal::NoCertificate));
}

#[test]
fn every_refusal_has_its_own_words_in_both_languages() {
    let all = [
        Refusal::WrongCa,
        Refusal::WrongNode,
        Refusal::OtherCluster,
        Refusal::NoCertificate,
        Refusal::OutOfDate,
        Refusal::BadCertificate,
        Refusal::NotAMember,
        Refusal::Revoked,
        Refusal::OtherProtocol,
    ];
    let words = |of: fn(Refusal) -> &'static str| {
        all.map(of).into_iter().collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((words(Refusal::en), words(Refusal::zh)), (all.len(), all.len()));
}
