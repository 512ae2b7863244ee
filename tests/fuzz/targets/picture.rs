//! What another site's node may send as a picture: symbols of blocks, and what
//! becomes of them; and what it reports of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_signaling::picture::{
    Piece, Receiver, ReceiverConfig, Sender, SenderConfig, Unit, UnitKind, read,
};

/// Lengths and datagrams, each 20 ms later. The stream is the one they name.
fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let stream = u16::from_be_bytes([
        bytes.get(6).copied().unwrap_or(0),
        bytes.get(7).copied().unwrap_or(0),
    ]);
    let mut receiver = Receiver::new(stream, ReceiverConfig::default());
    let mut sender = Sender::new(stream, SenderConfig::at(300_000), 0);
    let mut now_ms = 0;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len)).min(after.len());
        let (datagram, after) = after.split_at(len);
        rest = after;
        let _ = receiver.take(now_ms, datagram);
        if let Ok(Piece::Report(report)) = read(datagram) {
            sender.heard(&report);
        }
        let unit = Unit { kind: UnitKind::Key, at_ms: 0, bytes: datagram.to_vec() };
        sender.unit(now_ms, &unit);
        let _ = sender.poll(now_ms);
        let _ = receiver.poll(now_ms);
        let _ = receiver.report(now_ms);
        now_ms += 20;
    }
});
