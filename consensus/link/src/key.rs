//! Ed25519 keys and signatures (RFC 8032). It refuses every other algorithm, and
//! a key never shows itself in a log.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use weir_model::id::Hash;

/// Before the 32 bytes of a key in a SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the system gave no random bytes")]
    NoRandom,
    #[error("not an Ed25519 private key in PKCS #8")]
    NotPrivate,
    #[error("not an Ed25519 public key")]
    NotPublic,
    #[error("not a certificate")]
    NotCertificate,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the signature does not belong to this message and key")]
    Forged,
}

/// A node's or a CA's private key.
pub struct SecretKey {
    pkcs8: Vec<u8>,
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, KeyError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NoRandom)?;
        Self::from_pkcs8(document.as_ref())
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::NotPrivate)?;
        Ok(Self { pkcs8: pkcs8.to_vec(), pair })
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    pub(crate) fn for_tls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.clone()))
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// As it stands in a certificate (DER SubjectPublicKeyInfo).
    pub fn to_spki_der(self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }

    /// # Errors
    /// When it is not exactly one Ed25519 key.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let bytes = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::NotPublic)?;
        bytes.try_into().map(Self).map_err(|_| KeyError::NotPublic)
    }

    /// The key a certificate speaks for; whether to trust it is not asked here.
    ///
    /// # Errors
    /// When `der` is no certificate or its key is not Ed25519.
    pub fn from_certificate_der(der: &[u8]) -> Result<Self, KeyError> {
        let certificate = CertificateDer::from(der);
        let parsed =
            ParsedCertificate::try_from(&certificate).map_err(|_| KeyError::NotCertificate)?;
        Self::from_spki_der(&parsed.subject_public_key_info())
    }

    /// # Errors
    /// When the signature was not made by this key over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| SignatureError::Forged)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Checks a signature with the key of a certificate that the caller trusts.
///
/// # Errors
/// When the certificate has no Ed25519 key or the signature does not hold.
pub fn verify(
    certificate_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    PublicKey::from_certificate_der(certificate_der)?.verify(message, signature)
}

/// Plain SHA-256 of a certificate, as `openssl x509 -fingerprint` shows it.
pub fn fingerprint(der: &[u8]) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_signature_holds_for_its_message_and_key_only() {
        let key = SecretKey::generate().unwrap();
        let signature = key.sign(b"open gate 3");
        assert_eq!(key.public().verify(b"open gate 3", &signature), Ok(()));
        assert_eq!(key.public().verify(b"open gate 4", &signature), Err(SignatureError::Forged));
        let other = SecretKey::generate().unwrap().public();
        assert_eq!(other.verify(b"open gate 3", &signature), Err(SignatureError::Forged));
    }

    #[test]
    fn a_public_key_reads_back_from_its_der() {
        let public = SecretKey::generate().unwrap().public();
        assert_eq!(PublicKey::from_spki_der(&public.to_spki_der()), Ok(public));
    }

    #[test]
    fn a_key_in_a_log_shows_only_its_public_half() {
        let key = SecretKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_key_parsers_panic(bytes: Vec<u8>) {
            let _ = PublicKey::from_spki_der(&bytes);
            let _ = PublicKey::from_certificate_der(&bytes);
            let _ = SecretKey::from_pkcs8(&bytes);
        }
    }
}
