//! What telephones say of their sound: an offer, its answer and a change, each
//! as hostile as the others, through the reader and through a whole call.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use weir_signaling::call::{
    Addresses, Bridge, Dial, Event, Group, Ids, Input, Leg, LegId, Limits, Output, Route,
};
use weir_signaling::sdp;

fn call(offer: &str, answer: &str, change: &str) {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let numbers = vec![Dial { number: "5402".into(), dial: None, at: None }];
    let route = Route { groups: vec![Group { numbers, ring_ms: 60_000 }], emergency: false };
    let addresses = Addresses { a: at(30_000), b: at(30_002) };
    let ids = Ids { a: 1, b: 2 };
    let mut bridge = Bridge::new(route, offer.into(), addresses, ids, Limits::default(), 0);
    let places = bridge.step(0, Input::Begin);
    let Some(Output::Place { place, .. }) = places.first() else { return };
    let callee = Leg::Callee(LegId(1));
    bridge.step(1, Input::Placed { place: *place, legs: vec![LegId(1)] });
    let all = [
        (callee, Event::Ringing { code: 183, sdp: answer.into() }),
        (callee, Event::Answered { sdp: answer.into() }),
        (Leg::Caller, Event::Confirmed { sdp: change.into() }),
        (Leg::Caller, Event::Changed { sdp: change.into() }),
        (callee, Event::Agreed { sdp: answer.into() }),
        (callee, Event::Changed { sdp: String::new() }),
        (callee, Event::Confirmed { sdp: change.into() }),
    ];
    for (leg, event) in all {
        bridge.step(2, Input::Heard { leg, event });
    }
    bridge.step(3, Input::HangUp);
    assert_eq!(bridge.next_ms(), None);
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(session) = sdp::read(&text) {
        let mut writer = sdp::Writer::new(1, SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000)));
        writer.follow(&session);
        let told = writer.write(&session.audio);
        assert_eq!(sdp::read(&told).map(|read| read.audio.formats), Ok(session.audio.formats));
    }
    let mut parts = text.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    call(next(), next(), next());
});
