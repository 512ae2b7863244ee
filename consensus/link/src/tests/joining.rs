//! Newcomers, and what is kept on disk.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{FolderError, IdentityError, JoinError, PublicKey, Token, join, verify};

const PATIENCE: Duration = Duration::from_secs(5);
const PLEASE: Bytes = Bytes::from_static(b"please");

fn token(ca: &Ca, addresses: Vec<SocketAddr>) -> Token {
    Token::create(ca.cluster(), ca.fingerprint(), addresses, now().plus_ms(60_000)).unwrap()
}

#[tokio::test]
async fn a_newcomer_with_a_token_is_heard() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let token = token(&ca, vec![node.addr()]);
    assert_eq!(join(&token, PLEASE, PATIENCE).await.unwrap(), "welcome");
}

#[tokio::test]
async fn a_newcomer_is_told_why_the_cluster_refused() {
    let ca = ca();
    let node = start(identity(&ca, N1));
    let token = token(&ca, vec![node.addr()]);
    let refused = join(&token, Bytes::from_static(b"again"), PATIENCE).await;
    assert_eq!(refused, Err(JoinError::Denied("the token was used; create a new one".into())));
}

#[tokio::test]
async fn a_newcomer_does_not_talk_to_a_node_of_another_ca() {
    let (ours, theirs) = (ca(), ca());
    let node = start(identity(&theirs, N1));
    let refused = join(&token(&ours, vec![node.addr()]), PLEASE, PATIENCE).await;
    assert_eq!(refused, Err(JoinError::WrongCa { at: node.addr() }));
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_does_not_answer() {
    let ca = ca();
    let (dead, node) = (start(identity(&ca, N1)), start(identity(&ca, N2)));
    let addresses = vec![dead.addr(), node.addr()];
    assert!(dead.link.close().await);
    let token = token(&ca, addresses);
    let brief = Duration::from_millis(500);
    assert_eq!(join(&token, PLEASE, brief).await.unwrap(), "welcome");
    assert!(node.link.close().await);
    let silence = join(&token, PLEASE, brief).await;
    assert!(matches!(silence, Err(JoinError::NoAnswer { .. })), "{silence:?}");
}

#[test]
fn an_identity_reads_back_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let ca = ca();
    let identity = identity(&ca, N2);
    identity.save(folder.path()).unwrap();
    let loaded = Identity::load(folder.path()).unwrap();
    assert_eq!(loaded.node(), N2);
    assert_eq!((loaded.name(), loaded.site()), (identity.name(), identity.site()));
    assert_eq!(loaded.fingerprint(), identity.fingerprint());
    assert_eq!(loaded.ca_fingerprint(), ca.fingerprint());
    let signature = loaded.sign(b"page 5403");
    assert!(verify(identity.certificate_der(), b"page 5403", &signature).is_ok());
    assert!(verify(identity.certificate_der(), b"page 5404", &signature).is_err());
}

#[test]
fn a_ca_reads_back_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let created = ca();
    created.save(folder.path()).unwrap();
    identity(&created, N1).save(folder.path()).unwrap();
    let loaded = Ca::load(folder.path()).unwrap();
    assert_eq!(loaded.fingerprint(), created.fingerprint());
    let issued = parts(&loaded, N3);
    assert!(Identity::new(issued).is_ok());
    assert!(matches!(ca().save(folder.path()), Err(FolderError::Exists { .. })));
    let foreign = identity(&ca(), N1).save(folder.path());
    assert!(matches!(foreign, Err(FolderError::Exists { .. })));
    assert_eq!(Ca::load(folder.path()).unwrap().fingerprint(), created.fingerprint());
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    identity(&ca(), N1).save(folder.path()).unwrap();
    let key = folder.path().join("node.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Identity::load(folder.path()), Err(FolderError::Exposed { .. })));
}

#[test]
fn parts_that_do_not_belong_together_are_no_identity() {
    let ca = ca();
    let other_key = IdentityParts { key: SecretKey::generate().unwrap(), ..parts(&ca, N1) };
    assert_eq!(Identity::new(other_key).unwrap_err(), IdentityError::OtherKey);
    let other_node = IdentityParts { node: N3, ..parts(&ca, N1) };
    assert_eq!(Identity::new(other_node).unwrap_err(), IdentityError::OtherNode(N3));
    let cluster = ClusterId([9; 16]);
    let other_cluster = IdentityParts { cluster, ..parts(&ca, N1) };
    assert_eq!(Identity::new(other_cluster).unwrap_err(), IdentityError::OtherCluster(cluster));
}

#[test]
fn a_certificate_speaks_for_the_key_it_was_issued_for() {
    let parts = parts(&ca(), N1);
    let certified = PublicKey::from_certificate_der(&parts.certificate_der);
    assert_eq!(certified, Ok(parts.key.public()));
}
