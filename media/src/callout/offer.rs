//! The SDP offer of an announcement that listens for keys.

use std::fmt::Write as _;
use std::net::SocketAddr;

use weir_model::directory::Codec;

use crate::voice::sdp;

/// What we ask keys to be sent as (RFC 4733).
pub(super) const EVENT_TYPE: u8 = 101;

/// As for a page, with keys asked for.
pub(super) fn offer(from: SocketAddr, codecs: &[Codec]) -> String {
    let plain = sdp::offer(from, u64::from(from.port()), codecs);
    let mut out = String::with_capacity(plain.len() + 64);
    for line in plain.split_inclusive("\r\n") {
        match line.strip_suffix("\r\n").filter(|line| line.starts_with("m=audio")) {
            Some(media) => {
                let _never_fails = write!(out, "{media} {EVENT_TYPE}\r\n");
            }
            None => out.push_str(line),
        }
    }
    let _never_fails =
        write!(out, "a=rtpmap:{EVENT_TYPE} telephone-event/8000\r\na=fmtp:{EVENT_TYPE} 0-15\r\n");
    out
}
