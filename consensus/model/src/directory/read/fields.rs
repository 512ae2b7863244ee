//! Takes typed values out of a TOML table and notes every mistake on the way.
//! A value that is missing or wrong is noted once and replaced by a stand-in,
//! so that the rest of the record is still read and checked; what a check then
//! says about the stand-in is dropped.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use crate::directory::fault::{Fault, fault};
use crate::directory::limits::MISTAKES_MAX;
use crate::directory::word::Word;

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One table of the file, and its place below the record.
#[derive(Clone)]
pub(super) struct Fields<'t> {
    pub(super) table: &'t DeTable<'t>,
    pub(super) span: Range<usize>,
    pub(super) path: String,
}

impl Fields<'_> {
    pub(super) fn path_to(&self, key: impl Display) -> String {
        match self.path.as_str() {
            "" => key.to_string(),
            path => format!("{path}.{key}"),
        }
    }
}

/// Reads the fields of one record after the other.
#[derive(Default)]
pub(super) struct Reader {
    /// Byte offset and fault.
    pub(super) faults: Vec<(usize, Fault)>,
    /// Faults that were counted and not kept, because there were too many.
    pub(super) beyond: usize,
    /// Paths of the current record about which everything has been said.
    settled: Vec<String>,
    /// Part of the current record was lost to a syntax error.
    damaged: bool,
}

impl Reader {
    pub(super) fn begin(&mut self, damaged: bool) {
        self.damaged = damaged;
        self.settled.clear();
    }

    /// What to disregard in checks of the record just read.
    pub(super) fn settled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.settled)
    }

    pub(super) fn settle(&mut self, path: String) {
        self.settled.push(path);
    }

    pub(super) fn is_settled(&self, path: &str) -> bool {
        self.settled.iter().any(|settled| same_place(settled, path))
    }

    pub(super) fn fault(&mut self, at: usize, path: String, fault: Fault) {
        // Records are read in the order of the file, so the first ones are kept.
        if self.faults.len() < 2 * MISTAKES_MAX {
            self.faults.push((at, fault));
        } else {
            self.beyond += 1;
        }
        self.settled.push(path);
    }

    /// Refuses every key that is not in `known`.
    pub(super) fn only(&mut self, fields: &Fields<'_>, known: &[&str]) {
        for key in fields.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let fault = unknown_key(name, known, self.faults.len() < MISTAKES_MAX);
                self.fault(key.span().start, fields.path_to(name), fault);
            }
        }
    }

    /// A value that may be absent.
    pub(super) fn maybe<'t>(&self, fields: &Fields<'t>, key: &str) -> Option<&'t Value<'t>> {
        fields.table.get(key)
    }

    fn must<'t>(&mut self, fields: &Fields<'t>, key: &str) -> Option<&'t Value<'t>> {
        let value = self.maybe(fields, key);
        if value.is_none() {
            let path = fields.path_to(key);
            match self.damaged {
                // It may have stood on the line that could not be read.
                true => self.settled.push(path),
                false => self.fault(fields.span.start, path, missing_key(key)),
            }
        }
        value
    }

    fn wrong(&mut self, value: &Value<'_>, path: String, wanted: (&str, &str)) {
        let (wanted_zh, wanted_en) = wanted;
        let found = value.get_ref().type_str();
        // An empty span is the parser's own stand-in for what it could not read.
        if value.span().is_empty() {
            return self.settled.push(path);
        }
        let fault = fault!(
            WrongType,
            "此处是 {found}，应为{wanted_zh}",
            "this is of type {found}, but {wanted_en} belongs here",
            "写{wanted_zh}",
            "write {wanted_en}",
        );
        self.fault(value.span().start, path, fault);
    }

    fn as_text<'t>(&mut self, value: &'t Value<'t>, path: &str) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(value, path.to_owned(), ("加引号的文字", "a text in quotes"));
        }
        text
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        let value = self.must(fields, key);
        let text = value.and_then(|value| self.as_text(value, &fields.path_to(key)));
        text.unwrap_or_default().to_owned()
    }

    pub(super) fn maybe_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let value = self.maybe(fields, key)?;
        self.as_text(value, &fields.path_to(key)).map(str::to_owned)
    }

    /// A whole number; `fallback` stands in for a missing or wrong one.
    pub(super) fn number(&mut self, fields: &Fields<'_>, key: &str, fallback: u32) -> u32 {
        let value = self.must(fields, key);
        value.map_or(fallback, |value| self.as_number(value, fields.path_to(key), fallback))
    }

    pub(super) fn number_or(&mut self, fields: &Fields<'_>, key: &str, default: u32) -> u32 {
        let value = self.maybe(fields, key);
        value.map_or(default, |value| self.as_number(value, fields.path_to(key), default))
    }

    fn as_number(&mut self, value: &Value<'_>, path: String, fallback: u32) -> u32 {
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong(value, path, ("整数", "a whole number"));
            return fallback;
        };
        if let Ok(number) = u32::from_str_radix(number.as_str(), number.radix()) {
            return number;
        }
        if value.span().is_empty() {
            self.settled.push(path);
            return fallback;
        }
        let (most, shown) = (u32::MAX, number.as_str().chars().take(24).collect::<String>());
        let fault = fault!(
            OutOfRange,
            "{shown} 超出范围",
            "{shown} is out of range",
            "写 0 到 {most} 之间的整数",
            "write a whole number from 0 to {most}",
        );
        self.fault(value.span().start, path, fault);
        fallback
    }

    /// `false` when absent.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        let Some(value) = self.maybe(fields, key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(value, fields.path_to(key), ("true 或 false", "true or false"));
        }
        flag.unwrap_or(false)
    }

    /// One word of a closed list; `fallback` stands in for a wrong one.
    pub(super) fn word<W: Word>(&mut self, fields: &Fields<'_>, key: &str, fallback: W) -> W {
        let value = self.must(fields, key);
        value.map_or(fallback, |value| self.as_word(value, fields.path_to(key)).unwrap_or(fallback))
    }

    pub(super) fn word_or<W: Word>(&mut self, fields: &Fields<'_>, key: &str, default: W) -> W {
        let value = self.maybe(fields, key);
        value.map_or(default, |value| self.as_word(value, fields.path_to(key)).unwrap_or(default))
    }

    pub(super) fn as_word<W: Word>(&mut self, value: &Value<'_>, path: String) -> Option<W> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, path, ("加引号的词", "a word in quotes"));
            return None;
        };
        let word = W::from_word(text);
        if word.is_none() {
            self.fault(value.span().start, path, unknown_word::<W>(text));
        }
        word
    }

    /// A value that parses, such as a name. A stand-in replaces a wrong one, so
    /// that `None` means only that not even the stand-in parses.
    pub(super) fn name<N>(&mut self, fields: &Fields<'_>, key: &str, stand_in: &str) -> Option<N>
    where
        N: FromStr<Err: Display>,
    {
        let value = self.must(fields, key);
        let name = value.and_then(|value| self.as_name(value, fields.path_to(key)));
        name.or_else(|| stand_in.parse().ok())
    }

    pub(super) fn maybe_name<N>(&mut self, fields: &Fields<'_>, key: &str) -> Option<N>
    where
        N: FromStr<Err: Display>,
    {
        let value = self.maybe(fields, key)?;
        self.as_name(value, fields.path_to(key))
    }

    pub(super) fn as_name<N>(&mut self, value: &Value<'_>, path: String) -> Option<N>
    where
        N: FromStr<Err: Display>,
    {
        let text = self.as_text(value, &path)?;
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let fault = fault!(
                    BadName,
                    "{text:?} 不是合法名称",
                    "{text:?} is not a name: {error}",
                    "只用字母、数字和 - _ .，不超过 48 个字符",
                    "use letters, digits and - _ . only, at most 48 of them",
                );
                self.fault(value.span().start, path, fault);
                None
            }
        }
    }

    /// The entries of a list, each with its path.
    pub(super) fn list<'t>(
        &mut self,
        fields: &Fields<'t>,
        key: &str,
    ) -> Vec<(String, &'t Value<'t>)> {
        let value = self.must(fields, key);
        value.map_or_else(Vec::new, |value| self.as_list(value, &fields.path_to(key)))
    }

    /// As [`Reader::list`]; absent is empty.
    pub(super) fn list_or_none<'t>(
        &mut self,
        fields: &Fields<'t>,
        key: &str,
    ) -> Vec<(String, &'t Value<'t>)> {
        let value = self.maybe(fields, key);
        value.map_or_else(Vec::new, |value| self.as_list(value, &fields.path_to(key)))
    }

    pub(super) fn as_list<'t>(
        &mut self,
        value: &'t Value<'t>,
        path: &str,
    ) -> Vec<(String, &'t Value<'t>)> {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(value, path.to_owned(), ("方括号列表", "a list in square brackets"));
            return Vec::new();
        };
        array.iter().enumerate().map(|(at, value)| (format!("{path}.{at}"), value)).collect()
    }

    /// Names in a list, with a stand-in for each wrong one, so that the others
    /// keep their places.
    pub(super) fn names<N, C>(&mut self, entries: Vec<(String, &Value<'_>)>, stand_in: &str) -> C
    where
        N: FromStr<Err: Display>,
        C: FromIterator<N>,
    {
        let name = |(path, value)| self.as_name(value, path).or_else(|| stand_in.parse().ok());
        entries.into_iter().filter_map(name).collect()
    }

    /// The tables of a list. Where one is missing the places of the others are
    /// off, so nothing more is said about the list.
    pub(super) fn tables<'t>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        entries: Vec<(String, &'t Value<'t>)>,
    ) -> Vec<Fields<'t>> {
        let count = entries.len();
        let table = |(path, value)| self.as_table(value, path);
        let tables: Vec<_> = entries.into_iter().filter_map(table).collect();
        if tables.len() < count {
            self.settled.push(fields.path_to(key));
        }
        tables
    }

    pub(super) fn maybe_table<'t>(&mut self, fields: &Fields<'t>, key: &str) -> Option<Fields<'t>> {
        let value = self.maybe(fields, key)?;
        self.as_table(value, fields.path_to(key))
    }

    pub(super) fn as_table<'t>(
        &mut self,
        value: &'t Value<'t>,
        path: String,
    ) -> Option<Fields<'t>> {
        match value.get_ref().as_table() {
            Some(table) => Some(Fields { table, span: value.span(), path }),
            None => {
                self.wrong(value, path, ("花括号表", "a table in braces"));
                None
            }
        }
    }
}

/// Whether one place is the other, or stands above it.
pub(super) fn same_place(one: &str, two: &str) -> bool {
    let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
    let rest = long.strip_prefix(short);
    rest.is_some_and(|rest| rest.is_empty() || short.is_empty() || rest.starts_with('.'))
}

fn missing_key(key: &str) -> Fault {
    fault!(
        MissingKey,
        "缺少 {key}",
        "{key} is missing",
        "在此记录中写 {key} = …",
        "write {key} = … in this record",
    )
}

/// Looks for the key that was meant if `hint`: that takes time, and a file full
/// of unknown keys is no directory file.
fn unknown_key(name: &str, known: &[&str], hint: bool) -> Fault {
    let name: String = name.chars().take(48).collect();
    match nearest(&name, known.iter().copied().filter(|_| hint)) {
        Some(near) => fault!(
            UnknownKey,
            "不认识键 {name}",
            "there is no key {name} here",
            "是否指 {near}？否则删去此行",
            "did you mean {near}? Otherwise remove it",
        ),
        None => {
            let known = known.join(", ");
            fault!(
                UnknownKey,
                "不认识键 {name}",
                "there is no key {name} here",
                "删去，或用 {known}",
                "remove it, or use one of: {known}",
            )
        }
    }
}

fn unknown_word<W: Word>(text: &str) -> Fault {
    let text: String = text.chars().take(48).collect();
    let known: Vec<_> = W::ALL.iter().map(|word| word.word()).collect();
    let near = nearest(&text, known.iter().copied());
    let hint_zh = near.map_or(String::new(), |near| format!("是否指 {near}？"));
    let hint_en = near.map_or(String::new(), |near| format!("did you mean {near}? "));
    let known = known.join(", ");
    fault!(
        UnknownWord,
        "不认识 {text:?}",
        "{text:?} is not known here",
        "{hint_zh}可用：{known}",
        "{hint_en}use one of: {known}",
    )
}
