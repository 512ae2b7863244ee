//! Somebody on the network who has seen everything of a call cannot end it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use weir_tests::phones::{Conduct, Pjsua};

use super::{PATIENCE, PCMA, Site, hears};

/// Not where any telephone is.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// What a request in a dialog is known by, as the caller's telephone sees it.
struct Dialog {
    call_id: String,
    from: String,
    to: String,
    via: String,
    cseq: u32,
}

impl Dialog {
    /// From a response to the caller's INVITE.
    fn of(response: &str) -> Result<Self> {
        let field = |name: &str| {
            let line = response.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned()).with_context(|| format!("no {name}"))
        };
        let cseq = field("CSeq:")?;
        let cseq = cseq.split(' ').next().unwrap_or_default().parse()?;
        let call_id = field("Call-ID:")?;
        Ok(Self { call_id, from: field("From:")?, to: field("To:")?, via: field("Via:")?, cseq })
    }
}

struct Stranger {
    socket: UdpSocket,
    node: SocketAddr,
}

impl Stranger {
    async fn at(node: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ELSEWHERE, 0)).await?;
        Ok(Self { socket, node })
    }

    /// Sends a request in that dialog; the final status code, or None when it is
    /// not even answered.
    async fn forges(&self, method: &str, dialog: &Dialog, to: &str) -> Result<Option<u16>> {
        let own = self.socket.local_addr()?;
        let Dialog { call_id, from, via, cseq, .. } = dialog;
        // A CANCEL names what it cancels by Via and CSeq; the rest is new.
        let (via, cseq) = match method {
            "CANCEL" => (via.clone(), *cseq),
            _ => (format!("SIP/2.0/UDP {own};rport;branch=z9hG4bKforged{method}"), cseq + 5),
        };
        let sdp = match method {
            "INVITE" => format!(
                "v=0\r\no=- 7 7 IN IP4 {ELSEWHERE}\r\ns=-\r\nc=IN IP4 {ELSEWHERE}\r\nt=0 0\r\n\
                 m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
            ),
            _ => String::new(),
        };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let request = format!(
            "{method} sip:5102@{} SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:x@{own}>\r\n\
             Max-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            self.node,
            sdp.len()
        );
        self.socket.send_to(request.as_bytes(), self.node).await?;
        let mut answer = vec![0; 8_192];
        loop {
            let wait = timeout(std::time::Duration::from_secs(1), self.socket.recv(&mut answer));
            let Ok(length) = wait.await else { return Ok(None) };
            let answer = String::from_utf8_lossy(&answer[..length?]).into_owned();
            let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
            let code: u16 = code.with_context(|| format!("not an answer: {answer}"))?;
            if code >= 200 {
                return Ok(Some(code));
            }
        }
    }

    async fn is_turned_away(&self, method: &str, dialog: &Dialog, to: &str) -> Result<()> {
        let code = self.forges(method, dialog, to).await?;
        // None: answered where the Via says, which is not to the stranger.
        ensure!(code.is_none_or(|code| code >= 400), "a stranger's {method} got {code:?}");
        Ok(())
    }
}

async fn goes_on(callee: &Pjsua) -> Result<()> {
    let heard = callee.heard_so_far()?.seconds();
    hears("5102", heard + 0.6, || Ok(callee.heard_so_far()?.seconds())).await?;
    ensure!(callee.in_call(), "5102 is no longer in the call");
    Ok(())
}

/// A stranger who knows every tag sends CANCEL while it rings and BYE, INFO and
/// INVITE while they talk. The call rings on and is talked on.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_knows_the_tags_ends_no_call() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.pjsua("5101", &Conduct::answers(&[PCMA], None)).await?;
    let mut callee = site.pjsua("5102", &Conduct::answers(&[PCMA], None)).await?;
    let stranger = Stranger::at(site.sip()?).await?;
    caller.dial("5102")?;
    callee.called(PATIENCE).await?;
    let ringing = Dialog::of(&caller.message(" 180 ", PATIENCE).await?)?;
    let without_tag = ringing.to.split(";tag").next().unwrap_or_default().to_owned();
    stranger.is_turned_away("CANCEL", &ringing, &without_tag).await?;
    let call = site.call_is("ringing").await?;
    ensure!(call["from"] == "5101", "the node shows {call}");

    callee.answer()?;
    caller.talks(PATIENCE).await?;
    callee.talks(PATIENCE).await?;
    let talking = Dialog::of(&caller.message(" 200 ", PATIENCE).await?)?;
    for method in ["BYE", "INFO", "INVITE", "CANCEL"] {
        stranger.is_turned_away(method, &talking, &talking.to).await?;
        goes_on(&callee).await?;
    }
    ensure!(caller.in_call(), "5101 is no longer in the call");
    site.call_is("talked").await?;
    callee.hang_up()?;
    caller.over(PATIENCE).await?;
    site.is_quiet().await?;
    site.cluster.end()
}
