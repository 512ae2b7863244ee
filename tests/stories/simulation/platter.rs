//! The simulated disk forgets what was not synced, and nothing else.

use weir_consensus::disk::{Batch, Change, Family};
use weir_simulation::dice::Dice;
use weir_simulation::platter::{Contents, Platter};

fn batch(keys: &[u8]) -> Batch {
    let mut batch = Batch::default();
    keys.iter().for_each(|&key| batch.put(Family::State, [key], [key]));
    batch
}

#[test]
fn a_crash_keeps_whole_batches_from_the_front_and_all_that_was_synced() {
    let mut kept = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let mut platter = Platter::new(Dice::new(seed, 0));
        platter.write(batch(&[1]));
        platter.sync(1);
        platter.write(batch(&[2, 3]));
        platter.write(batch(&[4, 5]));
        platter.crash();
        kept.insert(platter.visible.family(Family::State).len());
    }
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [1, 3, 5]);
}

#[test]
fn the_sum_of_a_state_is_that_of_its_records_however_it_came_about() {
    let (mut one, mut other) = (Contents::default(), Contents::default());
    one.apply(&batch(&[1, 2, 3]));
    one.change(&Change::Delete { family: Family::State, key: vec![2] });
    other.apply(&batch(&[3]));
    other.apply(&batch(&[3, 1]));
    assert_eq!(one.state_sum(), other.state_sum());
    assert_ne!(one.state_sum(), Contents::default().state_sum());
}
