//! What comes from the wrong place, or is no sound at all.

use super::*;

#[test]
fn garbage_is_counted_and_nobody_hears_it() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let (mut a, mut b) = (Phone::new(440.0), Phone::new(620.0));
    let (seat, _b) = (a.join(&room, 1), b.join(&room, 2));
    let mut rubbish: Vec<Vec<u8>> =
        (0..40_u8).map(|n| vec![n.wrapping_mul(37); n.into()]).collect();
    rubbish.push(vec![0x80; 1_500]);
    rubbish.push(vec![0x9f; 14]);
    rubbish.push(Vec::new());
    for bytes in &rubbish {
        a.rtp.send_to(bytes, a.to.unwrap()).unwrap();
        a.rtcp.send_to(bytes, SocketAddr::new(HOST, a.to.unwrap().port() + 1)).unwrap();
        talk(&mut site, &mut [&mut a, &mut b], 1);
    }
    talk(&mut site, &mut [&mut a, &mut b], 30);
    assert_hears(&b, &[440.0]);
    assert_eq!(b.longest_gap_ms(440.0), 0);
    assert!(seat.stats().broken > 30, "{:?}", seat.stats());
}

#[test]
fn payloads_of_any_length_are_survived() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut a = Phone::new(440.0);
    let _a = a.join(&room, 1);
    for length in [0, 1, 79, 80, 159, 161, 240, 480, 1_024, 1_400] {
        let timestamp = a.timestamp.wrapping_mul(length);
        a.send(8, timestamp, &vec![0xd5; usize::try_from(length).unwrap()]);
        talk(&mut site, &mut [&mut a], 1);
    }
    assert_eq!(a.heads.len(), 10);
}

#[test]
fn a_stranger_is_not_heard_and_told_nothing() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let (mut a, mut b) = (Phone::new(440.0), Phone::new(620.0));
    let (seat, _b) = (a.join(&room, 1), b.join(&room, 2));
    talk(&mut site, &mut [&mut a, &mut b], 5);
    // The same host, another port: not whom we hear.
    let mut stranger = Phone { to: a.to, ..Phone::new(910.0) };
    talk(&mut site, &mut [&mut a, &mut b, &mut stranger], 50);
    assert_misses(&b, &[910.0]);
    assert_hears(&b, &[440.0]);
    assert!(stranger.heads.is_empty());
    assert_eq!(seat.stats().strangers, 50);
}

/// It said another port than the one it sends from.
#[test]
fn a_telephone_behind_a_nat_is_answered_where_it_sends_from() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let (mut a, mut b) = (Phone::new(440.0), Phone::new(620.0));
    let (seat, _b) = (a.join(&room, 1), b.join(&room, 2));
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 9));
    seat.aim(Some(Aim { rtp: nowhere, rtcp: nowhere, also_from: Some(HOST), ..a.aim() }));
    talk(&mut site, &mut [&mut a, &mut b], 50);
    assert_hears(&a, &[620.0]);
    assert_hears(&b, &[440.0]);
}

#[test]
fn a_codec_that_is_not_mixed_is_counted() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut a = Phone::new(440.0);
    let seat = a.join(&room, 1);
    for _ in 0..5 {
        a.send(9, 0, &[1; 160]);
        a.send(13, 0, &[1]);
    }
    talk(&mut site, &mut [&mut a], 1);
    assert_eq!(seat.stats().unknown, 5);
}

/// Ten packets tell one key: it goes down, is held, is let go three times.
#[test]
fn a_key_is_told_once() {
    let mut site = Site::new();
    let room = site.mixer.room(70).unwrap();
    let mut a = Phone::new(440.0);
    let _a = a.join(&room, 5);
    for n in 1..=10_u8 {
        let end = if n > 7 { 0x80 } else { 0 };
        a.send(KEYS, 4_711, &[1, end | 10, n, 0]);
        a.seq = a.seq.wrapping_add(1);
        site.tick();
    }
    assert_eq!(
        site.heard.try_recv(),
        Ok(Heard::Digit { room: 70, who: 5, digit: '1', way: Way::Event })
    );
    assert!(site.heard.try_recv().is_err());
}

#[test]
fn a_telephone_that_falls_silent_is_told_once() {
    let mut site = Site::new();
    let room = site.mixer.room(70).unwrap();
    let mut a = Phone::new(440.0);
    let seat = a.join(&room, 5);
    talk(&mut site, &mut [&mut a], 10);
    assert!(site.heard.try_recv().is_err());
    (0..3_000).for_each(|_| site.tick());
    assert_eq!(site.heard.try_recv(), Ok(Heard::Quiet { room: 70, who: 5 }));
    assert!(site.heard.try_recv().is_err());
    assert!(seat.stats().heard_ago.is_some());
}

#[test]
fn reports_go_out_every_five_seconds_and_theirs_are_read() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut a = Phone::new(440.0);
    let seat = a.join(&room, 1);
    talk(&mut site, &mut [&mut a], 500);
    let reports = a.reports();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report[1] == 200));

    let block =
        rtcp::Block { ssrc: a.heads[0].3, fraction_lost: 64, jitter: 80, ..rtcp::Block::default() };
    let mut bytes = Vec::new();
    rtcp::write_receiver(a.ssrc, &block, &mut bytes);
    a.rtcp.send_to(&bytes, SocketAddr::new(HOST, a.to.unwrap().port() + 1)).unwrap();
    talk(&mut site, &mut [&mut a], 30);
    assert_eq!((seat.stats().far_lost, seat.stats().far_jitter), (64, 80));

    drop(seat);
    site.tick();
    let last = a.reports().pop().unwrap();
    assert_eq!(last[last.len() - 7], 203, "a goodbye is the last word");
}
