//! A browser of the demo's own: signs in over HTTPS and looks at the overview as
//! the console does. It trusts the certificate that the node itself keeps, and no
//! other.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::api::Overview;

const PATIENCE: Duration = Duration::from_secs(8);

/// See the module.
pub(crate) struct Browser {
    to: SocketAddr,
    tls: TlsConnector,
    cookie: String,
}

struct Page {
    well: bool,
    cookie: Option<String>,
    body: Bytes,
}

impl Browser {
    /// Signs in; `certificate` is the file that the node keeps.
    pub(crate) async fn sign_in(
        to: SocketAddr,
        certificate: &Path,
        (person, password): (&str, &str),
    ) -> Result<Self> {
        let own = CertificateDer::from_pem_file(certificate).context("the node's certificate")?;
        let crypto = Arc::new(ring::default_provider());
        let only = Arc::new(Only { own, crypto: crypto.clone() });
        let config = ClientConfig::builder_with_provider(crypto)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(only)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        let mut browser = Self { to, tls, cookie: String::new() };
        let body = json!({ "person": person, "password": password }).to_string();
        let page = browser.ask(Method::POST, "/api/v1/session", body).await?;
        ensure!(page.well, "sign-in: {}", String::from_utf8_lossy(&page.body));
        browser.cookie = page.cookie.context("sign-in brought no cookie")?;
        Ok(browser)
    }

    pub(crate) async fn overview(&self) -> Result<Overview> {
        let page = self.ask(Method::GET, "/api/v1/overview", String::new()).await?;
        let said = || String::from_utf8_lossy(&page.body).into_owned();
        ensure!(page.well, "overview: {}", said());
        serde_json::from_slice(&page.body).with_context(said)
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Page> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, self.to.to_string());
        if !self.cookie.is_empty() {
            request = request.header(header::COOKIE, &self.cookie);
        }
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body)))?;
        let page = timeout(PATIENCE, self.exchange(request)).await;
        page.with_context(|| format!("{path}: no answer within {PATIENCE:?}"))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Page> {
        let stream = TcpStream::connect(self.to).await?;
        let stream = self.tls.connect(ServerName::from(self.to.ip()), stream).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let well = response.status().is_success();
            let cookie = response.headers().get(header::SET_COOKIE);
            let cookie = cookie.and_then(|cookie| cookie.to_str().ok()?.split(';').next());
            let cookie = cookie.map(str::to_owned);
            let body = response.into_body().collect().await?.to_bytes();
            Ok(Page { well, cookie, body })
        };
        tokio::select! {
            page = exchange => page,
            ended = connection => {
                ended?;
                anyhow::bail!("the connection ended before the answer")
            }
        }
    }
}

/// One certificate, byte for byte.
#[derive(Debug)]
struct Only {
    own: CertificateDer<'static>,
    crypto: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *shown == self.own {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("not the node's own certificate".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
