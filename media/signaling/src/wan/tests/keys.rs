//! Keys beside the sound: each once, in order, whatever is lost.

use super::*;

fn hear(unpacker: &mut Unpacker, seq: u16, key: KeyPress) -> Vec<(u8, bool)> {
    let items = unpacker.take(0, &bundle(seq, &[Entry::Key(key)])).unwrap();
    let press = |item| match item {
        Item::Key(press) => (press.key, press.end),
        other => panic!("{other:?}"),
    };
    items.into_iter().map(press).collect()
}

/// Two of three tellings may be lost.
#[test]
fn a_key_is_told_three_times_and_heard_once() {
    let mut packer = Packer::new(PackerConfig::default(), 0);
    packer.key(0, press(1, 4, [0; 3]));
    let mut told = Vec::new();
    for tick in 0..20 {
        told.extend(packer.pack(tick * 60));
    }
    assert_eq!(told.len(), 3);
    for skip in 0..3 {
        let mut unpacker = Unpacker::default();
        let items: Vec<Item> =
            told[skip..].iter().flat_map(|datagram| unpacker.take(0, datagram).unwrap()).collect();
        assert_eq!(items.len(), 1, "{items:?}");
    }
}

#[test]
fn down_and_up_are_told_apart() {
    let mut unpacker = Unpacker::default();
    let down = press(1, 4, [0; 3]);
    let up = KeyPress { end: true, held_steps: 9, ..down };
    assert_eq!(hear(&mut unpacker, 0, down), [(4, false)]);
    assert_eq!(hear(&mut unpacker, 1, up), [(4, true)]);
    assert_eq!(hear(&mut unpacker, 2, up), []);
    assert_eq!(hear(&mut unpacker, 3, down), [], "an old telling that was overtaken");
}

/// A PIN over a link that lost three keys: the fourth tells of them, in order.
#[test]
fn keys_that_were_lost_are_told_by_the_next() {
    let mut unpacker = Unpacker::default();
    assert_eq!(hear(&mut unpacker, 0, press(1, 9, [0; 3])), [(9, false)]);
    let heard = hear(&mut unpacker, 4, press(5, 4, [3, 2, 1]));
    assert_eq!(heard, [(1, true), (2, true), (3, true), (4, false)]);
    assert_eq!(hear(&mut unpacker, 5, press(4, 3, [2, 1, 9])), []);
}

#[test]
fn the_very_first_keys_may_be_lost_too() {
    let mut unpacker = Unpacker::default();
    assert_eq!(hear(&mut unpacker, 0, press(2, 5, [8, 0, 0])), [(8, true), (5, false)]);
}

/// A node took the call over and counts from one again.
#[test]
fn a_sender_that_counts_anew_is_heard() {
    let mut unpacker = Unpacker::default();
    hear(&mut unpacker, 0, KeyPress { step: 500, ..press(37, 1, [0; 3]) });
    let after = KeyPress { step: 900, ..press(1, 6, [0; 3]) };
    assert_eq!(hear(&mut unpacker, 1, after), [(6, false)]);
}

#[test]
fn the_number_of_a_press_goes_round() {
    let mut unpacker = Unpacker::default();
    hear(&mut unpacker, 0, press(255, 1, [0; 3]));
    let next = KeyPress { number: 0, step: 2_600, ..press(0, 2, [1, 0, 0]) };
    assert_eq!(hear(&mut unpacker, 1, next), [(2, false)]);
}
