//! The certificate that browsers see: the one that the node's file names, or
//! one of this node's own, made when it is first needed and kept in the data
//! folder. It has nothing to do with the cluster's CA, which signs nodes only.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use crate::config::Config;
use crate::edge;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// For clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(2 * 24 * 3600);
/// Nobody renews it by hand on a reservoir.
const DAYS: u32 = 365 * 10;

/// Why browsers cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{path} 读写失败 / {path} cannot be read or written: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "{path} 不是 PEM 证书或私钥，请换文件 / {path} holds no PEM certificate or key, name \
         another file: {why}"
    )]
    Pem { path: PathBuf, why: String },
    #[error("无法生成 HTTPS 证书 / cannot make a certificate for HTTPS: {0}")]
    Make(#[from] rcgen::Error),
    #[error("证书与私钥不可用 / the certificate and its key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// How this node speaks TLS to browsers.
///
/// # Errors
/// When there is no usable certificate.
pub(crate) fn server(config: &Config) -> Result<Arc<rustls::ServerConfig>, CertificateError> {
    let (cert, key) = match &config.tls {
        Some(named) => (named.cert.clone(), named.key.clone()),
        None => own(config)?,
    };
    let pem = |path: &Path, error: &dyn std::fmt::Display| CertificateError::Pem {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(&cert, &error))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| pem(&key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// This node's own, made if there is none.
fn own(config: &Config) -> Result<(PathBuf, PathBuf), CertificateError> {
    let folder = config.data.join("https");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    // The certificate is written last: where it stands, its key does too.
    if cert.exists() && key.exists() {
        return Ok((cert, key));
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Io { path, source }
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(io(&folder))?;
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params(config)?.self_signed(&pair)?;
    write(&key, &pair.serialize_pem()).map_err(io(&key))?;
    write(&cert, &certificate.pem()).map_err(io(&cert))?;
    tracing::info!(path = %cert.display(), "made a certificate for HTTPS / 已生成 HTTPS 证书");
    Ok((cert, key))
}

/// Readable by the owner only, whole or absent.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn params(config: &Config) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new([config.name.to_string(), "localhost".to_owned()])?;
    let hosts = config.advertised().into_iter().chain(config.https).map(|address| address.ip());
    let local = [IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()];
    for ip in hosts.chain(local).filter(|ip| !ip.is_unspecified()) {
        let name = SanType::IpAddress(ip);
        if !params.subject_alt_names.contains(&name) {
            params.subject_alt_names.push(name);
        }
    }
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(edge::wall().0.min(LATEST_MS));
    params.not_before = now - BACKDATED;
    params.not_after = now + DAY * DAYS;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Weir {}", config.name));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// 2200-01-01: a clock beyond it is broken, and must not break the arithmetic.
const LATEST_MS: u64 = 7_258_118_400_000;
