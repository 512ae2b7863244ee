//! A browser's offer and our answer (WHEP, draft-ietf-wish-whep §4): one video
//! line, H.264 of constrained baseline in packetization mode 1, from us to it.
//! Everything else in an offer is turned down in the answer; an offer without that
//! one line is refused in words. Candidates in offers are not looked at: we only
//! answer who proves by STUN that it is there, so that nobody else is ever sent to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::{Codec, CodecConfig, CodecSpec, FormatParams, PayloadParams};
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::{Candidate, Rtc};

use super::OfferError;

/// Longest offer; a browser's with every codec there is has some 10 kB.
pub(super) const OFFER_MAX: usize = 64 << 10;
/// Lines `m=` in an offer.
const MEDIA_MAX: usize = 16;
/// Constrained baseline, level 3.1: what every browser decodes. Browsers look at
/// the stream itself for its level.
const PROFILE_LEVEL: u32 = 0x0042_e01f;
/// Payload types that we would choose; the offer's are taken.
const PT_H264: u8 = 102;
const PT_RTX: u8 = 103;
/// Sent packets that are kept for being asked for again.
const RESEND_PACKETS: usize = 512;

/// What every answer says of us.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) certificate: DtlsCert,
    /// Where viewers reach us.
    pub(super) candidates: Vec<SocketAddr>,
}

/// An offer that was answered.
pub(super) struct Opened {
    pub(super) rtc: Rtc,
    pub(super) mid: Mid,
    pub(super) pt: Pt,
    /// Ours: by it the viewer's first datagrams are known.
    pub(super) ufrag: String,
    pub(super) answer: String,
}

fn codec() -> CodecConfig {
    let format = FormatParams {
        level_asymmetry_allowed: Some(true),
        packetization_mode: Some(1),
        profile_level_id: Some(PROFILE_LEVEL),
        ..FormatParams::default()
    };
    let (codec, clock_rate) = (Codec::H264, Frequency::NINETY_KHZ);
    let spec = CodecSpec { codec, clock_rate, channels: None, format };
    let (pt, rtx) = (Pt::new_with_value(PT_H264), Pt::new_with_value(PT_RTX));
    let mut params = PayloadParams::new(pt, Some(rtx), spec);
    params.set_fb_nack(true);
    params.set_fb_pli(true);
    params.set_fb_fir(true);
    // Nobody here would read estimates of bandwidth.
    params.set_fb_transport_cc(false);
    params.set_fb_remb(false);
    CodecConfig::new_from_payload_params(vec![params])
}

/// The offer without what is not looked at, and with nothing sent to us.
fn tidied(offer: &str) -> String {
    let mut tidy = String::with_capacity(offer.len());
    for line in offer.lines() {
        let line = match line.trim_end() {
            // No such line has a form that matters here.
            line if line.starts_with("a=candidate:") => continue,
            "a=sendrecv" => "a=recvonly",
            line => line,
        };
        tidy.push_str(line);
        tidy.push_str("\r\n");
    }
    tidy
}

/// Turns down every line but that of `mid`, which alone gets the candidates.
fn only(answer: &str, mid: &str) -> Option<String> {
    let mut sections = vec![Vec::new()];
    for line in answer.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        sections.last_mut()?.push(line);
    }
    let candidates: Vec<&str> =
        answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    let (session, media) = sections.split_first()?;
    let mut lines: Vec<String> = Vec::new();
    for line in session {
        let bundled = line.starts_with("a=group:BUNDLE");
        lines.push(if bundled { format!("a=group:BUNDLE {mid}") } else { (*line).into() });
    }
    for section in media {
        let of = section.iter().find_map(|line| line.strip_prefix("a=mid:"))?;
        if of == mid {
            let plain = section.iter().filter(|line| !line.starts_with("a=candidate:"));
            lines.extend(plain.map(|line| (*line).to_owned()));
            lines.extend(candidates.iter().map(|line| (*line).to_owned()));
            // There will be no others (RFC 8838 §14).
            lines.push("a=end-of-candidates".into());
        } else {
            // Zero for its port says no (RFC 3264 §6).
            let mut head = section.first()?.trim_start_matches("m=").split(' ');
            let (kind, _, protocol) = (head.next()?, head.next()?, head.next()?);
            let format = if kind == "application" { "webrtc-datachannel" } else { "0" };
            lines.push(format!("m={kind} 0 {protocol} {format}"));
            lines.push("c=IN IP4 0.0.0.0".into());
            lines.push(format!("a=mid:{of}"));
            lines.push("a=inactive".into());
        }
    }
    lines.push(String::new());
    Some(lines.join("\r\n"))
}

/// The line on which we can send, and what its H.264 is called there.
fn chosen(rtc: &mut Rtc, answer: &str) -> Result<(Mid, Pt), OfferError> {
    let mut wishes_video = false;
    for mid in answer.lines().filter_map(|line| line.strip_prefix("a=mid:")) {
        let mid = Mid::from(mid);
        let Some(media) = rtc.media(mid) else { continue };
        if media.kind() != MediaKind::Video || !media.direction().is_sending() {
            continue;
        }
        wishes_video = true;
        let offered = media.remote_pts().to_vec();
        let ours = |params: &&PayloadParams| {
            params.spec().codec == Codec::H264 && offered.contains(&params.pt())
        };
        let pt = rtc.codec_config().params().iter().find(ours).map(PayloadParams::pt);
        // A line that wants several layers has no plain stream.
        let plain = rtc.direct_api().stream_tx_by_mid(mid, None).is_some();
        if let (Some(pt), true) = (pt, plain) {
            return Ok((mid, pt));
        }
    }
    Err(if wishes_video { OfferError::NoH264 } else { OfferError::NoVideo })
}

pub(super) fn answer(terms: &Terms, offer: &str, now: Instant) -> Result<Opened, OfferError> {
    if offer.len() > OFFER_MAX {
        return Err(OfferError::TooLong);
    }
    if offer.lines().filter(|line| line.starts_with("m=")).count() > MEDIA_MAX {
        return Err(OfferError::Broken(format!("more than {MEDIA_MAX} media")));
    }
    let broken = |error: &dyn std::fmt::Display| OfferError::Broken(error.to_string());
    let offer = SdpOffer::from_sdp_string(&tidied(offer)).map_err(|error| broken(&error))?;
    let mut config = Rtc::builder()
        .set_crypto_provider(terms.crypto.clone())
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_dtls_cert(terms.certificate.clone())
        .set_fingerprint_verification(true)
        .clear_extension_map()
        .set_send_buffer_video(RESEND_PACKETS)
        .set_stats_interval(None);
    *config.codec_config() = codec();
    let mut rtc = config.build(now);
    for candidate in &terms.candidates {
        let host = Candidate::host(*candidate, "udp").map_err(|error| broken(&error))?;
        rtc.add_local_candidate(host);
    }
    let answer = rtc.sdp_api().accept_offer(offer).map_err(|error| broken(&error))?;
    let answer = answer.to_sdp_string();
    let (mid, pt) = chosen(&mut rtc, &answer)?;
    let answer = only(&answer, &mid.to_string());
    let answer = answer.ok_or_else(|| broken(&"lines without a=mid"))?;
    let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
    Ok(Opened { rtc, mid, pt, ufrag, answer })
}
