//! The planted bug of the order is seen by the check that guards it.

use super::merge::{before_its_parent, deliver, night};
use super::*;
use crate::home::Planted;

#[test]
fn a_wrong_order_of_facts_is_caught() {
    let mut merge = Merge::new(site("R5"), NodeId(9), Incarnation(1));
    merge.plant(Planted { wrong_fact_order: true, ..Planted::default() });
    deliver(&mut merge, night());
    assert!(before_its_parent(&merge).is_some());
}
