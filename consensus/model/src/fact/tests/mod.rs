//! Journals as they are written, damaged, shipped and merged.

mod chain;
mod merge;
#[cfg(feature = "planted")]
mod planted;

use super::*;
use crate::codec::encode;
use crate::id::{Incarnation, PersonId};

pub(super) fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

pub(super) fn note(text: &str) -> FactBody {
    FactBody::DutyNote { who: Some(PersonId::new("chen").unwrap()), text: text.into() }
}

/// One node's journal in the making.
pub(super) struct Writer {
    pub(super) chain: Chain,
    pub(super) written: Vec<Written>,
}

impl Writer {
    pub(super) fn new(node: u64, at: &str) -> Self {
        let (chain, began) =
            Chain::begin(site(at), NodeId(node), Incarnation(1), None, WallMs(5), 0).unwrap();
        Self { chain, written: vec![began] }
    }

    pub(super) fn write(&mut self, text: &str, seen: u64, parents: &[Place]) -> Written {
        let written = self.chain.next(note(text), WallMs(seen), seen, parents).unwrap();
        self.written.push(written.clone());
        written
    }

    pub(super) fn with(node: u64, at: &str, facts: u64) -> Self {
        let mut writer = Self::new(node, at);
        for n in 1..facts {
            writer.write(&format!("line {n}"), n, &[]);
        }
        writer
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        self.written.iter().map(|one| one.bytes.clone()).collect()
    }
}

/// Encodes a fact as somebody would who rewrites history.
pub(super) fn forged(fact: Fact) -> Written {
    let bytes = encode(&fact).unwrap();
    let head = Head { id: fact.id, hash: Fact::hash_of(&bytes) };
    Written { fact, bytes, head }
}

/// Journals outlive a release: what was written yesterday keeps its number, and
/// what is new stands behind it.
#[test]
fn an_old_journal_is_read_by_a_newer_release() {
    let number = |body: &FactBody| postcard::to_allocvec(body).unwrap()[0];
    assert_eq!(number(&FactBody::Began { after: None }), 0);
    assert_eq!(number(&FactBody::SoundsStaged { directory: 1, have: 1, of: 1 }), 14);
    assert_eq!(number(&note("kept")), 15);
    let call = crate::id::CallId([1; 16]);
    assert_eq!(number(&FactBody::CallChanged { call, held: true }), 17);
    let target = |target| postcard::to_allocvec(&target).unwrap()[0];
    assert_eq!(target(Target::Zone("5403".parse().unwrap())), 0);
    assert_eq!(target(Target::Person("li".parse().unwrap())), 1);
    assert_eq!(target(Target::Conference("5500".parse().unwrap())), 2);
    let conference = crate::id::ConferenceId(7);
    let (who, why) = ("li".to_owned(), LeaveReason::HungUp);
    let opened = FactBody::ConferenceOpened { conference, number: "5500".into(), by: None };
    let joined = FactBody::ConferenceJoined { conference, who: who.clone(), site: site("R3") };
    let left = FactBody::ConferenceLeft { conference, who, why };
    let ended = FactBody::ConferenceEnded { conference, joined: 3 };
    assert_eq!([opened, joined, left, ended].each_ref().map(number), [22, 23, 24, 25]);
}
