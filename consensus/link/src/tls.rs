//! TLS 1.3 between nodes: mutual, with the cluster's CA alone, ring, no 0-RTT
//! (it can be replayed). A server also answers newcomers without a certificate,
//! under another protocol name; what they may do there is not decided here.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use weir_model::id::{ClusterId, Hash};

use crate::error::BindError;
use crate::hello::{ALPN_JOIN, ALPN_NODE};
use crate::identity::Identity;
use crate::key::fingerprint;
use crate::names::{any_node, carries};
use crate::refusal::Refusal;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots_of(ca: CertificateDer<'static>) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    Ok(Arc::new(roots))
}

fn server_verifier(
    ca: CertificateDer<'static>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(roots_of(ca)?, provider())
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))
}

/// The node's certificate; a newcomer also gets the CA's, whose fingerprint its
/// token pins. Peers have it already, and satellites pay by the byte.
#[derive(Debug)]
struct Chains {
    for_nodes: Arc<CertifiedKey>,
    for_newcomers: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Chains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let newcomer = hello.alpn()?.any(|protocol| protocol == ALPN_JOIN);
        Some(if newcomer { self.for_newcomers.clone() } else { self.for_nodes.clone() })
    }
}

/// What the node answers with.
pub(crate) fn server(identity: &Identity) -> Result<Arc<QuicServerConfig>, BindError> {
    let key = provider().key_provider.load_private_key(identity.key().for_tls())?;
    let chains = Chains {
        for_nodes: Arc::new(CertifiedKey::new(vec![identity.leaf()], key.clone())),
        for_newcomers: Arc::new(CertifiedKey::new(vec![identity.leaf(), identity.ca()], key)),
    };
    let roots = roots_of(identity.ca())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| BindError::Provider(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(chains));
    config.alpn_protocols = vec![ALPN_NODE.to_vec(), ALPN_JOIN.to_vec()];
    config.send_tls13_tickets = 1;
    let config = QuicServerConfig::try_from(config)
        .map_err(|error| BindError::Provider(error.to_string()))?;
    Ok(Arc::new(config))
}

/// What the node dials one peer with. Each peer has its own, so that the
/// verifier's last verdict is about that peer.
#[derive(Clone)]
pub(crate) struct DialTls {
    pub(crate) config: Arc<QuicClientConfig>,
    pub(crate) verifier: Arc<PeerVerifier>,
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerVerifier({})", self.cluster)
    }
}

pub(crate) fn client(identity: &Identity) -> Result<DialTls, rustls::Error> {
    let verifier = Arc::new(PeerVerifier {
        inner: server_verifier(identity.ca())?,
        cluster: identity.cluster(),
        verdict: Mutex::new(None),
    });
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_auth_cert(vec![identity.leaf()], identity.key().for_tls())?;
    config.alpn_protocols = vec![ALPN_NODE.to_vec()];
    // One server for each; the default would keep room for hundreds.
    config.resumption = Resumption::in_memory_sessions(1);
    Ok(DialTls { config: quic(config)?, verifier })
}

/// As [`client`], but without a certificate of its own.
#[cfg(test)]
pub(crate) fn anonymous(identity: &Identity) -> Result<Arc<QuicClientConfig>, rustls::Error> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots_of(identity.ca())?)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_NODE.to_vec()];
    quic(config)
}

fn quic(config: rustls::ClientConfig) -> Result<Arc<QuicClientConfig>, rustls::Error> {
    QuicClientConfig::try_from(config)
        .map(Arc::new)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

/// Checks as rustls does, and remembers why it said no in words that both nodes
/// know.
pub(crate) struct PeerVerifier {
    inner: Arc<WebPkiServerVerifier>,
    cluster: ClusterId,
    verdict: Mutex<Option<Refusal>>,
}

impl PeerVerifier {
    /// Why the last handshake failed, if it failed at the certificate.
    pub(crate) fn take_verdict(&self) -> Option<Refusal> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn classify(&self, leaf: &CertificateDer<'_>, error: &rustls::Error) -> Refusal {
        let rustls::Error::InvalidCertificate(error) = error else {
            return Refusal::BadCertificate;
        };
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::WrongCa,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                if carries(leaf, &any_node(self.cluster)) {
                    Refusal::WrongNode
                } else {
                    Refusal::OtherCluster
                }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Refusal::OutOfDate,
            _ => Refusal::BadCertificate,
        }
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = self.inner.verify_server_cert(leaf, others, name, ocsp, now);
        let verdict = result.as_ref().err().map(|error| self.classify(leaf, error));
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// A newcomer knows one thing: the fingerprint of the CA.
#[derive(Debug)]
struct PinnedCa {
    fingerprint: Hash,
    mismatch: Arc<Mutex<bool>>,
}

/// What a newcomer dials with, and whether the pin was what failed.
pub(crate) struct JoinTls {
    pub(crate) config: Arc<QuicClientConfig>,
    mismatch: Arc<Mutex<bool>>,
}

impl JoinTls {
    pub(crate) fn pin_failed(&self) -> bool {
        *self.mismatch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn joiner(ca_fingerprint: Hash) -> Result<JoinTls, rustls::Error> {
    let mismatch = Arc::new(Mutex::new(false));
    let pin = PinnedCa { fingerprint: ca_fingerprint, mismatch: mismatch.clone() };
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pin))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_JOIN.to_vec()];
    Ok(JoinTls { config: quic(config)?, mismatch })
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = others.iter().find(|other| fingerprint(other) == self.fingerprint);
        *self.mismatch.lock().unwrap_or_else(PoisonError::into_inner) = pinned.is_none();
        let Some(ca) = pinned else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        server_verifier(ca.clone().into_owned())?.verify_server_cert(leaf, &[], name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
