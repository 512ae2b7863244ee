//! Rules for words that loudspeakers say: braces mark what is filled in when a
//! plan is launched, and a time is never written out. Finds times as people
//! write them in Chinese and English; it does not understand language.

use super::fault::{Findings, fault};

// Not 号, which counts gates and shelters as well as days.
const ZH_UNITS_AFTER_DIGITS: [&str; 10] =
    ["分", "小时", "钟头", "时", "点", "秒", "刻", "天", "日", "月"];
const ZH_UNITS_AFTER_NUMERALS: [&str; 14] = [
    "分钟",
    "小时",
    "个小时",
    "个半小时",
    "钟头",
    "个钟头",
    "秒",
    "刻钟",
    "点钟",
    "点整",
    "点半",
    "点前",
    "点后",
    "天后",
];
const ZH_DAYTIMES: [&str; 11] =
    ["上午", "下午", "晚上", "今晚", "明晚", "凌晨", "中午", "早上", "明早", "清晨", "夜里"];
const EN_UNITS: [&str; 17] = [
    "minute", "minutes", "min", "mins", "hour", "hours", "hr", "hrs", "h", "second", "seconds",
    "sec", "secs", "day", "days", "am", "pm",
];
const EN_NUMBERS: [&str; 27] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "twenty",
    "thirty",
    "forty",
    "fortyfive",
    "fifty",
    "sixty",
    "ninety",
    "hundred",
    "an",
    "half",
    "quarter",
    "few",
];

/// Checks a text that will be spoken.
pub(super) fn check_spoken(path: &str, text: &str, found: &mut Findings<'_>) {
    found.text(path, text);
    let Some(fixed) = without_blanks(text) else {
        let fault = fault!(
            Template,
            "文字中的花括号不成对，或其中不是小写字母",
            "a brace in the text is unmatched, or holds something else than lower-case letters",
            "写成 {{minutes}} 的样子",
            "write it like {{minutes}}",
        );
        return found.add(path, fault);
    };
    if let Some(time) = names_a_time(&fixed) {
        let fault = fault!(
            TimeLiteral,
            "文字写死了时间“{time}”",
            "the text names the time \"{time}\"",
            "改成模板，例如 {{minutes}}分钟，启动时再填",
            "make it a template such as {{minutes}}, filled in at launch",
        );
        found.add(path, fault);
    }
}

/// The text with every `{blank}` replaced by a mark that is part of no number;
/// `None` when a brace is unmatched.
fn without_blanks(text: &str) -> Option<String> {
    let mut rest = text;
    let mut fixed = String::with_capacity(text.len());
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        let (name, after) = from.strip_prefix('{')?.split_once('}')?;
        let named = (1..=32).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !named {
            return None;
        }
        fixed.push_str(before);
        fixed.push('\u{fffc}');
        rest = after;
    }
    fixed.push_str(rest);
    Some(fixed)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ('０'..='９').contains(&c)
}

fn is_numeral(c: char) -> bool {
    "零一二两三四五六七八九十百半".contains(c)
}

/// The first time written out in `text`, if any.
fn names_a_time(text: &str) -> Option<String> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let counts: fn(char) -> bool = if is_digit(c) { is_digit } else { is_numeral };
        let len = text[at..].find(|c| !counts(c)).unwrap_or(text.len() - at);
        if len == 0 {
            at += c.len_utf8();
            continue;
        }
        let (number, after) = text[at..].split_at(len);
        let unit =
            if is_digit(c) { after_digits(after) } else { after_numerals(&text[..at], after) };
        if let Some(unit) = unit {
            return Some(format!("{number}{unit}"));
        }
        at += len;
    }
    in_english_words(text)
}

fn after_digits(after: &str) -> Option<&str> {
    if let Some(minutes) = after.strip_prefix([':', '：']) {
        if minutes.starts_with(is_digit) {
            let more = minutes.find(|c| !is_digit(c)).unwrap_or(minutes.len());
            return Some(&after[..after.len() - minutes.len() + more]);
        }
        return None;
    }
    let near = after.trim_start_matches([' ', '-', '个']);
    let gap = after.len() - near.len();
    let chinese = ZH_UNITS_AFTER_DIGITS.iter().find(|unit| near.starts_with(**unit));
    if let Some(unit) = chinese {
        return Some(&after[..gap + unit.len()]);
    }
    let word = near.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(near.len());
    let lower = near[..word].to_ascii_lowercase();
    let clock = near[word..].starts_with("'clock") || near[word..].starts_with("’clock");
    let half = matches!(lower.as_str(), "a" | "p");
    let found = match half {
        // "5 a.m." is a time, "5 a day" is not.
        true => near[word..].starts_with(".m"),
        false => EN_UNITS.contains(&lower.as_str()) || (lower == "o" && clock),
    };
    found.then(|| &after[..gap + word])
}

fn after_numerals<'t>(before: &str, after: &'t str) -> Option<&'t str> {
    let unit = ZH_UNITS_AFTER_NUMERALS.iter().find(|unit| after.starts_with(**unit));
    if let Some(unit) = unit {
        return Some(&after[..unit.len()]);
    }
    let minutes = after.strip_prefix('点')?;
    let daytime = ZH_DAYTIMES.iter().any(|daytime| before.ends_with(daytime));
    let clock = daytime || minutes.starts_with(is_digit) || minutes.starts_with(is_numeral);
    clock.then(|| &after[..after.len() - minutes.len()])
}

/// "in thirty minutes", "half an hour".
fn in_english_words(text: &str) -> Option<String> {
    let mut previous = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        let unit = (word.len() > 2 && EN_UNITS.contains(&word.as_str())) || word == "clock";
        if unit && EN_NUMBERS.contains(&previous.as_str()) {
            return Some(format!("{previous} {word}"));
        }
        // "ten o'clock" is split at the apostrophe.
        if word != "o" {
            previous = word;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_written_out_is_found_in_both_languages() {
        for text in [
            "水库将于30分钟后泄洪",
            "水库将于 30 分钟后泄洪",
            "三十分钟后泄洪",
            "两个小时内撤离",
            "今晚八点撤离",
            "晚上20:30泄洪",
            "１０点泄洪",
            "八点半集合",
            "7月20日泄洪",
            "Release in 30 minutes",
            "Release in thirty minutes",
            "Leave by 5 p.m.",
            "Leave by ten o'clock",
            "within half an hour",
        ] {
            assert!(names_a_time(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_text_without_a_time_is_left_alone() {
        for text in [
            "请立即向高处转移。Move to high ground now.",
            "下游三村请注意，听从工作人员指挥。",
            "一点也不要停留，一律撤离",
            "请到3号安置点",
            "情况十分紧急，第一时间撤离",
            "Dial 5001 at once",
            "one by one, in order",
        ] {
            assert_eq!(names_a_time(text), None, "{text}");
        }
        let template = without_blanks("水库将于{minutes}分钟后泄洪").unwrap();
        assert_eq!(names_a_time(&template), None);
    }

    #[test]
    fn braces_come_in_pairs() {
        for text in ["{minutes", "minutes}", "{}", "{{minutes}}", "{MIN}"] {
            assert_eq!(without_blanks(text), None, "{text}");
        }
    }
}
