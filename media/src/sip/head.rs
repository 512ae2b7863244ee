//! The head of a message, line by line, before anything is believed of it.
//! Works on bytes, since names in GB18030 come unannounced; refuses heads
//! without an end in sight, and keeps what it does not understand as it came.

use std::borrow::Cow;

/// Longest head, start line and fields, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;
/// Longest body taken, in bytes.
pub(super) const BODY_MAX: usize = 32 * 1024;
/// Most fields of a head.
pub(super) const FIELDS_MAX: usize = 128;

/// The fields this node reads; compact forms are the same (RFC 3261 §7.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Authorization,
    CallId,
    Contact,
    ContentLength,
    ContentType,
    CSeq,
    Expires,
    From,
    MaxForwards,
    MinSe,
    Path,
    RecordRoute,
    Require,
    SessionExpires,
    Supported,
    To,
    Via,
    Other,
}

const NAMES: [(&str, &str, Name); 17] = [
    ("Authorization", "", Name::Authorization),
    ("Call-ID", "i", Name::CallId),
    ("Contact", "m", Name::Contact),
    ("Content-Length", "l", Name::ContentLength),
    ("Content-Type", "c", Name::ContentType),
    ("CSeq", "", Name::CSeq),
    ("Expires", "", Name::Expires),
    ("From", "f", Name::From),
    ("Max-Forwards", "", Name::MaxForwards),
    ("Min-SE", "", Name::MinSe),
    ("Path", "", Name::Path),
    ("Record-Route", "", Name::RecordRoute),
    ("Require", "", Name::Require),
    ("Session-Expires", "x", Name::SessionExpires),
    ("Supported", "k", Name::Supported),
    ("To", "t", Name::To),
    ("Via", "v", Name::Via),
];

impl Name {
    fn read(name: &[u8]) -> Self {
        let named = |long: &str| name.eq_ignore_ascii_case(long.as_bytes());
        let known = NAMES
            .iter()
            .find(|(long, short, _)| named(long) || (!short.is_empty() && named(short)));
        known.map_or(Self::Other, |(_, _, name)| *name)
    }
}

/// One field, unfolded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Name,
    pub(super) value: Vec<u8>,
}

/// What is wrong with a head that has nonetheless been taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It never ended.
    Truncated,
    /// A line without a colon, or with a name that is none.
    BadLine,
    TooManyFields,
    TooLong,
}

/// A head taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) start: Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) flaw: Option<Flaw>,
}

impl Head {
    /// Takes the head off `bytes` and says where the body begins. `None` when
    /// there is nothing but line ends.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        // RFC 3261 §7.5: line ends before a message are no part of it.
        let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let mut lines = Lines { rest: bytes.get(blank..)?, at: blank };
        let start = lines.next()?.trim_ascii().to_vec();
        let mut head = Self { start, fields: Vec::new(), flaw: None };
        loop {
            let Some(line) = lines.next() else {
                head.fault(Flaw::Truncated);
                return Some((head, bytes.len()));
            };
            if line.is_empty() {
                return Some((head, lines.at));
            }
            if lines.at > HEAD_MAX + blank {
                head.fault(Flaw::TooLong);
                return Some((head, bytes.len()));
            }
            head.line(line);
        }
    }

    fn fault(&mut self, flaw: Flaw) {
        self.flaw = self.flaw.or(Some(flaw));
    }

    fn line(&mut self, line: &[u8]) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            match self.fields.last_mut() {
                Some(field) => {
                    field.value.push(b' ');
                    field.value.extend_from_slice(line.trim_ascii());
                }
                None => self.fault(Flaw::BadLine),
            }
            return;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return self.fault(Flaw::BadLine);
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return self.fault(Flaw::BadLine);
        }
        if self.fields.len() >= FIELDS_MAX {
            return self.fault(Flaw::TooManyFields);
        }
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii().to_vec();
        self.fields.push(Field { name: Name::read(name), value });
    }

    /// The values of all fields of this name, as they came.
    pub(super) fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name == name).map(|f| f.value.as_slice())
    }

    /// The first value.
    pub(super) fn first(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The elements of all fields of this name, commas taken apart.
    pub(super) fn elements(&self, name: Name) -> Vec<&[u8]> {
        self.all(name).flat_map(|value| split(value, b',')).filter(|e| !e.is_empty()).collect()
    }

    /// A field that may only be there once, as text.
    pub(super) fn only(&self, name: Name) -> Option<Cow<'_, str>> {
        let mut all = self.all(name);
        let first = all.next()?;
        all.next().is_none().then(|| String::from_utf8_lossy(first))
    }
}

/// Lines up to an LF, without it and a CR before it. What comes after the last
/// LF is no line.
struct Lines<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|b| *b == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        self.at += end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// RFC 3261 §25.1.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// Whether every quoted text in it ends, and no angle bracket stands outside one.
pub(super) fn is_closed(text: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' | b'>' if !quoted => return false,
            _ => {}
        }
    }
    !quoted
}

/// Parts of `text` between `by`, where it stands neither in quotes nor between
/// angle brackets; each trimmed.
pub(super) fn split(text: &[u8], by: u8) -> Vec<&[u8]> {
    let (mut parts, mut from, mut quoted, mut angle, mut escaped) =
        (Vec::new(), 0, false, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angle => quoted = !quoted,
            _ if quoted => {}
            b'<' => angle = true,
            b'>' => angle = false,
            byte if *byte == by && !angle => {
                parts.push(text.get(from..at).unwrap_or_default().trim_ascii());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default().trim_ascii());
    parts
}

/// A parameter's value: `;name=value`, or empty for `;name`. Quotes are taken off.
pub(super) fn parameter(parameters: &[&[u8]], name: &str) -> Option<String> {
    parameters.iter().find_map(|parameter| {
        let mut sides = parameter.splitn(2, |b| *b == b'=');
        let key = sides.next()?.trim_ascii();
        let value = sides.next().unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        let found = key.eq_ignore_ascii_case(name.as_bytes());
        found.then(|| String::from_utf8_lossy(value).into_owned())
    })
}

/// `"Name" <uri>;parameters` or `uri;parameters`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) uri: String,
    pub(super) parameters: Vec<&'a [u8]>,
}

impl<'a> Address<'a> {
    /// `None` when no URI can stand there.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut parts = split(value, b';').into_iter();
        let first = parts.next()?;
        let uri = match open(first) {
            Some(inside) => {
                let end = inside.iter().position(|b| *b == b'>')?;
                // Nothing but blanks between '>' and the first ';'.
                let after = inside.get(end + 1..)?;
                after.trim_ascii().is_empty().then_some(inside.get(..end)?)?
            }
            None => first,
        };
        let uri = String::from_utf8_lossy(uri.trim_ascii()).into_owned();
        (!uri.is_empty()).then(|| Self { uri, parameters: parts.collect() })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.parameters, name)
    }
}

/// What follows the '<' that is not part of a quoted name.
fn open(text: &[u8]) -> Option<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}
