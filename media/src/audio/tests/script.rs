//! Which words are spoken in which language.

use proptest::prelude::*;

use super::super::script::{Piece, pieces};
use super::*;

fn told(text: &str) -> Vec<(Lang, String)> {
    pieces(text, Lang::ZhCn).into_iter().map(|Piece { lang, text }| (lang, text)).collect()
}

fn zh(text: &str) -> (Lang, String) {
    (Lang::ZhCn, text.into())
}

fn en(text: &str) -> (Lang, String) {
    (Lang::En, text.into())
}

#[test]
fn one_language_stays_one_piece() {
    assert_eq!(told("水位 12.5 米，请撤离！"), [zh("水位 12.5 米，请撤离！")]);
    assert_eq!(told("Leave now. Level 12.5 m."), [en("Leave now. Level 12.5 m.")]);
}

#[test]
fn languages_are_told_apart_by_script() {
    assert_eq!(
        told("请立即撤离。Leave the valley now. 谢谢"),
        [zh("请立即撤离。"), en("Leave the valley now."), zh("谢谢")]
    );
}

#[test]
fn a_number_follows_the_word_that_it_touches() {
    assert_eq!(told("3号闸 opens"), [zh("3号闸"), en("opens")]);
    assert_eq!(told("open 3号闸"), [en("open"), zh("3号闸")]);
    assert_eq!(told("水位12 rising"), [zh("水位12"), en("rising")]);
    assert_eq!(told("Gate 3 已打开"), [en("Gate 3"), zh("已打开")]);
}

#[test]
fn numbers_alone_are_in_the_language_of_the_text() {
    assert_eq!(told("110"), [zh("110")]);
    assert_eq!(told(" …… "), []);
}

proptest! {
    #[test]
    fn no_word_is_lost(text in "[a-z0-9 一二三，。.]{0,60}") {
        let kept = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let joined: String = told(&text).into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(kept(&joined), kept(&text));
    }
}
