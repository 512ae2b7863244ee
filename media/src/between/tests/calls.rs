//! Calls as their owners see them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_is_made_held_and_hung_up() {
    let mut land = Land::new(20_000);
    let mut near = land.dials();
    let mut incoming = land.arrival().await;
    assert_eq!(
        (incoming.node, incoming.from.as_str(), incoming.to.as_str()),
        (HERE, "5001", "6001")
    );
    assert_eq!((incoming.max_forwards, incoming.from_name.as_str()), (68, "甲"));
    let offer = sdp::read(&incoming.offer).unwrap().audio;
    assert_eq!(offer.rtp.ip(), incoming.call.peer());
    assert_eq!(next(&mut near).await, Some(CallEvent::Trying));
    incoming.call.ring(180, None).await;
    let rings = CallEvent::Ringing { code: 180, sdp: String::new() };
    assert_eq!(next(&mut near).await, Some(rings));
    incoming.call.answer(said(2, "0 101", "sendrecv")).await;
    let Some(CallEvent::Answered { sdp }) = next(&mut near).await else { panic!("no answer") };
    let answer = sdp::read(&sdp).unwrap().audio;
    assert_eq!(answer.formats[0].kind, sdp::Kind::Pcmu);
    assert_eq!(next(&mut incoming.call).await, Some(CallEvent::Confirmed));

    incoming.call.change(said(2, "0 101", "sendonly")).await;
    let Some(CallEvent::Changed { sdp }) = next(&mut near).await else { panic!("no change") };
    assert_eq!(sdp::read(&sdp).unwrap().audio.direction, Direction::SendOnly);
    near.agree(said(1, "0 101", "recvonly")).await;
    let Some(CallEvent::Agreed { sdp }) = next(&mut incoming.call).await else { panic!("no") };
    assert_eq!(sdp::read(&sdp).unwrap().audio.direction, Direction::RecvOnly);
    near.info("application/dtmf".into(), b"5".to_vec()).await;
    let key = CallEvent::Info { kind: "application/dtmf".into(), body: b"5".to_vec() };
    assert_eq!(next(&mut incoming.call).await, Some(key));
    near.hang_up().await;
    let ended = CallEvent::Ended { why: Closing::HungUp };
    assert_eq!(next(&mut incoming.call).await, Some(ended));
    assert_eq!(next(&mut incoming.call).await, None);
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_with_its_words() {
    let mut land = Land::new(22_400);
    let mut near = land.dials();
    let incoming = land.arrival().await;
    incoming.call.refuse(486, "忙 / busy").await;
    assert_eq!(next(&mut near).await, Some(CallEvent::Trying));
    let refused = CallEvent::Refused { code: 486, reason: "忙 / busy".into() };
    assert_eq!(next(&mut near).await, Some(refused));
    assert_eq!(next(&mut near).await, None);
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_nobody_in_the_line() {
    let mut land = Land::new(24_800);
    let near = land.dials();
    let mut incoming = land.arrival().await;
    drop(near);
    let ended = CallEvent::Ended { why: Closing::HungUp };
    assert_eq!(next(&mut incoming.call).await, Some(ended));
    let mut near = land.dials();
    drop(land.arrival().await);
    assert_eq!(next(&mut near).await, Some(CallEvent::Trying));
    let refused = next(&mut near).await;
    assert!(matches!(refused, Some(CallEvent::Refused { code: 503, .. })), "{refused:?}");
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_opened_again_and_nothing_is_lost() {
    let mut land = Land::new(27_200);
    let (mut near, mut far) = land.talk().await;
    for round in 0..5_u8 {
        land.net.breaks();
        near.info("application/dtmf".into(), vec![round]).await;
        far.info("application/dtmf".into(), vec![100 + round]).await;
        let key = |byte| CallEvent::Info { kind: "application/dtmf".into(), body: vec![byte] };
        assert_eq!(next(&mut far).await, Some(key(round)));
        assert_eq!(next(&mut near).await, Some(key(100 + round)));
    }
    assert!(land.net.opened.load(Ordering::Relaxed) >= 5);
    far.hang_up().await;
    assert_eq!(next(&mut near).await, Some(CallEvent::Ended { why: Closing::HungUp }));
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_site_that_stays_away_ends_the_call_after_half_a_minute() {
    let mut land = Land::new(29_600);
    let (mut near, mut far) = land.talk().await;
    let since = tokio::time::Instant::now();
    land.net.reach(false);
    land.net.breaks();
    let lost = CallEvent::Ended { why: Closing::Lost };
    assert_eq!(next(&mut near).await, Some(lost.clone()));
    assert_eq!(next(&mut far).await, Some(lost));
    let after = since.elapsed();
    assert!(after >= Duration::from_secs(30) && after < Duration::from_secs(32), "{after:?}");
    // It tried again, and not in a hurry.
    let opened = land.net.opened.load(Ordering::Relaxed);
    assert!((5..20).contains(&opened), "{opened}");
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_site_that_is_not_there() {
    let land = Land::new(32_000);
    let offer = said(1, "8 101", "sendrecv");
    assert!(matches!(land.here.between.call(outgoing("R9", &offer)), Err(FarError::NoPeer(_))));
    land.net.reach(false);
    let mut near = land.dials();
    let refused = next(&mut near).await;
    assert!(matches!(refused, Some(CallEvent::Refused { code: 480, .. })), "{refused:?}");
    assert_eq!(next(&mut near).await, None);
    // Nothing in common with what passes.
    let mut near = land.here.between.call(outgoing("R2", "v=0\r\n")).unwrap();
    let refused = next(&mut near).await;
    assert!(matches!(refused, Some(CallEvent::Refused { code: 488, .. })), "{refused:?}");
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_tells_the_other_site() {
    let mut land = Land::new(34_400);
    let (_near, _far) = land.talk().await;
    land.close().await;
}
