//! What a device and its registrar share: passwords made for machines and what
//! is kept of them. It refuses to know who has which.

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Where every number of a cluster is good: one realm, so that a device may
/// register at another node of its site (RFC 7616 §3.3).
pub const REALM: &str = "weir";

/// Without what is mistaken for something else when typed by hand.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789T";

/// Sixteen characters, eighty bits.
pub fn password(dice: [u8; 16]) -> String {
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    dice.into_iter().map(letter).collect()
}

/// HA1 of RFC 7616 §3.4.2, by MD5 and by SHA-256.
pub fn hashes(number: &str, password: &str) -> ([u8; 16], [u8; 32]) {
    let text = format!("{number}:{REALM}:{password}");
    (Md5::digest(text.as_bytes()).into(), Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_can_be_typed_and_two_are_not_alike() {
        let (one, other) = (password([7; 16]), password([8; 16]));
        assert_eq!(one.len(), 16);
        assert_ne!(one, other);
        assert!(one.bytes().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn what_is_kept_is_what_a_device_computes() {
        // `printf 5411:weir:secret | md5sum`
        let (md5, _) = hashes("5411", "secret");
        let hex: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, EXPECTED);
    }
    const EXPECTED: &str = "2677588a99c7e3e9ee408dcd947ef9a4";
}
