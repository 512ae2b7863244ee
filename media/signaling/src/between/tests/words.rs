//! Counted words.

use super::super::talk::{Place, Talk};
use super::*;

#[test]
fn a_word_counts_once_however_often_it_comes() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear(1), Place::Next);
    assert_eq!(talk.hear(1), Place::Again);
    assert_eq!(talk.hear(3), Place::Ahead);
    assert_eq!(talk.hear(2), Place::Next);
    assert_eq!(talk.hear(3), Place::Next);
    assert_eq!(talk.note(Word::Heard).expects, 4);
}

#[test]
fn what_was_not_heard_is_kept_and_no_more_than_sixty_four() {
    let mut talk = Talk::new();
    for number in 1..=64 {
        assert_eq!(talk.say(Word::Confirmed).unwrap().number, number);
    }
    assert!(talk.say(Word::Confirmed).is_err());
    assert!(talk.heard(60));
    let left: Vec<u32> = talk.unheard().map(|message| message.number).collect();
    assert_eq!(left, [60, 61, 62, 63, 64]);
    // An older word of what was heard takes nothing back.
    assert!(talk.heard(3));
    assert_eq!(talk.waiting(), 5);
    assert!(!talk.heard(66), "it never heard that");
    assert!(talk.heard(65));
    assert_eq!(talk.say(Word::Confirmed).unwrap().number, 65);
}
