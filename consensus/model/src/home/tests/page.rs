//! A page outside any plan.

use super::*;

fn paged(site: &Bench, n: u8, who: &str, zone: &str, audio: &str) -> Intent {
    let (zone, audio) = (ZoneId::new(zone).unwrap(), AudioId::new(audio).unwrap());
    site.intent(n, who, IntentBody::Page { zone, audio, repeat: 2 })
}

fn with_audio() -> Bench {
    let mut site = Bench::new();
    let audio = |id: &str, text: &str| AudioFile {
        id: AudioId::new(id).unwrap(),
        lang: Lang::ZhCn,
        text: text.into(),
        recording: None,
    };
    site.directory.put_record(Record::Audio(audio("aud-red", "请立即转移")));
    site.directory.put_record(Record::Audio(audio("aud-blank", "{minutes}分钟")));
    site
}

#[test]
fn a_page_sounds_in_its_zone_only_and_is_written_down() {
    let mut site = with_audio();
    let intent = paged(&site, 1, "zhao", "5403", "aud-red");
    assert_eq!(site.send(&intent).code(), "started");
    assert_eq!(site.zones(), ["5403"]);
    assert_eq!(site.sounded[0].key, key(1, "page", "5403", 1));
    site.all_heard();
    assert_eq!(site.ended(1), Some(Ending::Completed));
    assert_eq!(site.broken, [""; 0]);
}

#[test]
fn a_page_survives_its_node_as_any_other_run_does() {
    let mut site = with_audio();
    let intent = paged(&site, 1, "zhao", "5403", "aud-red");
    site.send(&intent);
    site.restart_after(5_000);
    // Not an evacuation: what nobody saw end is not played again unasked.
    assert_eq!(site.step(1, "page"), StepState::Unknown);
    assert_eq!(site.sounded.len(), 1);
}

#[test]
fn a_page_that_cannot_be_is_refused_by_name() {
    let mut site = with_audio();
    for (n, who, zone, audio, code) in [
        (1, "zhao", "6401", "aud-red", "zone-unknown"),
        (2, "zhao", "5403", "aud-none", "audio-unknown"),
        (3, "zhao", "5403", "aud-blank", "audio-unknown"),
        (4, "nobody", "5403", "aud-red", "denied"),
    ] {
        let intent = paged(&site, n, who, zone, audio);
        assert_eq!(site.send(&intent).code(), code, "{who} {zone} {audio}");
    }
    assert!(site.sounded.is_empty());
}

#[test]
fn a_page_is_stopped_like_any_run() {
    let mut site = with_audio();
    let intent = paged(&site, 1, "zhao", "5403", "aud-red");
    site.send(&intent);
    assert_eq!(site.abort(2, "li", 1).code(), "aborted");
    assert!(matches!(site.ended(1), Some(Ending::Aborted { .. })));
}
