//! However many ways a key is told, the person pressed it once.

use proptest::prelude::*;

use super::super::*;

/// What is counted of (when, key, way) in this order.
fn counted(told: &[(u64, char, Way)]) -> String {
    let mut collector = Collector::default();
    told.iter().filter_map(|(at, digit, way)| collector.hear(*at, *digit, *way, 0)).collect()
}

#[test]
fn a_key_told_in_three_ways_counts_once() {
    let told = [(0, '5', Way::Event), (80, '5', Way::Tone), (900, '5', Way::Info)];
    assert_eq!(counted(&told), "5");
}

#[test]
fn the_same_key_pressed_twice_counts_twice_in_whatever_ways() {
    assert_eq!(counted(&[(0, '5', Way::Event), (300, '5', Way::Event)]), "55");
    let crossed = [
        (0, '5', Way::Event),
        (300, '5', Way::Event),
        (310, '5', Way::Info),
        (600, '5', Way::Info),
    ];
    assert_eq!(counted(&crossed), "55");
    assert_eq!(counted(&[(0, '5', Way::Event), (2_001, '5', Way::Info)]), "55");
}

#[test]
fn a_late_way_tells_nothing_new_of_several_keys() {
    let told = [
        (0, '1', Way::Event),
        (200, '2', Way::Event),
        (400, '1', Way::Event),
        (700, '1', Way::Info),
        (800, '2', Way::Info),
        (900, '1', Way::Info),
    ];
    assert_eq!(counted(&told), "121");
}

/// An event is told when the key goes down, INFO when it is let go.
#[test]
fn a_key_held_for_three_seconds_counts_once() {
    let mut collector = Collector::default();
    assert_eq!(collector.hear(1_000, '#', Way::Event, 0), Some('#'));
    assert_eq!(collector.hear(4_100, '#', Way::Info, 3_000), None);
    assert_eq!(collector.hear(4_200, '#', Way::Event, 0), Some('#'));
}

proptest! {
    /// One way alone is believed as it is; a second that repeats it adds nothing.
    #[test]
    fn a_second_way_never_adds_a_key(
        keys in prop::collection::vec((50..900_u64, 0..16_u8), 0..60),
        late in 0..1_900_u64,
    ) {
        let mut at = 0;
        let mut told = Vec::new();
        for (gap, code) in &keys {
            at += gap;
            let digit = key(*code).unwrap();
            told.push((at, digit, Way::Event));
            told.push((at + late, digit, Way::Info));
        }
        told.sort_by_key(|(at, ..)| *at);
        prop_assert_eq!(counted(&told).len(), keys.len());
    }

    #[test]
    fn no_order_of_time_panics(told in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50)) {
        let mut collector = Collector::default();
        for (now, held) in told {
            let _ = collector.hear(now, '1', Way::Info, held);
        }
    }
}
