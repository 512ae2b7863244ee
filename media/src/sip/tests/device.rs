//! A device for tests: hand-written SIP text over a real socket. Shares no code
//! with what it tests.

use std::net::SocketAddr;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

pub(super) const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect(),
            Self::Sha256 => Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}

pub(super) fn ha1(number: &str, realm: &str, password: &str) -> ([u8; 16], [u8; 32]) {
    let text = format!("{number}:{realm}:{password}");
    (Md5::digest(&text).into(), Sha256::digest(&text).into())
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

pub(super) struct Device {
    wire: Wire,
    pub(super) number: String,
    pub(super) password: String,
    pub(super) local: SocketAddr,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    branches: u32,
}

impl Device {
    pub(super) async fn udp(server: SocketAddr, number: &str) -> Self {
        Self::udp_from(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }, server, number)
            .await
    }

    /// One at an address of its own.
    pub(super) async fn udp_from(any: &str, server: SocketAddr, number: &str) -> Self {
        let socket = UdpSocket::bind(any).await.unwrap();
        socket.connect(server).await.unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Wire::Udp(socket), local, number)
    }

    pub(super) async fn tcp(server: SocketAddr, number: &str) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let local = stream.local_addr().unwrap();
        Self::new(Wire::Tcp(stream, Vec::new()), local, number)
    }

    fn new(wire: Wire, local: SocketAddr, number: &str) -> Self {
        let (call_id, password) = (format!("call-{local}"), format!("secret-{number}"));
        Self { wire, number: number.into(), password, local, call_id, cseq: 0, branches: 0 }
    }

    fn over(&self) -> &'static str {
        if matches!(self.wire, Wire::Udp(_)) { "UDP" } else { "TCP" }
    }

    pub(super) fn via(&mut self) -> String {
        self.branches += 1;
        let (over, local, branch) = (self.over(), self.local, self.branches);
        format!("Via: SIP/2.0/{over} {local};branch=z9hG4bK-{}-{branch};rport", local.port())
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => assert_eq!(socket.send(bytes).await.unwrap(), bytes.len()),
            Wire::Tcp(stream, _) => stream.write_all(bytes).await.unwrap(),
        }
    }

    /// The next message as bytes; `None` when nothing came, or the connection ended.
    pub(super) async fn heard(&mut self, within: Duration) -> Option<Vec<u8>> {
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut buffer = vec![0; 65_536];
                let length = timeout(within, socket.recv(&mut buffer)).await.ok()?.ok()?;
                buffer.truncate(length);
                Some(buffer)
            }
            Wire::Tcp(stream, rest) => timeout(within, framed(stream, rest)).await.ok()?,
        }
    }

    pub(super) async fn hear(&mut self) -> String {
        let bytes = self.heard(WITHIN).await.expect("nothing came in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The next request of this method; others before it are not expected, but
    /// repetitions of what was before are passed over.
    pub(super) async fn expect(&mut self, method: &str) -> String {
        for _ in 0..10 {
            let message = self.hear().await;
            if message.starts_with(&format!("{method} ")) {
                return message;
            }
        }
        panic!("no {method} came");
    }

    pub(super) fn request(&mut self, method: &str, fields: &[&str]) -> String {
        self.cseq += 1;
        let (via, number, cseq, call_id) =
            (self.via(), self.number.clone(), self.cseq, self.call_id.clone());
        let mut text = format!(
            "{method} sip:weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@weir>;tag=dev{cseq}\r\nTo: <sip:{number}@weir>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        );
        for field in fields {
            text += &format!("{field}\r\n");
        }
        text + "Content-Length: 0\r\n\r\n"
    }

    pub(super) async fn ask(&mut self, method: &str, fields: &[&str]) -> String {
        let request = self.request(method, fields);
        self.send(request.as_bytes()).await;
        self.hear().await
    }

    pub(super) fn contact(&self) -> String {
        let over = if self.over() == "TCP" { ";transport=tcp" } else { "" };
        format!("Contact: <sip:{}@{}{over}>", self.number, self.local)
    }

    /// Asks for a challenge and gives the nonce of the wanted hash.
    pub(super) async fn challenge(&mut self, method: &str, hash: Hash) -> String {
        let contact = self.contact();
        let answer = self.ask(method, &[&contact]).await;
        assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
        let challenges = fields(&answer, "WWW-Authenticate");
        assert!(challenges[0].contains("algorithm=SHA-256"), "the better one is not first");
        let named = if hash == Hash::Md5 { "algorithm=MD5" } else { "algorithm=SHA-256" };
        let challenge = challenges.iter().find(|c| c.contains(named)).expect("not offered");
        let nonce = challenge.split("nonce=\"").nth(1).unwrap();
        nonce.split('"').next().unwrap().to_owned()
    }

    pub(super) fn authorization(&self, method: &str, hash: Hash, nonce: &str, nc: &str) -> String {
        let Self { number, password, .. } = self;
        let ha1 = hash.hex(&format!("{number}:weir:{password}"));
        let ha2 = hash.hex(&format!("{method}:sip:weir"));
        let response = hash.hex(&format!("{ha1}:{nonce}:{nc}:c0ffee:auth:{ha2}"));
        let named = if hash == Hash::Md5 { "MD5" } else { "SHA-256" };
        format!(
            "Authorization: Digest username=\"{number}\", realm=\"weir\", nonce=\"{nonce}\", \
             uri=\"sip:weir\", response=\"{response}\", algorithm={named}, qop=auth, nc={nc}, \
             cnonce=\"c0ffee\""
        )
    }

    pub(super) async fn register(
        &mut self,
        hash: Hash,
        nonce: &str,
        nc: &str,
        expires: u32,
    ) -> String {
        let (contact, expires) = (self.contact(), format!("Expires: {expires}"));
        let authorization = self.authorization("REGISTER", hash, nonce, nc);
        self.ask("REGISTER", &[&contact, &expires, &authorization]).await
    }

    pub(super) async fn register_well(&mut self) {
        let nonce = self.challenge("REGISTER", Hash::Md5).await;
        let answer = self.register(Hash::Md5, &nonce, "00000001", 600).await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// Answers a request; `tag` and `body` as they are given.
    pub(super) async fn answer(&mut self, request: &str, status: &str, tag: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let tagged = name == "To" && !tag.is_empty();
            let more = if tagged { format!(";tag={tag}") } else { String::new() };
            text += &format!("{name}: {}{more}\r\n", field(request, name));
        }
        text += &format!("{}\r\nContent-Length: {}\r\n\r\n{body}", self.contact(), body.len());
        self.send(text.as_bytes()).await;
    }

    /// A request within the dialog that `invite` began and we answered as `tag`.
    pub(super) fn within(
        &mut self,
        invite: &str,
        tag: &str,
        method: &str,
        cseq: u32,
        body: &str,
    ) -> String {
        let (via, from, to) = (self.via(), field(invite, "To"), field(invite, "From"));
        let call_id = field(invite, "Call-ID");
        format!(
            "{method} sip:x@weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

async fn framed(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let length = fields(&head, "Content-Length");
            let length: usize = length.first().map_or(0, |length| length.parse().unwrap());
            let whole = end + 4 + length;
            if rest.len() >= whole {
                let after = rest.split_off(whole);
                return Some(std::mem::replace(rest, after));
            }
        } else if rest == b"\r\n" {
            return Some(std::mem::take(rest));
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => rest.extend_from_slice(&buffer[..length]),
        }
    }
}

pub(super) fn fields(message: &str, name: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()).collect()
}

pub(super) fn field(message: &str, name: &str) -> String {
    let all = fields(message, name);
    assert_eq!(all.len(), 1, "{name} in {message}");
    all[0].clone()
}
