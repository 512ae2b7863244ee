//! The hash functions of digest, and their sums. Refuses the `-sess` variants
//! and anything else it does not know by name.

use std::fmt;
use std::hint::black_box;

use md5::Md5;
use sha2::{Digest, Sha256};

/// In the order in which we like them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 8760.
    Sha256,
    /// RFC 3261; broken as a hash, and all that many a desk phone knows.
    Md5,
}

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// As in RFC 7616 §3.3, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Length of a sum.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }

    /// The sum of `parts` with a colon between each two (RFC 7616 §3.4).
    pub fn sum(self, parts: &[&[u8]]) -> Sum {
        let joined = parts.join(&b':');
        match self {
            Self::Sha256 => Sum(Sha256::digest(joined).to_vec()),
            Self::Md5 => Sum(Md5::digest(joined).to_vec()),
        }
    }
}

/// A sum; shown as the lower-case digits that the next sum is made of.
#[derive(Clone)]
pub struct Sum(Vec<u8>);

impl Sum {
    /// Whether `text` is as many hexadecimal digits as `algorithm` gives.
    pub(super) fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        if text.len() != algorithm.bytes() * 2 {
            return None;
        }
        unhex(text).map(Self)
    }

    /// Takes the same time wherever the first difference is.
    pub fn same_as(&self, other: &Self) -> bool {
        let difference =
            self.0.iter().zip(&other.0).fold(0, |so_far, (a, b)| black_box(so_far | (a ^ b)));
        self.0.len() == other.0.len() && difference == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Opens the door as well as the password does, so it stays out of logs.
impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sum(..)")
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
