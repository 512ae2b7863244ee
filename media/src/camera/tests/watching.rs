//! Who watches: late, slow, or to the end. No process is needed.

use super::*;

fn unit(kind: UnitKind, at: u64, len: usize) -> Unit {
    let bytes = vec![0; len].into();
    Unit { kind, rung: Rung::ORIGINAL, order: 1, taken_ns: at, taken_ms: at, bytes }
}

async fn taken(viewer: &mut Viewer, count: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(within(viewer.next()).await.unwrap().taken_ns);
    }
    taken
}

#[tokio::test]
async fn who_comes_late_begins_with_the_last_key_frame() {
    let stage = Stage::new();
    stage.publish(unit(UnitKind::Delta, 1, 9));
    stage.publish(unit(UnitKind::Key, 2, 9));
    stage.publish(unit(UnitKind::Key, 3, 9));
    stage.publish(unit(UnitKind::Delta, 4, 9));
    let mut viewer = stage.subscribe();
    stage.publish(unit(UnitKind::Delta, 5, 9));
    assert_eq!(taken(&mut viewer, 3).await, [3, 4, 5]);
    stage.cut();
    let mut later = stage.subscribe();
    stage.publish(unit(UnitKind::Delta, 6, 9));
    stage.publish(unit(UnitKind::Key, 7, 9));
    assert_eq!(taken(&mut later, 1).await, [7]);
    stage.end();
    assert!(within(later.next()).await.is_none());
}

#[tokio::test]
async fn who_is_slow_loses_pictures_and_goes_on_at_a_key_frame() {
    let stage = Stage::new();
    let mut viewer = stage.subscribe();
    stage.publish(unit(UnitKind::Key, 1, 9));
    (2..150).for_each(|at| stage.publish(unit(UnitKind::Delta, at, 9)));
    stage.publish(unit(UnitKind::Key, 150, 9));
    stage.publish(unit(UnitKind::Delta, 151, 9));
    assert_eq!(taken(&mut viewer, 2).await, [150, 151]);
    assert_eq!(viewer.lost(), 149);
}

#[tokio::test]
async fn the_past_is_bounded() {
    let stage = Stage::new();
    stage.publish(unit(UnitKind::Key, 1, 2 << 20));
    let mut present = stage.subscribe();
    (2..9).for_each(|at| stage.publish(unit(UnitKind::Delta, at, 2 << 20)));
    let mut late = stage.subscribe();
    assert_eq!(taken(&mut present, 8).await.len(), 8);
    stage.publish(unit(UnitKind::Delta, 9, 9));
    stage.publish(unit(UnitKind::Key, 10, 9));
    assert_eq!(taken(&mut late, 1).await, [10]);
}
