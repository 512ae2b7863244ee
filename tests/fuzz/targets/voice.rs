//! What a loudspeaker may send beside SIP: an SDP answer, RTP, RTCP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_media::voice::{rtcp, rtp, sdp};
use weir_model::directory::Codec;

fuzz_target!(|bytes: &[u8]| {
    let _ = rtp::parse(bytes);
    let _ = rtcp::blocks(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = sdp::answer(&text, &[Codec::Pcma, Codec::Pcmu, Codec::G722]);
});
