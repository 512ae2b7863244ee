//! Any bytes off a SIP socket: as a datagram, and as a stream in two pieces,
//! through framing, reading, refusing and answering. What can be answered must
//! be answered so that its sender recognises it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    weir_media::sip::trial::any_bytes(bytes, usize::from(cut));
});
