//! Re-INVITEs: other codecs, hold, other paths.

use super::*;

/// Another codec in the middle of a call: the far telephone hears one stream.
#[tokio::test]
async fn a_new_codec_does_not_lose_the_sequence() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([PCMA, PCMA]);
    every_tick(150, |n| {
        if n == 75 {
            call.join(0, PCMU, true);
        }
        let telephone = if n < 75 { PCMA } else { PCMU };
        let [one, two] = &mut call.phones;
        one.hum(telephone, 440.0, n);
        two.hum(PCMA, 1_000.0, n);
        one.listen();
        two.listen();
    })
    .await;
    let (span, missing) = windows(440.0, &call.phones[1].sound(PCMA));
    assert!(span >= 130 && missing <= 60, "{span} windows, {missing} of 1,000 missing");
    // Both of what it was told to be, in one run of numbers.
    let (before, _) = windows(1_000.0, &call.phones[0].sound(PCMA));
    let (after, missing) = windows(1_000.0, &call.phones[0].sound(PCMU));
    assert!(before >= 60 && after >= 60 && missing <= 40, "{before}, {after}, {missing}");
    drop(call);
    sites.end().await;
}

#[tokio::test]
async fn on_hold_nothing_is_sent_and_then_it_goes_on() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([PCMA, PCMA]);
    let mut held = (0, 0);
    every_tick(240, |n| {
        if n == 60 || n == 180 {
            call.join(0, PCMA, n == 180);
        }
        if n == 80 {
            call.phones[0].listen();
            held = (call.trunks[0].stats().frames_sent, call.phones[0].heard.len());
        }
        for phone in &mut call.phones {
            phone.hum(PCMA, 440.0, n);
            phone.listen();
        }
        if n == 175 {
            let now = (call.trunks[0].stats().frames_sent, call.phones[0].heard.len());
            assert_eq!(now, held, "on hold nothing goes either way");
        }
    })
    .await;
    let stats = call.trunks[0].stats();
    assert!(stats.frames_sent >= held.0 + 50, "{stats:?}");
    assert!(call.phones[0].heard.len() >= held.1 + 50);
    // The silence was said, so that nobody made sound up or missed it.
    let stats = call.trunks[1].stats();
    assert!(stats.concealed <= 5 && stats.missing == 0, "{stats:?}");
    let sound = call.phones[1].sound(PCMA);
    let hums = sound.chunks_exact(160).filter(|one| share_of(440.0, one) > 800).count();
    assert!((95..=125).contains(&hums), "{hums} windows");
    drop(call);
    sites.end().await;
}

/// The cable is cut and calls go by satellite: who is joined anew is coded.
#[tokio::test]
async fn a_path_that_becomes_thin_is_followed_when_joined_again() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let mut call = sites.call([PCMA, PCMA]);
    let mut before = [0, 0];
    let wire = |sites: &Sites| sites.traffic[0].bytes.load(Ordering::Relaxed);
    every_tick(240, |n| {
        if n == 80 {
            before[0] = wire(&sites);
            for site in [0, 1] {
                sites.trunks[site].set_path(NODES[1 - site], SATELLITE);
                call.join(site, PCMA, true);
            }
        }
        if n == 140 {
            before[1] = wire(&sites);
        }
        for phone in &mut call.phones {
            phone.hum(PCMA, 440.0, n);
            phone.listen();
        }
    })
    .await;
    let (cable, satellite) = (before[0] / 80, (wire(&sites) - before[1]) / 100);
    assert!(satellite * 4 < cable, "bytes a tick: {cable}, then {satellite}");
    for phone in &call.phones {
        let (span, missing) = windows(440.0, &phone.sound(PCMA));
        assert!(span >= 200 && missing <= 90, "{span} windows, {missing} of 1,000 missing");
    }
    drop(call);
    sites.end().await;
}

/// G.722 cannot be coded: it is silent, and counted, and not noise.
#[tokio::test]
async fn what_a_thin_path_cannot_carry_is_refused() {
    let sites = Sites::new(Road::default(), SATELLITE);
    let g722 = Telephone { codec: Codec::G722, payload_type: 9, event_type: None };
    let mut call = sites.call([g722, PCMA]);
    until("refused", || call.trunks[0].stats().refused == 1).await;
    every_tick(20, |n| {
        call.phones[0].send(9, n * 160, &[3; 160]);
        call.phones[0].listen();
    })
    .await;
    assert_eq!(call.trunks[0].stats().frames_sent, 0);
    assert_eq!(call.phones[0].heard.len(), 0);
    assert_eq!(sites.trunks[0].stats().refused, 1);
    drop(call);
    sites.end().await;
}
