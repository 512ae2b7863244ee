//! Reads an Authorization header's value (RFC 7616 §3.4). Refuses what is too
//! long, said twice, missing or of an algorithm we did not offer; ignores
//! parameters it does not know.

use super::algorithm::{Algorithm, Sum};

/// Longest header value looked at, in bytes.
pub const AUTHORIZATION_MAX: usize = 4096;

/// Why a header value is not an answer to a digest challenge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("longer than {AUTHORIZATION_MAX} bytes")]
    TooLong,
    #[error("a scheme other than Digest")]
    OtherScheme,
    #[error("not a list of name=value")]
    Syntax,
    #[error("{0} is not text")]
    NotText(&'static str),
    #[error("{0} is there twice")]
    Twice(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("algorithm is neither SHA-256 nor MD5")]
    Algorithm,
    #[error("qop is not auth")]
    Quality,
    #[error("nc is not 8 hexadecimal digits above zero")]
    Count,
    #[error("response is not as many hexadecimal digits as the algorithm gives")]
    Response,
}

impl HeaderError {
    pub(super) fn zh(&self) -> String {
        match self {
            Self::TooLong => format!("超过 {AUTHORIZATION_MAX} 字节"),
            Self::OtherScheme => "不是 Digest 认证".into(),
            Self::Syntax => "不是“名=值”列表".into(),
            Self::NotText(name) => format!("{name} 不是文本"),
            Self::Twice(name) => format!("{name} 重复"),
            Self::Missing(name) => format!("缺少 {name}"),
            Self::Algorithm => "算法既非 SHA-256 也非 MD5".into(),
            Self::Quality => "qop 不是 auth".into(),
            Self::Count => "nc 不是大于零的 8 位十六进制数".into(),
            Self::Response => "response 的位数与算法不符".into(),
        }
    }
}

/// How the answer was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quality {
    /// RFC 2617 and later: counted.
    Auth { nc: u32, cnonce: String },
    /// RFC 2069: some cheap devices still do not count.
    Absent,
}

/// An answer to a challenge, as it came.
#[derive(Debug, Clone)]
pub struct Authorization {
    pub username: String,
    pub realm: String,
    pub nonce: String,
    pub uri: String,
    pub algorithm: Algorithm,
    pub response: Sum,
    pub quality: Quality,
    /// `nc` as it was written, which is what was hashed.
    nc_digits: String,
}

impl Authorization {
    /// # Errors
    /// See [`HeaderError`]; [`HeaderError::OtherScheme`] is no fault of ours to report.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        if value.len() > AUTHORIZATION_MAX {
            return Err(HeaderError::TooLong);
        }
        let value = value.trim_ascii();
        let (scheme, rest) = value.split_at(value.iter().take_while(|b| is_token(**b)).count());
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Err(HeaderError::OtherScheme);
        }
        if !rest.first().is_some_and(u8::is_ascii_whitespace) {
            return Err(HeaderError::Syntax);
        }
        Fields::read(rest)?.answer()
    }

    /// What `response` has to be (RFC 7616 §3.4.1).
    pub(super) fn expected(&self, ha1: &str, method: &str) -> Sum {
        let ha2 = self.algorithm.sum(&[method.as_bytes(), self.uri.as_bytes()]).to_string();
        let (ha1, nonce, ha2) = (ha1.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes());
        match &self.quality {
            Quality::Auth { cnonce, .. } => {
                let (nc, cnonce) = (self.nc_digits.as_bytes(), cnonce.as_bytes());
                self.algorithm.sum(&[ha1, nonce, nc, cnonce, b"auth", ha2])
            }
            Quality::Absent => self.algorithm.sum(&[ha1, nonce, ha2]),
        }
    }
}

const KNOWN: [&str; 9] =
    ["username", "realm", "nonce", "uri", "algorithm", "response", "qop", "nc", "cnonce"];

/// The known parameters, unquoted.
#[derive(Default)]
struct Fields([Option<Vec<u8>>; KNOWN.len()]);

impl Fields {
    fn read(mut rest: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = Self::default();
        loop {
            rest = rest.trim_ascii_start();
            // Empty elements of a list are allowed (RFC 9110 §5.6.1).
            while let Some(after) = rest.strip_prefix(b",") {
                rest = after.trim_ascii_start();
            }
            if rest.is_empty() {
                return Ok(fields);
            }
            let (name, value, after) = parameter(rest)?;
            fields.keep(name, value)?;
            rest = after.trim_ascii_start();
            if !matches!(rest.first(), None | Some(b',')) {
                return Err(HeaderError::Syntax);
            }
        }
    }

    fn keep(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), HeaderError> {
        for (known, slot) in KNOWN.iter().zip(&mut self.0) {
            if name.eq_ignore_ascii_case(known.as_bytes()) {
                return match slot.replace(value) {
                    Some(_) => Err(HeaderError::Twice(known)),
                    None => Ok(()),
                };
            }
        }
        Ok(())
    }

    fn optional(&mut self, name: &'static str) -> Result<Option<String>, HeaderError> {
        let at = KNOWN.iter().position(|known| *known == name);
        let value = at.and_then(|at| self.0.get_mut(at)).and_then(Option::take);
        let text = value.map(String::from_utf8).transpose();
        text.map_err(|_| HeaderError::NotText(name))
    }

    fn text(&mut self, name: &'static str) -> Result<String, HeaderError> {
        self.optional(name)?.ok_or(HeaderError::Missing(name))
    }

    fn answer(mut self) -> Result<Authorization, HeaderError> {
        // RFC 3261 §22.4: without a name it is MD5.
        let named = self.optional("algorithm")?;
        let algorithm = named.map_or(Some(Algorithm::Md5), |name| Algorithm::named(&name));
        let algorithm = algorithm.ok_or(HeaderError::Algorithm)?;
        let (mut quality, mut nc_digits) = (Quality::Absent, String::new());
        if let Some(qop) = self.optional("qop")? {
            if !qop.eq_ignore_ascii_case("auth") {
                return Err(HeaderError::Quality);
            }
            nc_digits = self.text("nc")?;
            let nc = count(&nc_digits).ok_or(HeaderError::Count)?;
            quality = Quality::Auth { nc, cnonce: self.text("cnonce")? };
        }
        let response = self.text("response")?;
        Ok(Authorization {
            username: self.text("username")?,
            realm: self.text("realm")?,
            nonce: self.text("nonce")?,
            uri: self.text("uri")?,
            response: Sum::parse(algorithm, &response).ok_or(HeaderError::Response)?,
            algorithm,
            quality,
            nc_digits,
        })
    }
}

fn count(digits: &str) -> Option<u32> {
    let all_hex = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let nc = all_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
    (nc > 0).then_some(nc)
}

/// RFC 3261 §25.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

type Parameter<'a> = (&'a [u8], Vec<u8>, &'a [u8]);

/// One `name=value`, and what comes after it.
fn parameter(from: &[u8]) -> Result<Parameter<'_>, HeaderError> {
    let (name, rest) = from.split_at(from.iter().take_while(|b| is_token(**b)).count());
    let rest = rest.trim_ascii_start().strip_prefix(b"=").ok_or(HeaderError::Syntax)?;
    let rest = rest.trim_ascii_start();
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => {
            // Wider than a token: some phones forget the quotes around a URI.
            let bare = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, b',' | b'"');
            let (value, rest) = rest.split_at(rest.iter().take_while(|b| bare(b)).count());
            (value.to_vec(), rest)
        }
    };
    if name.is_empty() {
        return Err(HeaderError::Syntax);
    }
    Ok((name, value, rest))
}

/// The inside of a quoted string whose opening quote is gone, and what follows.
fn unquote(from: &[u8]) -> Result<(Vec<u8>, &[u8]), HeaderError> {
    let mut value = Vec::new();
    let mut rest = from;
    loop {
        match rest {
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', escaped, after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [b'\\'] | [] => return Err(HeaderError::Syntax),
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}
