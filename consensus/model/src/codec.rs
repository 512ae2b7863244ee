//! How records become bytes on disk and on the wire: one byte of kind, one byte
//! of version, then a compact body. A record of a newer version is refused by
//! name, so that a node that was not upgraded says so instead of misreading.
//! It refuses trailing bytes and anything longer than its kind allows.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A record that is kept or sent.
pub trait Stored: Serialize + DeserializeOwned {
    /// Tells kinds apart; see the table in ARCHITECTURE.md.
    const KIND: u8;
    /// Raised with every change of shape.
    const VERSION: u8;
    /// Longest encoding accepted, in bytes.
    const MAX_BYTES: usize;
    /// What to call it in an error.
    const NAME: &'static str;

    /// Reads a version before [`Self::VERSION`].
    fn from_older(_version: u8, _body: &[u8]) -> Option<Self> {
        None
    }
}

/// Makes types records: type, kind, longest encoding, what errors call it. The
/// first version of each.
#[macro_export]
macro_rules! stored {
    ($($name:ty, $kind:literal, $max:expr, $called:literal;)+) => {$(
        impl $crate::codec::Stored for $name {
            const KIND: u8 = $kind;
            const VERSION: u8 = 1;
            const MAX_BYTES: usize = $max;
            const NAME: &'static str = $called;
        }
    )+};
}

/// Why bytes are not the record they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{what}: {len} bytes are too few to hold a record")]
    Truncated { what: &'static str, len: usize },
    #[error("{what}: kind {found} stands where kind {expected} belongs")]
    Kind { what: &'static str, expected: u8, found: u8 },
    #[error("{what}: version {found} was written by another Weir; this one reads up to {known}")]
    Version { what: &'static str, known: u8, found: u8 },
    #[error("{what}: {len} bytes are more than the {max} allowed")]
    TooLong { what: &'static str, len: usize, max: usize },
    #[error("{what}: the body does not decode")]
    Body { what: &'static str },
    #[error("{what}: {extra} bytes follow the record")]
    Trailing { what: &'static str, extra: usize },
}

/// The bytes of `record`.
///
/// # Errors
/// When it is longer than its kind allows.
pub fn encode<T: Stored>(record: &T) -> Result<Vec<u8>, DecodeError> {
    let head = vec![T::KIND, T::VERSION];
    let bytes =
        postcard::to_extend(record, head).map_err(|_| DecodeError::Body { what: T::NAME })?;
    if bytes.len() > T::MAX_BYTES {
        return Err(DecodeError::TooLong { what: T::NAME, len: bytes.len(), max: T::MAX_BYTES });
    }
    Ok(bytes)
}

/// The record in `bytes`.
///
/// # Errors
/// When the bytes are not exactly one record of this kind and a known version.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, DecodeError> {
    let what = T::NAME;
    if bytes.len() > T::MAX_BYTES {
        return Err(DecodeError::TooLong { what, len: bytes.len(), max: T::MAX_BYTES });
    }
    let [kind, version, body @ ..] = bytes else {
        return Err(DecodeError::Truncated { what, len: bytes.len() });
    };
    if *kind != T::KIND {
        return Err(DecodeError::Kind { what, expected: T::KIND, found: *kind });
    }
    if *version != T::VERSION {
        let unread = DecodeError::Version { what, known: T::VERSION, found: *version };
        return T::from_older(*version, body).ok_or(unread);
    }
    let (record, rest) = postcard::take_from_bytes(body).map_err(|_| DecodeError::Body { what })?;
    match rest.len() {
        0 => Ok(record),
        extra => Err(DecodeError::Trailing { what, extra }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
        numbers: Vec<u32>,
    }

    impl Stored for Sample {
        const KIND: u8 = 250;
        const VERSION: u8 = 3;
        const MAX_BYTES: usize = 4096;
        const NAME: &'static str = "sample";
    }

    #[test]
    fn a_newer_record_is_refused_by_name() {
        let mut bytes = encode(&Sample { name: "a".into(), numbers: vec![] }).unwrap();
        bytes[1] = 4;
        let refused = decode::<Sample>(&bytes).unwrap_err();
        assert_eq!(refused, DecodeError::Version { what: "sample", known: 3, found: 4 });
    }

    proptest! {
        #[test]
        fn records_read_back_as_they_were_written(name in ".{0,40}", numbers: Vec<u32>) {
            let record = Sample { name, numbers };
            prop_assert_eq!(decode::<Sample>(&encode(&record).unwrap()).unwrap(), record);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = decode::<Sample>(&bytes);
        }
    }
}
