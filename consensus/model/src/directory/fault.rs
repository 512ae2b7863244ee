//! What is wrong with a directory, in words for the person who must mend it:
//! what it is and what to do, in Chinese and English. A fault is a value, so
//! that every one of them can be shown at once; nothing here decides anything.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RecordRef;
use super::limits::{LABEL_MAX_BYTES, TEXT_MAX_BYTES};
use super::word::{Word, words};

words! {
    /// Tells faults apart for scripts; the words are for people.
    FaultCode {
        Syntax = "syntax", "语法";
        FileTooLarge = "file-too-large", "文件过大";
        TooMany = "too-many", "过多";
        TooLarge = "too-large", "过大";
        UnknownKey = "unknown-key", "未知键";
        MissingKey = "missing-key", "缺少键";
        WrongType = "wrong-type", "类型不符";
        UnknownWord = "unknown-word", "未知词";
        UnknownStepKind = "unknown-step-kind", "未知步骤类型";
        BadName = "bad-name", "名称不合法";
        BadValue = "bad-value", "值不合法";
        OutOfRange = "out-of-range", "超出范围";
        Empty = "empty", "为空";
        Duplicate = "duplicate", "重复";
        UnknownReference = "unknown-reference", "引用不存在";
        WrongPrefix = "wrong-prefix", "号码前缀不符";
        TimeLiteral = "time-literal", "写死的时间";
        Template = "template", "模板";
        Rights = "rights", "权限";
        Grade = "grade", "证据等级";
        Group = "group", "并行组";
    }
}

/// One thing that is wrong, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    pub code: FaultCode,
    pub what_zh: String,
    pub what_en: String,
    pub remedy_zh: String,
    pub remedy_en: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}. / {}；{}。", self.what_en, self.remedy_en, self.what_zh, self.remedy_zh)
    }
}

/// Builds a [`Fault`]: what in Chinese and English, then the remedy in both.
macro_rules! fault {
    (
        $code:ident, $what_zh:literal, $what_en:literal,
        $remedy_zh:literal, $remedy_en:literal $(,)?
    ) => {
        $crate::directory::fault::Fault {
            code: $crate::directory::fault::FaultCode::$code,
            what_zh: format!($what_zh),
            what_en: format!($what_en),
            remedy_zh: format!($remedy_zh),
            remedy_en: format!($remedy_en),
        }
    };
}

pub(crate) use fault;

/// A fault and the place in the directory where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    pub at: RecordRef,
    /// Keys and indexes from the record down, such as `members.2.person`; empty
    /// for the record itself. The same words as in a directory file.
    pub path: String,
    /// What the fault says does not exist, when that is what it says.
    pub missing: Option<RecordRef>,
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}: {}", self.at, self.fault),
            path => write!(f, "{} {path}: {}", self.at, self.fault),
        }
    }
}

/// Gathers the problems of one record.
pub(super) struct Findings<'a> {
    at: RecordRef,
    into: &'a mut Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(at: RecordRef, into: &'a mut Vec<Problem>) -> Self {
        Self { at, into }
    }

    pub(super) fn add(&mut self, path: impl Into<String>, fault: Fault) {
        self.into.push(Problem { at: self.at.clone(), path: path.into(), missing: None, fault });
    }

    /// `missing` does not exist.
    pub(super) fn unknown(&mut self, path: impl Into<String>, missing: RecordRef) {
        let (zh, en, id) = (missing.kind().zh(), missing.kind().word(), missing.id());
        let fault = fault!(
            UnknownReference,
            "{zh} {id} 不存在",
            "there is no {en} {id}",
            "改正名称，或添加该{zh}",
            "correct the name, or add that {en}",
        );
        let (at, path) = (self.at.clone(), path.into());
        self.into.push(Problem { at, path, missing: Some(missing), fault });
    }

    pub(super) fn range(&mut self, path: impl Into<String>, found: u32, least: u32, most: u32) {
        if !(least..=most).contains(&found) {
            let fault = fault!(
                OutOfRange,
                "{found} 超出范围",
                "{found} is out of range",
                "写 {least} 到 {most} 之间的数",
                "write a number from {least} to {most}",
            );
            self.add(path, fault);
        }
    }

    pub(super) fn at_most(&mut self, path: impl Into<String>, found: usize, most: usize) {
        if found > most {
            let fault = fault!(
                TooMany,
                "共 {found} 项，最多 {most} 项",
                "{found} entries are more than the {most} allowed",
                "减少到 {most} 项以内，或拆成几条记录",
                "keep {most} or fewer, or split the record",
            );
            self.add(path, fault);
        }
    }

    pub(super) fn some(&mut self, path: impl Into<String>, found: usize) {
        if found == 0 {
            let fault = fault!(
                Empty,
                "此处为空",
                "nothing is listed here",
                "至少写一项，或删除整条记录",
                "list at least one, or remove the record",
            );
            self.add(path, fault);
        }
    }

    /// A label: one line, not empty.
    pub(super) fn label(&mut self, path: impl Into<String>, text: &str) {
        self.written(path, text, LABEL_MAX_BYTES);
    }

    /// A text that is spoken or asked.
    pub(super) fn text(&mut self, path: impl Into<String>, text: &str) {
        self.written(path, text, TEXT_MAX_BYTES);
    }

    fn written(&mut self, path: impl Into<String>, text: &str, most: usize) {
        let len = text.len();
        if text.trim().is_empty() {
            let fault = fault!(Empty, "文字为空", "the text is empty", "写出文字", "write it out");
            self.add(path, fault);
        } else if len > most {
            let fault = fault!(
                TooLarge,
                "文字长 {len} 字节，最多 {most} 字节",
                "the text is {len} bytes long, more than the {most} allowed",
                "缩短文字",
                "shorten it",
            );
            self.add(path, fault);
        } else if text.chars().any(char::is_control) {
            let fault = fault!(
                BadValue,
                "文字含有控制字符",
                "the text holds a control character",
                "写成一行，不用换行和制表符",
                "write it on one line, without tabs",
            );
            self.add(path, fault);
        }
    }

    pub(super) fn twice(&mut self, path: impl Into<String>, what: impl fmt::Display) {
        let fault = fault!(
            Duplicate,
            "{what} 出现两次",
            "{what} is named twice",
            "只保留一个",
            "keep one of them",
        );
        self.add(path, fault);
    }

    /// `what` belongs to `owner` already.
    pub(super) fn taken(&mut self, path: impl Into<String>, what: &str, owner: &RecordRef) {
        let (zh, en, id) = (owner.kind().zh(), owner.kind().word(), owner.id());
        let fault = fault!(
            Duplicate,
            "{what} 已属于{zh} {id}",
            "{what} already belongs to {en} {id}",
            "另选一个，或从{zh} {id} 中删去",
            "choose another, or remove it from {en} {id}",
        );
        self.add(path, fault);
    }
}
