//! What another site's node may send as voice: bundles, and what becomes of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_media::voice::{First, rtp};
use weir_media::wan::{Decoder, Encoder, Link, Telephone};
use weir_model::directory::Codec;
use weir_signaling::wan::{Item, Unpacker};

const PCMA: Telephone = Telephone { codec: Codec::Pcma, payload_type: 8, event_type: Some(101) };
const FIRST: First = First { ssrc: 1, seq: 0, timestamp: 0 };

/// The first byte chooses the link; then lengths and datagrams, each 20 ms later.
fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let satellite = Link::Satellite { bitrate_bps: 8_000 };
    let link = if choice & 1 == 0 { Link::Terrestrial } else { satellite };
    let (Ok(mut encoder), Ok(mut decoder)) =
        (Encoder::new(0, PCMA, link, 0), Decoder::new(PCMA, link, FIRST))
    else {
        return;
    };
    let mut unpacker = Unpacker::default();
    let (mut now_ms, mut into) = (0, Vec::new());
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(after.len());
        let (datagram, after) = after.split_at(len);
        rest = after;
        for item in unpacker.take(now_ms, datagram).unwrap_or_default() {
            match item {
                Item::Frame(frame) => decoder.frame(now_ms, frame),
                Item::Again { step, .. } => decoder.again(now_ms, step),
                Item::Key(press) => decoder.key(press),
                Item::Report(_) => {}
            }
        }
        if let Some(packet) = rtp::parse(datagram) {
            let _ = encoder.rtp(now_ms, &packet);
        }
        let _ = decoder.tick(now_ms, &mut into);
        let _ = unpacker.report(now_ms);
        now_ms += 20;
    }
});
