//! Messages through the site's SMS gateway, over HTTP. It refuses to send a
//! message again whose answer was lost: the gateway is asked by the message's
//! own key instead, and what nobody can say stays unknown.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::SmsConfig;

/// A gateway that cannot be reached so fast was surely not told anything.
const CONNECT: Duration = Duration::from_secs(5);
/// From the request's first byte to the end of its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The gateway has it.
    Accepted,
    /// It will not take this message, now or later.
    Refused(String),
    /// It surely has not got it; later it may.
    NotTaken(String),
    /// Nobody can say whether it has it.
    Unknown(String),
    /// Asked by its key, the gateway knows no such message.
    NeverCame,
}

/// See the module; clones share it.
#[derive(Clone)]
pub(crate) struct Gateway {
    url: Uri,
    host: String,
    port: u16,
    token: Arc<str>,
    tls: Option<TlsConnector>,
}

#[derive(Serialize)]
struct Message<'a> {
    to: &'a str,
    text: &'a str,
    key: &'a str,
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Gateway {
    /// # Errors
    /// When the address, the token or the certificate cannot be used.
    pub(crate) fn open(config: &SmsConfig) -> anyhow::Result<Self> {
        let url: Uri = config.url.parse().context("[sms] url 不是网址 / is no URL")?;
        let host = url.host().context("[sms] url 没有主机 / names no host")?.to_owned();
        let secure = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = secure.then(|| connector(config)).transpose()?;
        let token = match &config.token {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("[sms] token: {}", path.display()))?,
            None => String::new(),
        };
        Ok(Self { url, host, port, token: token.trim().into(), tls })
    }

    /// Sends one message. `key` is the same however often it is tried, so that
    /// the gateway delivers it once.
    pub(crate) async fn send(&self, to: &str, text: &str, key: &str) -> Sent {
        let Ok(body) = serde_json::to_vec(&Message { to, text, key }) else {
            return Sent::Refused("cannot be written as JSON".into());
        };
        match self.exchange(Method::POST, self.url.path(), body).await {
            Ok((status, said)) => judged(status, &said),
            Err(sent) => sent,
        }
    }

    /// Whether the gateway has a message of this key.
    pub(crate) async fn ask(&self, key: &str) -> Sent {
        let path = format!("{}?key={}", self.url.path(), escaped(key));
        match self.exchange(Method::GET, &path, Vec::new()).await {
            Ok((StatusCode::NOT_FOUND, _)) => Sent::NeverCame,
            Ok((status, _)) if status.is_success() => Sent::Accepted,
            Ok((status, _)) => Sent::Unknown(format!("the gateway says {status}")),
            Err(Sent::NotTaken(why)) => Sent::Unknown(why),
            Err(sent) => sent,
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Sent> {
        let not_taken = |why: String| Sent::NotTaken(why);
        let stream = timeout(CONNECT, self.connect()).await;
        let stream = stream.map_err(|_| not_taken("the gateway does not answer".into()))?;
        let stream = stream.map_err(|error| not_taken(error.to_string()))?;
        let shake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let shaken = timeout(CONNECT, shake).await;
        let shaken = shaken.map_err(|_| not_taken("the gateway does not answer".into()))?;
        let (mut sender, connection) = shaken.map_err(|error| not_taken(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("{}:{}", self.host, self.port))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Sent::Refused(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            // Where it breaks off, the status is all there is.
            let said = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            Ok::<_, hyper::Error>((status, said.map(|said| said.to_bytes()).unwrap_or_default()))
        };
        let both = async {
            tokio::pin!(answer);
            tokio::select! {
                biased;
                status = &mut answer => status.map_err(|error| error.to_string()),
                _closed = connection => {
                    answer.await.map_err(|error| error.to_string())
                }
            }
        };
        match timeout(ANSWER, both).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Sent::Unknown(why)),
            Err(_) => Err(Sent::Unknown("the gateway took it and said nothing".into())),
        }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}

/// What a status says of a message that was sent.
fn judged(status: StatusCode, body: &[u8]) -> Sent {
    let said = format!("the gateway says {status}{}", reason(body));
    match status.as_u16() {
        200..=299 => Sent::Accepted,
        // "Come again": it did not take it.
        429 | 503 => Sent::NotTaken(said),
        408 | 500..=599 => Sent::Unknown(said),
        _ => Sent::Refused(said),
    }
}

/// What it says beside the status, as far as a fact has room for it.
fn reason(body: &[u8]) -> String {
    let Ok(said) = serde_json::from_slice::<serde_json::Value>(body) else { return String::new() };
    let words = ["message", "reason", "error"].iter().find_map(|name| said.get(name)?.as_str());
    words.map_or_else(String::new, |words| {
        let plain = words.chars().filter(|c| !c.is_control()).take(200);
        format!(": {}", plain.collect::<String>())
    })
}

fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Trusts the authority that the file names and no other.
fn connector(config: &SmsConfig) -> anyhow::Result<TlsConnector> {
    let path = config.ca.as_ref().context(
        "[sms] https 网关须写明 ca（PEM 证书）/ an https gateway needs `ca`, a PEM certificate",
    )?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(client)))
}
