//! Writing a journal, and reading it back after somebody was at it.

use proptest::prelude::*;

use super::*;
use crate::codec::decode;

fn broken(records: &[Vec<u8>], known: Option<&Head>) -> Broken {
    verify(records, known).unwrap_err()
}

#[test]
fn a_journal_reads_back_as_it_was_written() {
    let writer = Writer::with(1, "R3", 6);
    assert_eq!(verify(writer.bytes(), None), Ok(writer.chain.head().clone()));
    assert_eq!(verify(writer.bytes(), Some(writer.chain.head())), Ok(writer.chain.head().clone()));
    assert_eq!(broken(&[], None).what, What::Empty);
}

#[test]
fn a_missing_fact_is_named() {
    let writer = Writer::with(1, "R3", 8);
    let mut records = writer.bytes();
    records.drain(3..5);
    let found = broken(&records, None);
    assert_eq!((found.position, found.what), (3, What::Missing { from: 4, to: 5 }));
    let found = broken(&writer.bytes()[1..], None);
    assert_eq!((found.position, found.what), (0, What::Missing { from: 1, to: 1 }));
    let found = broken(&writer.bytes()[..6], Some(writer.chain.head()));
    assert_eq!((found.position, found.what), (6, What::Missing { from: 7, to: 8 }));
}

#[test]
fn a_swap_is_named() {
    let mut records = Writer::with(1, "R3", 6).bytes();
    records.swap(2, 3);
    let found = broken(&records, None);
    assert_eq!((found.position, found.what), (2, What::OutOfOrder { expected: 3 }));
    let mut records = Writer::with(1, "R3", 6).bytes();
    records.push(records[1].clone());
    let found = broken(&records, None);
    assert_eq!((found.position, found.what), (6, What::OutOfOrder { expected: 7 }));
}

#[test]
fn a_fact_of_another_node_is_a_stranger() {
    let mut records = Writer::with(1, "R3", 4).bytes();
    records[2] = Writer::with(2, "R3", 4).bytes()[2].clone();
    let found = broken(&records, None);
    assert_eq!((found.position, found.what), (2, What::Stranger));
}

#[test]
fn a_changed_last_fact_is_seen_by_whoever_knows_the_head() {
    let writer = Writer::with(1, "R3", 4);
    let mut records = writer.bytes();
    let last = &mut records[3];
    let end = last.len() - 1;
    last[end] ^= 1;
    assert!(verify(&records, None).is_ok(), "nothing after it vouches for it");
    let found = broken(&records, Some(writer.chain.head()));
    assert_eq!((found.position, found.what), (3, What::Changed));
}

#[test]
fn a_new_incarnation_must_follow_the_old() {
    let old = Writer::with(1, "R3", 4);
    let begin = |incarnation, after| {
        let next = Incarnation(incarnation);
        Chain::begin(site("R3"), NodeId(1), next, after, WallMs(9), 3).unwrap().1
    };
    let joined = |next: Written| {
        let mut records = old.bytes();
        records.push(next.bytes);
        verify(records, None).map_err(|broken| (broken.position, broken.what))
    };
    let head = old.chain.head().clone();
    assert!(joined(begin(2, Some(head.clone()))).is_ok());
    assert_eq!(joined(begin(1, Some(head.clone()))), Err((4, What::OutOfOrder { expected: 5 })));
    assert_eq!(joined(begin(2, None)), Err((4, What::Incarnation)));
    let other = Head { hash: Hash([9; 32]), ..head.clone() };
    assert_eq!(joined(begin(2, Some(other))), Err((3, What::Changed)));
    let later = Head { id: FactId { seq: 6, ..head.id }, ..head };
    assert_eq!(joined(begin(2, Some(later))), Err((4, What::Missing { from: 5, to: 6 })));
}

#[test]
fn what_is_broken_is_said_in_both_languages() {
    let writer = Writer::with(1, "R3", 4);
    let mut records = writer.bytes();
    records.remove(2);
    let said = broken(&records, None).said();
    assert!(said.zh.contains("第 3 条") && said.zh.contains("缺少第 3 至 3 号"), "{}", said.zh);
    assert!(said.en.contains("record 3 (fact n1.1.4): facts 3 to 3 are missing"), "{}", said.en);
}

#[test]
fn a_fact_too_long_to_keep_leaves_the_chain_where_it_was() {
    let mut writer = Writer::with(1, "R3", 2);
    let before = writer.chain.head().clone();
    let refused = writer.chain.next(note(&"x".repeat(5_000)), WallMs(1), 1, &[]);
    assert!(matches!(refused, Err(ChainError::TooLong(_))));
    let began = FactBody::Began { after: None };
    let twice = writer.chain.next(began, WallMs(1), 1, &[]);
    assert_eq!(twice, Err(ChainError::BeganTwice));
    assert_eq!(*writer.chain.head(), before);
    assert_eq!(writer.write("next", 1, &[]).fact.id.seq, 3);
}

#[test]
fn a_fact_stands_after_everything_it_builds_on() {
    let ahead = Writer::with(2, "HQ", 9).written.pop().unwrap();
    let mut island = Writer::new(1, "R3");
    let reply = island.write("heard you", 0, &[ahead.fact.place()]);
    assert_eq!(reply.fact.parents, [ahead.fact.id]);
    assert!(reply.fact.place() > ahead.fact.place());
    assert_eq!(reply.fact.seen, ahead.fact.seen, "seen through its parent");
    let next = island.write("and on", 0, &[]);
    assert!(next.fact.place() > reply.fact.place());
    let many: Vec<Place> = (0..20)
        .map(|n| Place { depth: n, ..ahead.fact.place() })
        .enumerate()
        .map(|(n, place)| Place { id: FactId { seq: n as u64 + 1, ..place.id }, ..place })
        .collect();
    let wide = island.write("all of you", 0, &many);
    assert_eq!(wide.fact.parents.len(), PARENTS_MAX);
    assert!(wide.fact.depth > 19);
}

#[test]
fn a_writer_goes_on_after_a_restart_as_if_nothing_had_been() {
    let mut writer = Writer::with(1, "R3", 4);
    let last = writer.written.last().unwrap();
    let mut resumed = Chain::resume(&last.fact, last.head.hash);
    let one = resumed.next(note("on"), WallMs(9), 1, &[]).unwrap();
    assert_eq!(one, writer.write("on", 1, &[]).clone_at(WallMs(9)));
}

impl Written {
    /// The same fact with another display time, which its hash covers too.
    fn clone_at(&self, at: WallMs) -> Self {
        forged(Fact { at, ..self.fact.clone() })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// One flipped bit anywhere is found, and named at its own record.
    #[test]
    fn one_flipped_byte_is_found_and_named(
        record in 0..7_usize, at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let writer = Writer::with(1, "R3", 7);
        let mut records = writer.bytes();
        let at = at.index(records[record].len());
        records[record][at] ^= 1 << bit;
        let found = broken(&records, Some(writer.chain.head()));
        prop_assert_eq!(found.position, record as u64, "{}", found);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(records: Vec<Vec<u8>>, seed: Vec<u8>) {
        let _ = verify(&records, None);
        let _ = decode::<Fact>(&seed);
        let mut damaged = Writer::with(1, "R3", 3).bytes();
        damaged[1].extend(seed);
        let same = damaged == Writer::with(1, "R3", 3).bytes();
        prop_assert_eq!(verify(&damaged, None).is_ok(), same);
    }
}
