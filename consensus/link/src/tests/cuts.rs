//! Slow, lossy and broken links, and nodes that come back.

use super::*;
use crate::{Satellite, ShaperControl, ShaperParams};

/// n1 behind an emulated uplink, n2 on the ground.
pub(super) fn behind(
    params: ShaperParams,
    adjust: impl FnOnce(&mut LinkConfig),
) -> (Node, Node, ShaperControl) {
    let ca = ca();
    let uplink = ShaperControl::new(params, 7);
    let mut config = LinkConfig::new(identity(&ca, N1), anywhere());
    config.shaper = Some(uplink.clone());
    adjust(&mut config);
    let (one, two) = (start_with(config), start(identity(&ca, N2)));
    one.knows(N2, two.addr());
    two.knows(N1, one.addr());
    (one, two, uplink)
}

fn delayed(each_way: Duration) -> ShaperParams {
    let mut params = ShaperParams::default();
    params.outbound.delay = each_way;
    params.inbound.delay = each_way;
    params
}

#[tokio::test]
async fn an_emulated_delay_is_there_both_ways() {
    let each_way = Duration::from_millis(60);
    let (one, _two, _uplink) = behind(delayed(each_way), |_| {});
    one.say(N2, "hello").await.unwrap();
    let began = std::time::Instant::now();
    one.say(N2, "again").await.unwrap();
    assert!(began.elapsed() >= each_way * 2, "{:?}", began.elapsed());
    assert!(one.link.peer(N2).unwrap().rtt.unwrap() >= each_way * 2);
}

#[tokio::test]
async fn a_cut_makes_calls_unknown_and_then_impossible_until_it_heals() {
    let (one, two, uplink) = behind(ShaperParams::default(), |config| {
        config.control.idle_timeout = Duration::from_millis(600);
        config.control.keep_alive = Some(Duration::from_millis(200));
    });
    one.say(N2, "hello").await.unwrap();
    uplink.set_cut(true);
    let brief = Duration::from_millis(100);
    assert_eq!(one.say_within(N2, "lost", brief).await, Err(CallError::TimedOut));
    until("both have noticed", async || {
        !one.link.peer(N2).unwrap().connected && !two.link.peer(N1).unwrap().connected
    })
    .await;
    let error = one.say_within(N2, "lost", brief).await.unwrap_err();
    assert!(error.surely_not_processed(), "{error}");
    assert!(uplink.counts().outbound.cut_packets > 0);
    uplink.set_cut(false);
    until("calls pass again", async || one.say_within(N2, "back", SOON).await.is_ok()).await;
    until("the other way too", async || two.say_within(N1, "back", SOON).await.is_ok()).await;
}

#[tokio::test]
async fn a_silent_peer_shows_in_last_heard_before_the_connection_ends() {
    let (one, _two, uplink) = behind(ShaperParams::default(), |_| {});
    one.say(N2, "hello").await.unwrap();
    uplink.set_cut(true);
    let silence = Duration::from_millis(600);
    until("the silence is seen", async || {
        let status = one.link.peer(N2).unwrap();
        status.connected && status.last_heard.unwrap().elapsed() > silence
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_restarted_is_reached_again() {
    let ca = ca();
    let (one, two) = (start(identity(&ca, N1)), start(identity(&ca, N2)));
    let addr = two.addr();
    one.knows(N2, addr);
    one.say(N2, "hello").await.unwrap();
    assert!(two.link.close().await);
    let _again = start_with(LinkConfig::new(identity(&ca, N2), addr));
    until("it answers", async || one.say(N2, "again").await.is_ok()).await;
}

/// The machine of n2 lost power: nobody told n1, which still believes in the old
/// connection when the new n2 calls.
#[tokio::test]
async fn a_peer_that_lost_power_is_reached_over_the_connection_it_dials() {
    let ca = ca();
    let one = start(identity(&ca, N1));
    let uplink = ShaperControl::new(ShaperParams::default(), 7);
    let mut config = LinkConfig::new(identity(&ca, N2), anywhere());
    config.shaper = Some(uplink.clone());
    config.limits.drain = Duration::from_millis(300);
    let two = start_with(config);
    let addr = two.addr();
    one.knows(N2, addr);
    one.say(N2, "hello").await.unwrap();
    uplink.set_cut(true);
    two.link.close().await;
    drop(two);
    let again = start_with(LinkConfig::new(identity(&ca, N2), addr));
    again.knows(N1, one.addr());
    assert!(one.link.peer(N2).unwrap().connected, "it has not noticed yet");
    assert_eq!(again.say(N1, "I am back").await.unwrap(), "n2: I am back");
    assert_eq!(one.say(N2, "good").await.unwrap(), "n1: good");
}

#[tokio::test]
async fn a_satellite_link_carries_what_it_can_in_spite_of_loss() {
    let rtt = Duration::from_millis(200);
    let params = ShaperParams::satellite(rtt, 1_024_000, 1_024_000, 20_000);
    let (one, _two, uplink) = behind(params, |config| {
        config.satellite = Some(Satellite { rtt, ..Satellite::new(1_024_000) });
    });
    one.say(N2, "hello").await.unwrap();
    let (body, began) = (Bytes::from(vec![3; 128 * 1024]), std::time::Instant::now());
    let wait = Duration::from_secs(30);
    one.link.call(N2, Class::Control, Urgency::Ordinary, body, wait).await.unwrap();
    // There and back again at 1 Mbit/s is two seconds on a perfect link.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let counts = uplink.counts();
    assert!(counts.outbound.passed_bytes > 128 * 1024, "{counts:?}");
    assert!(counts.outbound.lost_packets > 0, "{counts:?}");
}

#[tokio::test]
async fn an_idle_satellite_connection_is_silent_between_keep_alives() {
    let rtt = Duration::from_millis(50);
    let params = ShaperParams::satellite(rtt, 512_000, 256_000, 0);
    let (one, _two, uplink) = behind(params, |config| {
        config.satellite = Some(Satellite { rtt, ..Satellite::new(256_000) });
    });
    one.say(N2, "hello").await.unwrap();
    let sent = || uplink.counts().outbound.passed_packets;
    // Acknowledgements of what was said settle first.
    let quiet = Duration::from_millis(1_500);
    let (mut before, mut since) = (sent(), std::time::Instant::now());
    until("nothing is sent for a while", async || {
        if sent() != before {
            (before, since) = (sent(), std::time::Instant::now());
        }
        since.elapsed() > quiet
    })
    .await;
    assert!(one.link.peer(N2).unwrap().connected);
}
