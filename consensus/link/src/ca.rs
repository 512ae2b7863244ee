//! The cluster's own certificate authority. It signs node certificates and
//! nothing else; it refuses to issue for a key that is not Ed25519, and never
//! overwrites a CA that already stands in a folder.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use weir_model::id::{ClusterId, Hash, NodeId, NodeName, SiteId, WallMs};

use crate::folder::{self, FolderError, Pem, Secrecy};
use crate::key::{KeyError, PublicKey, SecretKey, fingerprint};
use crate::names::{any_node, node_name};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Certificates are valid from a little earlier, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(2 * 24 * 3600);
/// Membership ends trust, not a date: a node whose certificate ran out unseen
/// would fall silent in the very night it is needed.
const NODE_DAYS: u32 = 365 * 20;
const CA_DAYS: u32 = 365 * 30;
/// 2200-01-01T00:00:00Z: a clock beyond it is broken.
const LATEST: WallMs = WallMs(7_258_118_400_000);

/// Why a CA cannot be made or cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("the clock shows a year after 2199; set it first")]
    Clock,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("signing failed: {0}")]
    Signing(#[from] rcgen::Error),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// The CA of one cluster, with its key.
#[derive(Debug)]
pub struct Ca {
    cluster: ClusterId,
    key: SecretKey,
    certificate: Vec<u8>,
}

/// A public key that someone else holds the private half of.
struct Subject {
    key: PublicKey,
}

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.key.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl Ca {
    /// # Errors
    /// When the clock or the system's randomness is unfit.
    pub fn create(cluster: ClusterId, now: WallMs) -> Result<Self, CaError> {
        let key = SecretKey::generate()?;
        let mut params = ca_params(cluster, key.public());
        set_validity(&mut params, now, CA_DAYS)?;
        params.serial_number = Some(serial(&[b"ca", &cluster.0, &key.public().0]));
        let certificate = params.self_signed(&rcgen_key(&key)?)?.der().to_vec();
        Ok(Self { cluster, key, certificate })
    }

    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// What a token pins.
    pub fn fingerprint(&self) -> Hash {
        fingerprint(&self.certificate)
    }

    /// A certificate (DER) that says: this key is `node` of this cluster.
    ///
    /// # Errors
    /// When the key is not Ed25519 or the clock is unfit.
    pub fn issue(
        &self,
        node: NodeId,
        name: &NodeName,
        site: &SiteId,
        public_key_spki_der: &[u8],
        now: WallMs,
    ) -> Result<Vec<u8>, CaError> {
        let subject = Subject { key: PublicKey::from_spki_der(public_key_spki_der)? };
        let mut params =
            CertificateParams::new([node_name(node, self.cluster), any_node(self.cluster)])?;
        set_validity(&mut params, now, NODE_DAYS)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.distinguished_name.push(DnType::OrganizationalUnitName, site.as_str());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let stamp = now.0.to_le_bytes();
        params.serial_number =
            Some(serial(&[b"node", &node.0.to_le_bytes(), &subject.key.0, &stamp]));
        let issuer = Issuer::new(ca_params(self.cluster, self.key.public()), rcgen_key(&self.key)?);
        Ok(params.signed_by(&subject, &issuer)?.der().to_vec())
    }

    /// The key itself (PKCS #8), for another voter's keeping; never for a log.
    pub fn secret_pkcs8(&self) -> &[u8] {
        self.key.pkcs8()
    }

    /// A CA as another voter handed it over.
    ///
    /// # Errors
    /// When the key is not the certificate's.
    pub fn from_parts(cluster: ClusterId, der: &[u8], pkcs8: &[u8]) -> Result<Self, CaError> {
        let key = SecretKey::from_pkcs8(pkcs8)?;
        if PublicKey::from_certificate_der(der)? != key.public() {
            return Err(KeyError::NotPrivate.into());
        }
        Ok(Self { cluster, key, certificate: der.to_vec() })
    }

    /// Keeps `ca.pem` and `ca.key` in `folder`.
    ///
    /// # Errors
    /// When a CA stands there already, or the disk refuses.
    pub fn save(&self, folder: &Path) -> Result<(), FolderError> {
        folder::make(folder)?;
        let key_path = folder.join("ca.key");
        if key_path.exists() {
            return Err(FolderError::Exists { path: key_path });
        }
        // The key last: where it stands, the folder is complete.
        let lines = vec![("cluster".to_owned(), self.cluster.to_string())];
        let certificate = Pem { lines, der: self.certificate.clone() };
        let text = certificate.to_text("CERTIFICATE");
        folder::replace(&folder.join("ca.pem"), &text, Secrecy::Public)?;
        let key = Pem { lines: Vec::new(), der: self.key.pkcs8().to_vec() };
        folder::replace(&key_path, &key.to_text("PRIVATE KEY"), Secrecy::Private)
    }

    /// # Errors
    /// When the files are missing, exposed, damaged or not each other's.
    pub fn load(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join("ca.pem");
        let pem = folder::read_pem(&path, "CERTIFICATE")?;
        let cluster = pem
            .line("cluster")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| FolderError::NoLine { path: path.clone(), line: "cluster" })?;
        let key_path = folder.join("ca.key");
        let key_pem = folder::read_secret_pem(&key_path, "PRIVATE KEY")?;
        let key = SecretKey::from_pkcs8(&key_pem.der)
            .map_err(|source| FolderError::Key { path: key_path.clone(), source })?;
        let certified = PublicKey::from_certificate_der(&pem.der)
            .map_err(|source| FolderError::Key { path, source })?;
        if certified != key.public() {
            let what = "ca.pem is for another key";
            return Err(FolderError::Mismatch { path: key_path, what });
        }
        Ok(Self { cluster, key, certificate: pem.der })
    }
}

fn rcgen_key(key: &SecretKey) -> Result<KeyPair, rcgen::Error> {
    let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8());
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)
}

/// The same for signing as for creating, because a certificate names its issuer.
/// The key is part of the name, so that two CAs are never taken for each other.
fn ca_params(cluster: ClusterId, key: PublicKey) -> CertificateParams {
    let key = fingerprint(&key.0).short();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Weir CA {cluster} {key}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn set_validity(params: &mut CertificateParams, now: WallMs, days: u32) -> Result<(), CaError> {
    if now > LATEST {
        return Err(CaError::Clock);
    }
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(now.0);
    params.not_before = now - BACKDATED;
    params.not_after = now + DAY * days;
    Ok(())
}

/// Sixteen bytes with the top bit clear: positive and short (RFC 5280 §4.1.2.2).
fn serial(parts: &[&[u8]]) -> SerialNumber {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Hash::of(parts).0[..16]);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}
