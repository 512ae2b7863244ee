//! Addresses as they are compared (RFC 3261 §10.3 step 5, §19.1.4). Refuses
//! anything that could not stand between '<' and '>' of a header as it is.

use std::fmt;

/// Longest URI kept, in bytes.
pub const URI_MAX: usize = 512;
const USER_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty or too long")]
    Length,
    #[error("not a sip: or sips: address")]
    Scheme,
    #[error("the address holds a byte that no SIP URI may hold")]
    BadByte,
    #[error("the address has no host")]
    NoHost,
}

impl AddressError {
    pub fn zh(&self) -> &'static str {
        match self {
            Self::Length => "地址为空或过长",
            Self::Scheme => "不是 sip: 或 sips: 地址",
            Self::BadByte => "地址含有 SIP URI 不允许的字节",
            Self::NoHost => "地址缺少主机",
        }
    }
}

/// An address of record, such as `5001` at `weir`. Whoever makes one has mapped
/// the names and addresses that phones know the site by to one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aor {
    user: String,
    host: String,
}

impl Aor {
    /// `user` is unescaped, `host` compared without case.
    ///
    /// # Errors
    /// When either is empty, too long or holds what a header may not.
    pub fn new(user: &str, host: &str) -> Result<Self, AddressError> {
        let user = unescape(user).ok_or(AddressError::BadByte)?;
        if user.is_empty() || user.len() > USER_MAX || host.len() > 253 {
            return Err(AddressError::Length);
        }
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        let fits = |b: u8| b.is_ascii_graphic() && !b"<>\"@".contains(&b);
        if !user.bytes().chain(host.bytes()).all(fits) {
            return Err(AddressError::BadByte);
        }
        Ok(Self { user, host: host.to_ascii_lowercase() })
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}@{}", self.user, self.host)
    }
}

/// A contact's URI: kept as the phone wrote it, compared by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    uri: String,
    key: String,
}

impl Contact {
    /// # Errors
    /// When `uri` is not a SIP address that fits a header.
    pub fn new(uri: &str) -> Result<Self, AddressError> {
        if uri.is_empty() || uri.len() > URI_MAX {
            return Err(AddressError::Length);
        }
        if !uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)) {
            return Err(AddressError::BadByte);
        }
        let (scheme, rest) = uri.split_once(':').ok_or(AddressError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "sip" | "sips") {
            return Err(AddressError::Scheme);
        }
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        // Only user parts tell capitals apart.
        let rest = rest.to_ascii_lowercase();
        let mut parts = rest.split(';');
        let host = parts.next().unwrap_or_default();
        if host.is_empty() || host.starts_with(':') {
            return Err(AddressError::NoHost);
        }
        let mut parameters: Vec<_> = parts.collect();
        parameters.sort_unstable();
        let user = unescape(user).unwrap_or_else(|| user.into());
        let key = format!("{scheme}:{user}@{host};{}", parameters.join(";"));
        Ok(Self { uri: uri.into(), key })
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether both name the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// `%41` is another spelling of `A`. None where what comes out is not text.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => (hex(*high)? * 16 + hex(*low)?, after),
            [b'%', ..] => return None,
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
