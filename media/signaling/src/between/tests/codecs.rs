//! Which codec each telephone ends up with.

use weir_model::directory::Codec;

use super::*;

fn voices(audio: &sdp::Audio) -> Vec<sdp::Kind> {
    let kinds = audio.formats.iter().map(|format| format.kind);
    kinds.filter(|kind| kind.is_voice()).collect()
}

fn codecs(world: &World) -> [Codec; 2] {
    [A, B].map(|site| world.sites[site].joins.last().unwrap().1.codec)
}

fn talks(path: Path, a: &'static str, b: &'static str) -> World {
    let mut world = World::new().paths(path);
    (world.sites[A].phone.formats, world.sites[B].phone.formats) = (a, b);
    world.dial();
    world.wait(S);
    world.picks_up();
    world.wait(S);
    world
}

#[test]
fn over_a_wide_path_both_speak_what_the_called_one_chose() {
    let world = talks(SAME, "9 8 0 101", "0 8 101");
    assert_eq!(codecs(&world), [Codec::Pcmu; 2]);
    assert_eq!(voices(&world.sites[A].phone.heard()), [sdp::Kind::Pcmu]);
    let world = talks(SAME, "9 8 101", "9 0 101");
    assert_eq!(codecs(&world), [Codec::G722; 2]);
    let world = talks(SAME, "111 8", "111 8");
    assert_eq!(codecs(&world), [Codec::Opus; 2]);
    // Each end has the numbers of its own bridge.
    assert_eq!(world.sites[A].joins.last().unwrap().1.payload_type, 111);
}

#[test]
fn without_a_codec_in_common_there_is_no_call() {
    let world = talks(SAME, "9", "8");
    assert_eq!(world.sites[A].phone.hook, Hook::Refused(488));
    assert!(world.is_over());
}

#[test]
fn over_a_thin_path_g722_falls_away_and_each_has_its_own() {
    let world = talks(THIN, "9 8 101", "0 101");
    assert_eq!(codecs(&world), [Codec::Pcma, Codec::Pcmu]);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    let offered = &world.sites[A].told;
    assert!(offered.iter().any(|one| matches!(one, Event::Answered { .. })));
}

#[test]
fn a_telephone_with_nothing_else_cannot_call_over_a_thin_path() {
    let offer = said(1, "9", "sendrecv");
    let dialling = Dialling {
        key: KEY,
        from: "5401".into(),
        from_name: String::new(),
        dialled: "5402".into(),
        emergency: false,
        max_forwards: 70,
        offer,
        channel: 1,
        answer_within_ms: S,
    };
    let end = End::new(1, at("203.0.113.1:40000"), THIN);
    let refused = Far::dial(0, dialling, end).unwrap_err();
    assert_eq!(refused.code(), 488);
}

#[test]
fn keys_go_as_events_only_where_both_know_them() {
    let world = talks(SAME, "8 101", "8");
    let events = [A, B].map(|site| world.sites[site].joins.last().unwrap().1.event_type);
    assert_eq!(events, [None, None]);
    let world = talks(SAME, "8", "8 101");
    let events = [A, B].map(|site| world.sites[site].joins.last().unwrap().1.event_type);
    assert_eq!(events, [None, None]);
}

/// A's telephone numbers keys 96, which is our own number for Opus.
#[test]
fn a_number_never_means_two_things_in_one_call() {
    let mut end = End::new(1, at("203.0.113.1:40000"), SAME);
    let offer = said(1, "8 96", "sendrecv").replace("rtpmap:101 tele", "rtpmap:96 tele");
    let (session, _) = end.hear_offer(&offer).unwrap();
    let plain = Said { codecs: vec![Codec::Pcma], events: true, direction: Direction::Both };
    let (_, settled) = end.answer(&session, &plain).unwrap();
    assert_eq!(settled.telephone.event_type, Some(96));
    let codecs = vec![Codec::Opus, Codec::Pcma];
    let said = Said { codecs, events: true, direction: Direction::Both };
    let (audio, _) = end.offer(&said).unwrap();
    let mut numbers: Vec<u8> = audio.formats.iter().map(|one| one.payload_type).collect();
    assert_eq!(numbers[..2], [97, 8]);
    assert_eq!(numbers[2], 96, "keys keep theirs: {audio:?}");
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), audio.formats.len());
}

#[test]
fn what_is_told_twice_is_the_same_to_the_byte() {
    let mut end = End::new(1, at("203.0.113.1:40000"), SAME);
    let said = Said { codecs: vec![Codec::Pcma], events: true, direction: Direction::Both };
    let (_, first) = end.offer(&said).unwrap();
    let (_, again) = end.offer(&said).unwrap();
    assert_eq!(first, again);
    let held = Said { direction: Direction::SendOnly, ..said };
    let (_, held) = end.offer(&held).unwrap();
    assert!(held.contains("o=weir 1 2 ") && held.contains("a=sendonly"), "{held}");
}
