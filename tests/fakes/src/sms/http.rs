//! HTTP/1.1 from a server's side (RFC 9112), as little as a gateway needs. It
//! refuses chunked bodies, long ones, and clients that take too long to ask.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::{Gateway, Said};

const HEAD_MAX: usize = 8_192;
const BODY_MAX: usize = 16_384;
/// Between two requests on a connection, and for one to be sent.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// What follows `Bearer `.
    pub(crate) token: Option<String>,
    pub(crate) body: Vec<u8>,
    closes: bool,
}

/// What came instead of a request.
enum Wrong {
    /// The connection is over.
    Gone,
    Answer(Said),
}

/// Until the client goes, or an answer is lost.
pub(crate) async fn serve(mut stream: TcpStream, gateway: &Gateway) {
    let mut buffer = Vec::new();
    loop {
        let asked = timeout(PATIENCE, read(&mut stream, &mut buffer)).await;
        let (said, closes) = match asked {
            Ok(Ok(request)) => {
                let closes = request.closes;
                let answering = gateway.asked(request);
                let gone = gone(&stream);
                tokio::select! {
                    said = answering => match said {
                        Some(said) => (said, closes),
                        None => return,
                    },
                    () = gone => return,
                }
            }
            Ok(Err(Wrong::Answer(said))) => (said, true),
            Ok(Err(Wrong::Gone)) | Err(_) => return,
        };
        if stream.write_all(&said.bytes(closes)).await.is_err() || closes {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// When the client closed while it waits for its answer. A client that sends
/// ahead is not taken for one that left.
async fn gone(stream: &TcpStream) {
    let mut byte = [0];
    loop {
        match stream.peek(&mut byte).await {
            Ok(0) | Err(_) => return,
            Ok(_) => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Request, Wrong> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at;
        }
        if buffer.len() > HEAD_MAX {
            return Err(Wrong::Answer(Said::error(431, "too-large", "head too large")));
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if words.next() != Some("HTTP/1.1") || words.next().is_some() {
        return Err(Wrong::Answer(Said::error(400, "malformed", "no HTTP/1.1 request line")));
    }
    let header = |wanted: &str| {
        let named = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut found = named.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    if header("Transfer-Encoding").is_some() {
        return Err(Wrong::Answer(Said::error(411, "length-required", "no chunks, please")));
    }
    let length = match header("Content-Length") {
        Some(length) => match length.parse::<usize>() {
            Ok(length) if length <= BODY_MAX => length,
            Ok(_) => return Err(Wrong::Answer(Said::error(413, "too-large", "body too large"))),
            Err(_) => return Err(Wrong::Answer(Said::error(400, "malformed", "Content-Length"))),
        },
        None if method == "POST" => {
            return Err(Wrong::Answer(Said::error(411, "length-required", "no Content-Length")));
        }
        None => 0,
    };
    if header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    }
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        token: header("Authorization").as_deref().and_then(bearer),
        body: buffer.drain(..length).collect(),
        closes: header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Wrong> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => Err(Wrong::Gone),
        Ok(_) => Ok(()),
    }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim().to_owned())
}

impl Said {
    pub(crate) fn error(code: u16, error: &str, message: &str) -> Self {
        let body = serde_json::json!({ "error": error, "message": message });
        Self { code, body, retry_after_s: None }
    }

    fn bytes(&self, closes: bool) -> Vec<u8> {
        let (code, reason) = (self.code, reason(self.code));
        let body = Value::to_string(&self.body);
        let mut text = format!(
            "HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        if let Some(seconds) = self.retry_after_s {
            text.push_str(&format!("Retry-After: {seconds}\r\n"));
        }
        if closes {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        text.push_str(&body);
        text.into_bytes()
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Refused",
    }
}
