//! Reads a directory file (TOML) whole, or refuses it whole with every mistake
//! at once, each with its line and its remedy. It touches no disk: it is handed
//! the text. A mistake is named once; what merely follows from it is not.

mod fields;
mod lines;
mod nearest;
mod plans;
mod records;
mod syntax;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::check::check_record;
use super::fault::{Fault, FaultCode, Problem, fault};
use super::limits::{FILE_MAX_BYTES, MISTAKES_MAX};
use super::word::Word;
use super::{Directory, Record, RecordKind, RecordRef};
use fields::{Fields, Reader};
use lines::Lines;
use syntax::Recovered;

/// One mistake in a directory file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    #[serde(flatten)]
    pub fault: Fault,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

/// The directory that `text` describes, at version 0, cross-checked.
///
/// # Errors
/// With every mistake, by line.
pub fn read(text: &str) -> Result<Directory, Vec<Mistake>> {
    if text.len() > FILE_MAX_BYTES {
        let most = FILE_MAX_BYTES;
        let fault = fault!(
            FileTooLarge,
            "文件超过 {most} 字节",
            "the file is longer than {most} bytes",
            "拆成几个文件，分次应用",
            "split it and apply the parts one after the other",
        );
        return Err(vec![Mistake { line: 1, column: 1, fault }]);
    }
    let recovered = syntax::recover(text);
    let (root, _) = DeTable::parse_recoverable(&recovered.text);
    let lines = Lines::new(text);
    let gathered = Gathering::new(&recovered, &lines).gather(root.get_ref());
    let Gathering { directory, faults, read: Reader { beyond, .. }, .. } = gathered;
    let mut faults: Vec<_> = recovered.faults.iter().cloned().chain(faults).collect();
    if faults.is_empty() {
        return Ok(directory);
    }
    faults.sort();
    faults.dedup();
    Err(mistakes(&lines, faults, beyond))
}

/// The mistakes for `faults`, which are in the order of the file. A wall of
/// mistakes helps nobody: cuts it and says how many more there are.
fn mistakes(lines: &Lines<'_>, mut faults: Vec<(usize, Fault)>, beyond: usize) -> Vec<Mistake> {
    let more = faults.len().saturating_sub(MISTAKES_MAX) + beyond;
    faults.truncate(MISTAKES_MAX);
    if let Some((last, _)) = faults.last().filter(|_| more > 0) {
        let fault = fault!(
            TooMany,
            "此后还有 {more} 处错误",
            "{more} more mistakes follow",
            "先改正以上各处",
            "correct those above first",
        );
        faults.push((*last, fault));
    }
    let placed = faults.into_iter().map(|(at, fault)| {
        let (line, column) = lines.position(at);
        Mistake { line, column, fault }
    });
    placed.collect()
}

/// A record of the file: where it stands, and what has been said about it.
struct Written<'t> {
    fields: Fields<'t>,
    settled: Vec<String>,
}

struct Gathering<'f, 't> {
    recovered: &'f Recovered,
    lines: &'f Lines<'f>,
    read: Reader,
    directory: Directory,
    written: BTreeMap<RecordRef, Written<'t>>,
    faults: Vec<(usize, Fault)>,
}

impl<'f, 't> Gathering<'f, 't> {
    fn new(recovered: &'f Recovered, lines: &'f Lines<'f>) -> Self {
        Self {
            recovered,
            lines,
            read: Reader::default(),
            directory: Directory::default(),
            written: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    fn gather(mut self, root: &'t DeTable<'t>) -> Self {
        let root = Fields { table: root, span: 0..0, path: String::new() };
        let sections: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.word()).collect();
        self.read.only(&root, &sections);
        let mut found: Vec<(RecordKind, Fields<'t>)> = Vec::new();
        for kind in RecordKind::ALL.iter().copied() {
            let Some((key, section)) = root.table.get_key_value(kind.word()) else { continue };
            match records_of(section.get_ref()) {
                Some(records) => found.extend(records.into_iter().map(|one| (kind, one))),
                None => self.faults.push((key.span().start, not_a_section(kind))),
            }
        }
        found.sort_by_key(|(_, fields)| fields.span.start);
        let starts: Vec<usize> = found.iter().map(|(_, fields)| fields.span.start).collect();
        for (nth, (kind, fields)) in found.into_iter().enumerate() {
            let end = starts.get(nth + 1).copied().unwrap_or(usize::MAX);
            self.record(kind, fields, end);
        }
        self.cross_check();
        self.faults.append(&mut self.read.faults);
        self
    }

    /// Reads one record that ends before byte `end`.
    fn record(&mut self, kind: RecordKind, fields: Fields<'t>, end: usize) {
        let from = self.lines.line_of(fields.span.start);
        let to = self.lines.line_of(end);
        let damaged =
            self.recovered.hopeless || self.recovered.lost.range(from..=to).next().is_some();
        self.read.begin(damaged);
        let stand_in = format!("line-{}", from + 1);
        let (read, at) = (&mut self.read, &fields);
        let record = match kind {
            RecordKind::Site => records::site(read, at, &stand_in).map(Record::Site),
            RecordKind::Person => records::person(read, at, &stand_in).map(Record::Person),
            RecordKind::Extension => records::extension(read, at, &stand_in).map(Record::Extension),
            RecordKind::Zone => records::zone(read, at, &stand_in).map(Record::Zone),
            RecordKind::Roster => records::roster(read, at, &stand_in).map(Record::Roster),
            RecordKind::Camera => records::camera(read, at, &stand_in).map(Record::Camera),
            RecordKind::Audio => records::audio(read, at, &stand_in).map(Record::Audio),
            RecordKind::Plan => plans::plan(read, at, &stand_in).map(Record::Plan),
        };
        let settled = self.read.settled();
        let written = Written { fields, settled };
        let Some(record) = record else { return };
        let reference = record.reference();
        if let Some(first) = self.written.get(&reference) {
            self.twice(&reference, first.fields.span.start, &written, &record);
        } else {
            self.directory.put_record(record);
            self.written.insert(reference, written);
        }
    }

    /// The second record of a name: checked by itself, but not against the
    /// others, where it would only meet its namesake.
    fn twice(&mut self, at: &RecordRef, first: usize, written: &Written<'t>, record: &Record) {
        let (first, _) = self.lines.position(first);
        let (zh, en, id) = (at.kind().zh(), at.kind().word(), at.id());
        let fault = fault!(
            Duplicate,
            "{zh} {id} 已在第 {first} 行写过",
            "{en} {id} stands on line {first} already",
            "改名，或只保留一个",
            "rename one of them, or keep one",
        );
        let key = if at.kind() == RecordKind::Extension { "number" } else { "id" };
        self.faults.push((locate(&written.fields, key), fault));
        let mut problems = Vec::new();
        check_record(record, &mut problems);
        let told = problems.into_iter().filter(|problem| !written.settles(&problem.path));
        self.faults.extend(told.map(|one| (locate(&written.fields, &one.path), one.fault)));
    }

    fn cross_check(&mut self) {
        for problem in self.directory.check() {
            let Some(written) = self.written.get(&problem.at) else { continue };
            if !written.settles(&problem.path) && !self.excused(&problem) {
                self.faults.push((locate(&written.fields, &problem.path), problem.fault));
            }
        }
    }

    /// Whether something may be missing only because its line did not parse.
    fn excused(&self, problem: &Problem) -> bool {
        if problem.fault.code != FaultCode::UnknownReference {
            return false;
        }
        if self.recovered.hopeless {
            return true;
        }
        let mut lost = self.recovered.lost.iter().map(|line| self.lines.text(*line));
        match &problem.missing {
            Some(missing) => lost.any(|line| line.contains(missing.id())),
            None => lost.next().is_some(),
        }
    }
}

impl Written<'_> {
    /// Whether everything has been said about a place, above it or below it.
    fn settles(&self, path: &str) -> bool {
        // A record with this many mistakes is not checked again against each.
        self.settled.len() > MISTAKES_MAX
            || self.settled.iter().any(|settled| fields::same_place(settled, path))
    }
}

/// The byte at which a place of a record stands, or the nearest place above it.
fn locate(fields: &Fields<'_>, path: &str) -> usize {
    let mut at = fields.span.start;
    let mut here: Option<&DeValue<'_>> = None;
    let mut table = Some(fields.table);
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let next = match (table, here) {
            (Some(table), _) => {
                table.get_key_value(part).map(|(key, value)| (key.span().start, value))
            }
            (None, Some(DeValue::Array(array))) => {
                let entry = part.parse::<usize>().ok().and_then(|nth| array.get(nth));
                entry.map(|value| (value.span().start, value))
            }
            (None, _) => None,
        };
        let Some((start, value)) = next else { break };
        at = start;
        here = Some(value.get_ref());
        table = value.get_ref().as_table();
    }
    at
}

/// The tables of a section; `None` when it holds anything else.
fn records_of<'t>(section: &'t DeValue<'t>) -> Option<Vec<Fields<'t>>> {
    let one = |value: &'t toml::Spanned<DeValue<'t>>| {
        let table = value.get_ref().as_table()?;
        Some(Fields { table, span: value.span(), path: String::new() })
    };
    section.as_array()?.iter().map(one).collect()
}

fn not_a_section(kind: RecordKind) -> Fault {
    let (zh, en) = (kind.zh(), kind.word());
    fault!(
        WrongType,
        "{zh}不是逐条写的",
        "{en} is not written as records",
        "每条{zh}以 [[{en}]] 开头",
        "begin each {en} with [[{en}]]",
    )
}
