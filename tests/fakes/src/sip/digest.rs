//! Digest authentication from the device's side (RFC 7616, and RFC 2617 for
//! MD5). It refuses challenges in an algorithm other than the device's own, and
//! ones without a realm or a nonce. rsip's own generator is no use here: it
//! spells SHA-256 in a way that no registrar does.

use md5::{Digest, Md5};
use serde::Deserialize;
use sha2::Sha256;

/// The one digest algorithm the device knows (RFC 7616).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }
}

/// What a registrar asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Whether `auth` is among the offered qualities.
    auth: bool,
    names_algorithm: bool,
}

/// Who answers a challenge, and for which request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub number: &'a str,
    pub password: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
}

impl Challenge {
    /// The value of a WWW-Authenticate header, if it speaks this algorithm.
    pub fn read(value: &str, hash: Hash) -> Option<Self> {
        let rest = value
            .trim()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Digest "))?;
        let params = params(rest.1);
        let param = |name: &str| {
            params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let algorithm = param("algorithm");
        // No algorithm means MD5 (RFC 7616 §3.3).
        if !algorithm.map_or("MD5", String::as_str).eq_ignore_ascii_case(hash.name()) {
            return None;
        }
        Some(Self {
            realm: param("realm")?.clone(),
            nonce: param("nonce")?.clone(),
            opaque: param("opaque").cloned(),
            auth: param("qop").is_some_and(|qop| {
                qop.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth"))
            }),
            names_algorithm: algorithm.is_some(),
        })
    }

    /// The value of the Authorization header; `count` is how often this nonce
    /// has been used, this time included.
    pub fn answer(&self, asked: Asked<'_>, hash: Hash, count: u32, cnonce: &str) -> String {
        let Asked { number, password, method, uri } = asked;
        let Self { realm, nonce, .. } = self;
        let who = hashed(hash, &format!("{number}:{realm}:{password}"));
        let what = hashed(hash, &format!("{method}:{uri}"));
        let mut header = format!(
            "Digest username=\"{number}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\""
        );
        let response = if self.auth {
            header.push_str(&format!(", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\""));
            format!("{who}:{nonce}:{count:08x}:{cnonce}:auth:{what}")
        } else {
            format!("{who}:{nonce}:{what}")
        };
        header.push_str(&format!(", response=\"{}\"", hashed(hash, &response)));
        if self.names_algorithm {
            header.push_str(&format!(", algorithm={}", hash.name()));
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque=\"{opaque}\""));
        }
        header
    }
}

fn hashed(hash: Hash, text: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match hash {
        Hash::Md5 => hex(&Md5::digest(text)),
        Hash::Sha256 => hex(&Sha256::digest(text)),
    }
}

/// `name=value` and `name="value"`, separated by commas outside of quotes.
fn params(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut word, mut quoted, mut escaped) = (String::new(), false, false);
    for letter in text.chars().chain([',']) {
        match letter {
            _ if escaped => {
                word.push(letter);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                if let Some((name, value)) = word.split_once('=') {
                    found.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                word.clear();
            }
            _ => word.push(letter),
        }
    }
    found
}
