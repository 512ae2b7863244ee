//! Facts of several nodes, in whatever order they arrive.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn empty() -> Merge {
    Merge::new(site("R5"), NodeId(9), Incarnation(1))
}

fn give(merge: &mut Merge, one: &Written) -> Offered {
    let author = one.fact.site.clone();
    merge.offer(one.fact.clone(), one.head.hash, Some(&author))
}

/// Three nodes that talk to each other now and then.
pub(super) fn night() -> Vec<Written> {
    let (mut hq, mut r3, mut r4) =
        (Writer::new(1, "HQ"), Writer::new(3, "R3"), Writer::new(4, "R4"));
    let alarm = r4.write("water rises", 3, &[]);
    for n in 0..3 {
        hq.write(&format!("hq {n}"), 2, &[]);
    }
    let seen = hq.write("seen", 3, &[alarm.fact.place()]);
    let order = hq.write("evacuate", 3, &[]);
    r3.write("heard it", 1, &[order.fact.place()]);
    r4.write("so did we", 3, &[order.fact.place(), seen.fact.place()]);
    [hq.written, r3.written, r4.written].concat()
}

/// Offers the facts in this order, then again what had to wait, until all are
/// in.
pub(super) fn deliver(merge: &mut Merge, mut facts: Vec<Written>) {
    while !facts.is_empty() {
        let before = facts.len();
        facts.retain(|one| match give(merge, one) {
            Offered::Gap { .. } | Offered::Fork { kept: false, .. } => true,
            Offered::Accepted | Offered::Already | Offered::Fork { kept: true, .. } => false,
            other => panic!("{other:?}"),
        });
        assert!(facts.len() < before, "nothing moves any more");
    }
}

/// A child that stands before one of its parents.
pub(super) fn before_its_parent(merge: &Merge) -> Option<FactId> {
    let mut met = std::collections::BTreeSet::new();
    for fact in merge.shown() {
        let previous = FactId { seq: fact.id.seq - 1, ..fact.id };
        if fact.parents.iter().any(|parent| !met.contains(parent))
            || (previous.seq > 0 && !met.contains(&previous))
        {
            return Some(fact.id);
        }
        met.insert(fact.id);
    }
    None
}

#[test]
fn facts_that_come_early_wait_for_those_before_them() {
    let mut merge = empty();
    let facts = Writer::with(1, "HQ", 5).written;
    assert_eq!(give(&mut merge, &facts[2]), Offered::Gap { want_from: 1 });
    assert_eq!(give(&mut merge, &facts[0]), Offered::Accepted);
    assert_eq!(give(&mut merge, &facts[3]), Offered::Gap { want_from: 2 });
    assert_eq!(give(&mut merge, &facts[1]), Offered::Accepted);
    assert_eq!(give(&mut merge, &facts[1]), Offered::Already);
    assert_eq!(merge.want_from(NodeId(1), Incarnation(1)), 3);
}

#[test]
fn nobody_speaks_for_another_site_or_for_us() {
    let mut merge = empty();
    let one = Writer::with(1, "HQ", 1).written.pop().unwrap();
    let offered = merge.offer(one.fact.clone(), one.head.hash, Some(&site("R3")));
    assert_eq!(offered, Offered::Refused(Unfit::OtherSite));
    let offered = merge.offer(one.fact.clone(), one.head.hash, None);
    assert_eq!(offered, Offered::Refused(Unfit::UnknownNode));
    let ours = Writer::with(9, "R5", 3).written;
    merge.own(ours[0].fact.clone(), ours[0].head.hash);
    assert_eq!(give(&mut merge, &ours[0]), Offered::Already);
    assert_eq!(give(&mut merge, &ours[1]), Offered::Refused(Unfit::SpeaksForUs));
    let unlinked = Fact { previous: Hash([1; 32]), ..one.fact };
    assert_eq!(give(&mut merge, &forged(unlinked)), Offered::Refused(Unfit::Malformed));
}

#[test]
fn two_histories_under_one_name_raise_an_alarm_and_are_both_kept() {
    let true_facts = Writer::with(1, "HQ", 4).written;
    let mut other = Writer::with(1, "HQ", 2);
    other.write("what never was", 2, &[]);
    other.write("nor this", 3, &[]);
    let mut merge = empty();
    deliver(&mut merge, true_facts.clone());
    let fork = Offered::Fork {
        known: true_facts[2].head.clone(),
        other: other.written[2].head.clone(),
        kept: false,
    };
    assert_eq!(give(&mut merge, &other.written[3]), fork, "its own past comes first");
    let kept = give(&mut merge, &other.written[2]);
    assert!(matches!(kept, Offered::Fork { kept: true, .. }), "{kept:?}");
    assert!(matches!(give(&mut merge, &other.written[3]), Offered::Fork { kept: true, .. }));
    assert_eq!(merge.forks().len(), 2);
    assert_eq!(merge.shown().count(), 6);
}

#[test]
fn an_old_fact_is_compared_with_the_copy_on_disk() {
    let facts = Writer::with(1, "HQ", RECENT_PER_LINE as u64 + 2).written;
    let mut merge = empty();
    deliver(&mut merge, facts.clone());
    assert_eq!(give(&mut merge, &facts[0]), Offered::Aged);
    assert_eq!(merge.compare(&facts[0].head, &facts[0].head), Offered::Already);
    let other = Head { hash: Hash([1; 32]), ..facts[0].head.clone() };
    assert!(matches!(merge.compare(&facts[0].head, &other), Offered::Fork { .. }));
}

#[test]
fn two_nodes_of_one_site_do_not_count_as_two() {
    let mut merge = empty();
    let ours = Writer::with(9, "R5", 3).written;
    let (first, last) = (&ours[0], &ours[2]);
    assert_eq!(merge.kept(first.head.id), KeptLevel::Unkept);
    for one in &ours {
        merge.own(one.fact.clone(), one.head.hash);
    }
    assert_eq!(merge.kept(last.head.id), KeptLevel::KeptHere);
    merge.acknowledged(site("R5"), &last.head).unwrap();
    assert_eq!(merge.kept(last.head.id), KeptLevel::KeptHere, "its own partner");
    merge.acknowledged(site("HQ"), &ours[1].head).unwrap();
    merge.acknowledged(site("HQ"), &ours[1].head).unwrap();
    assert_eq!(merge.kept(ours[1].head.id), KeptLevel::KeptAtTwo);
    assert_eq!(merge.kept(last.head.id), KeptLevel::KeptHere);
    merge.acknowledged(site("RC"), &last.head).unwrap();
    assert_eq!(merge.kept(first.head.id), KeptLevel::KeptAtThree);
    assert!(merge.kept_by().kept_at_two(last.head.id));
    assert_eq!(merge.kept_by().synced_to(&site("HQ"), NodeId(9), Incarnation(1)), 2);
}

#[test]
fn a_site_that_holds_another_history_keeps_nothing_for_us() {
    let mut merge = empty();
    let ours = Writer::with(9, "R5", 2).written;
    for one in &ours {
        merge.own(one.fact.clone(), one.head.hash);
    }
    let theirs = Head { hash: Hash([1; 32]), ..ours[1].head.clone() };
    assert!(merge.acknowledged(site("HQ"), &theirs).is_err());
    assert_eq!(merge.kept(ours[1].head.id), KeptLevel::KeptHere);
    assert_eq!(merge.forks().len(), 1);
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_same_sequence(picks: Vec<Index>) {
        let mut facts = night();
        // One node was cloned: a fork must not depend on who came first either.
        let mut clone = Writer::new(3, "R3");
        clone.write("another past", 1, &[]);
        facts.push(clone.written.pop().unwrap());
        let mut expected = empty();
        deliver(&mut expected, facts.clone());

        let mut shuffled = Vec::new();
        let mut picks = picks.into_iter();
        while !facts.is_empty() {
            let at = picks.next().map_or(facts.len() - 1, |pick| pick.index(facts.len()));
            shuffled.push(facts.swap_remove(at));
        }
        let mut merge = empty();
        deliver(&mut merge, shuffled);
        prop_assert!(merge.shown().eq(expected.shown()));
        prop_assert_eq!(merge.forks(), expected.forks());
    }
}

#[test]
fn no_fact_is_shown_before_its_parents() {
    let mut merge = empty();
    deliver(&mut merge, night());
    assert_eq!(before_its_parent(&merge), None);
}
