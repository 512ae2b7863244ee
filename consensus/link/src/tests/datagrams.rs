//! Sound and pictures: what arrives, what may be lost, and what is never sent.

use std::time::Instant;

use super::*;
use crate::bind::class_addr;
use crate::hello::Hello;
use crate::names::node_name;
use crate::tests::cuts::behind;
use crate::{
    DATAGRAM_MAX_BYTES, DatagramError, LinkConfig, Refusal, Satellite, ShaperControl, ShaperParams,
    Unreachable,
};

const VOICE: Class = Class::Voice;
const VIDEO: Class = Class::Video;

impl Node {
    fn send(&self, to: NodeId, class: Class, body: &'static [u8]) -> Result<(), DatagramError> {
        self.link.datagram(to, class, Bytes::from_static(body))
    }

    /// Dials as long as it takes.
    async fn connects(&self, to: NodeId, class: Class) {
        until("it is connected", async || {
            self.link.prepare(to, class);
            self.link.is_connected(to, class)
        })
        .await;
    }

    async fn hears(&self, count: usize) -> Vec<Heard> {
        until("the datagrams arrive", async || self.echo.heard().len() >= count).await;
        self.echo.heard()
    }
}

fn numbered(number: u32, len: usize) -> Bytes {
    let mut body = vec![0; len];
    body[..4].copy_from_slice(&number.to_be_bytes());
    Bytes::from(body)
}

fn number(heard: &Heard) -> u32 {
    u32::from_be_bytes(*heard.body.first_chunk().unwrap())
}

#[tokio::test]
async fn sound_and_pictures_go_both_ways() {
    let (one, two) = two();
    for class in [VOICE, VIDEO] {
        one.connects(N2, class).await;
        until("the other side knows", async || two.link.is_connected(N1, class)).await;
        one.send(N2, class, b"there").unwrap();
        two.send(N1, class, b"back").unwrap();
    }
    let (here, there) = (one.hears(2).await, two.hears(2).await);
    let told = |heard: &[Heard]| -> Vec<_> {
        let mut told: Vec<_> =
            heard.iter().map(|heard| (heard.class, heard.from, heard.body.clone())).collect();
        told.sort();
        told
    };
    let from = |node, body: &'static [u8]| {
        [VOICE, VIDEO].map(|class| (class, node, Bytes::from_static(body)))
    };
    assert_eq!(told(&there), from(N1, b"there"));
    assert_eq!(told(&here), from(N2, b"back"));
    let status = one.link.peer(N2).unwrap();
    assert_eq!((status.voice.offered, status.voice.offered_bytes, status.voice.sent), (1, 5, 1));
    assert_eq!((status.video.received, status.video.received_bytes), (1, 4));
}

#[tokio::test]
async fn who_only_calls_dials_for_calls_alone() {
    let (one, two) = two();
    one.say(N2, "hello").await.unwrap();
    two.say(N1, "hello").await.unwrap();
    one.link.recheck();
    for class in [Class::Bulk, VOICE, VIDEO] {
        assert!(!one.link.is_connected(N2, class), "{class:?}");
    }
    assert!(one.link.is_connected(N2, Class::Control));
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

/// From the first packet on, before anything is known of the path.
#[tokio::test]
async fn the_longest_datagram_always_fits_and_a_longer_one_never() {
    let ca = ca();
    for satellite in [None, Some(Satellite::new(512_000))] {
        let mut config = LinkConfig::new(identity(&ca, N1), anywhere());
        config.satellite = satellite;
        let (one, two) = (start_with(config), start(identity(&ca, N2)));
        one.knows(N2, two.addr());
        for (class, count) in [(VOICE, 1), (VIDEO, 2)] {
            one.connects(N2, class).await;
            one.link.datagram(N2, class, numbered(7, DATAGRAM_MAX_BYTES)).unwrap();
            assert_eq!(two.hears(count).await[count - 1].body, numbered(7, DATAGRAM_MAX_BYTES));
            let max = DATAGRAM_MAX_BYTES;
            for len in [DATAGRAM_MAX_BYTES + 1, 1_300] {
                let refused = one.link.datagram(N2, class, numbered(8, len));
                assert_eq!(refused, Err(DatagramError::TooLarge { max }));
            }
        }
        assert_eq!(two.echo.heard().len(), 2);
    }
}

#[tokio::test]
async fn the_first_word_is_lost_and_brings_the_connection_for_the_rest() {
    let (one, two) = two();
    assert_eq!(one.send(N3, VOICE, b"nobody"), Err(DatagramError::NotConnected));
    for _ in 0..100 {
        assert_eq!(one.send(N2, VOICE, b"lost"), Err(DatagramError::NotConnected));
    }
    until("it is connected", async || one.link.is_connected(N2, VOICE)).await;
    one.send(N2, VOICE, b"heard").unwrap();
    assert_eq!(two.hears(1).await[0].body, "heard");
    assert_eq!(one.connections(), 1, "a hundred words, one dial");
    assert_eq!(one.link.peer(N2).unwrap().voice.offered, 101);
}

/// The sound's own thread is none of tokio's.
#[tokio::test]
async fn a_thread_of_ones_own_may_send() {
    let (one, two) = two();
    let link = one.link.clone();
    let speaker = std::thread::spawn(move || {
        let began = Instant::now();
        while link.datagram(N2, VOICE, Bytes::from_static(b"hello")).is_err() {
            assert!(began.elapsed() < SOON, "it never connects");
            std::thread::yield_now();
        }
    });
    assert_eq!(two.hears(1).await[0].body, "hello");
    speaker.join().unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_not_dialled_for_every_word() {
    let (one, two) = two();
    let gone = two.addr();
    assert!(two.link.close().await);
    one.knows(N2, gone);
    one.link.prepare(N2, VOICE);
    until("the dial has failed", async || one.link.dials_failed(N2, VOICE).0 == 1).await;
    let before = one.link.tasks_left();
    for _ in 0..50 {
        assert_eq!(one.send(N2, VOICE, b"anybody?"), Err(DatagramError::NotConnected));
    }
    assert_eq!(one.link.tasks_left(), before, "no second dial so soon");
}

#[tokio::test]
async fn calls_and_sound_keep_to_their_own_connections() {
    let (one, two) = two();
    for class in [Class::Control, Class::Bulk] {
        assert_eq!(one.send(N2, class, b"sound"), Err(DatagramError::WrongClass));
    }
    for class in [VOICE, VIDEO] {
        let reason = Unreachable::NoStreams;
        let refused = Err(CallError::Unreachable { reason });
        let called = one.link.call(N2, class, Urgency::Control, Bytes::new(), SOON).await;
        assert_eq!(called, refused);
        let opened = one.link.open(N2, class, Urgency::Control, Bytes::new(), SOON).await;
        assert_eq!(opened.map(|_| Bytes::new()), refused);
    }
    assert_eq!((one.connections(), two.connections()), (0, 0));
}

/// Speaks QUIC and TLS well, is let in, and then does what it likes.
async fn let_in(node: &Node, speaker: &Identity, class: Class) -> quinn::Connection {
    let endpoint = quinn::Endpoint::client(anywhere()).unwrap();
    let config = quinn::ClientConfig::new(crate::tls::client(speaker).unwrap().config);
    let (at, name) = (class_addr(node.addr(), class).unwrap(), node_name(N1, CLUSTER));
    let connection = endpoint.connect_with(config, at, &name).unwrap().await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let hello = Hello { class, cluster: CLUSTER, node: N2, boot: 1 };
    send.write_all(&hello.to_bytes()).await.unwrap();
    send.finish().unwrap();
    assert_eq!(recv.read_to_end(9).await.unwrap().len(), 9);
    connection
}

#[tokio::test]
async fn a_peer_that_keeps_no_rules_gets_no_stream_for_sound_and_no_datagram_for_calls() {
    let ca = ca();
    let (node, speaker) = (start(identity(&ca, N1)), identity(&ca, N2));
    let calls = let_in(&node, &speaker, Class::Control).await;
    calls.open_bi().await.unwrap();
    let unasked = calls.send_datagram(Bytes::from_static(b"sound"));
    assert_eq!(unasked, Err(quinn::SendDatagramError::UnsupportedByPeer));

    let sound = let_in(&node, &speaker, VOICE).await;
    sound.send_datagram(Bytes::from_static(b"sound")).unwrap();
    assert_eq!(node.hears(1).await[0].body, "sound");
    let patience = Duration::from_millis(300);
    assert!(tokio::time::timeout(patience, sound.open_bi()).await.is_err());
    assert_eq!(sound.close_reason(), None);
}

/// Whatever its path says of other connections.
#[tokio::test]
async fn a_voice_connection_that_nobody_uses_ends_by_itself() {
    let ca = ca();
    let brief = Duration::from_millis(400);
    let start = |node| {
        let mut config = LinkConfig::new(identity(&ca, node), anywhere());
        config.voice.idle_timeout = brief;
        config.satellite = Some(Satellite {
            rtt: brief / 40,
            keep_alive: Some(brief / 4),
            idle_timeout: brief,
            ..Satellite::new(10_000_000)
        });
        start_with(config)
    };
    let (one, two) = (start(N1), start(N2));
    one.knows(N2, two.addr());
    one.say(N2, "hello").await.unwrap();
    one.connects(N2, VOICE).await;
    until("it ended", async || !one.link.is_connected(N2, VOICE)).await;
    assert!(one.link.is_connected(N2, Class::Control));
    one.connects(N2, VOICE).await;
}

#[tokio::test]
async fn a_revoked_node_loses_its_voice_too() {
    let (one, two) = two();
    one.connects(N2, VOICE).await;
    until("both know", async || two.link.is_connected(N1, VOICE)).await;
    two.members.deny(N1, Denied::Revoked);
    two.link.recheck();
    until("the connection is gone", async || {
        !one.link.is_connected(N2, VOICE) && !two.link.is_connected(N1, VOICE)
    })
    .await;
    assert_eq!(one.send(N2, VOICE, b"again"), Err(DatagramError::NotConnected));
    let refused = CallError::Refused { reason: Refusal::Revoked };
    until("it has dialled in vain", async || {
        one.link.dials_failed(N2, VOICE).1 == Some(refused.clone())
    })
    .await;
    assert!(two.echo.heard().is_empty());
}

#[tokio::test]
async fn closing_ends_the_voice_as_well() {
    let (one, two) = two();
    for class in [VOICE, VIDEO] {
        one.connects(N2, class).await;
    }
    // A dial under way, too.
    two.link.prepare(N3, VIDEO);
    assert!(two.link.close().await, "every task ended");
    assert_eq!(two.link.tasks_left(), 0);
    until("the peer knows", async || !one.link.is_connected(N2, VOICE)).await;
    assert_eq!(two.send(N1, VOICE, b"late"), Err(DatagramError::Closed));
    two.link.prepare(N1, VOICE);
    assert_eq!(two.link.tasks_left(), 0);
    assert!(one.link.close().await);
    assert_eq!(one.link.tasks_left(), 0);
}

#[tokio::test]
async fn both_begin_to_speak_at_the_same_moment_and_one_connection_stays() {
    let (one, two) = two();
    one.link.prepare(N2, VOICE);
    two.link.prepare(N1, VOICE);
    until("one connection is left", async || {
        one.retire_spares_now();
        two.retire_spares_now();
        let left = (one.connections(), two.connections()) == (1, 1);
        left && one.link.is_connected(N2, VOICE) && two.link.is_connected(N1, VOICE)
    })
    .await;
    one.send(N2, VOICE, b"a").unwrap();
    two.send(N1, VOICE, b"b").unwrap();
    assert_eq!(two.hears(1).await[0].body, "a");
    assert_eq!(one.hears(1).await[0].body, "b");
}

/// Nobody told n1, whose voice would go nowhere for half a minute.
#[tokio::test]
async fn a_peer_that_lost_power_takes_its_old_voice_connection_with_it() {
    let ca = ca();
    let one = start(identity(&ca, N1));
    let uplink = ShaperControl::new(ShaperParams::default(), 7);
    let mut config = LinkConfig::new(identity(&ca, N2), anywhere());
    config.shaper = Some(uplink.clone());
    config.limits.drain = Duration::from_millis(300);
    let two = start_with(config);
    let addr = two.addr();
    one.knows(N2, addr);
    one.connects(N2, VOICE).await;
    uplink.set_cut(true);
    two.link.close().await;
    drop(two);
    let again = start_with(LinkConfig::new(identity(&ca, N2), addr));
    again.knows(N1, one.addr());
    one.send(N2, VOICE, b"it has not noticed yet").unwrap();
    assert_eq!(again.say(N1, "I am back").await.unwrap(), "n2: I am back");
    assert_eq!(one.send(N2, VOICE, b"lost"), Err(DatagramError::NotConnected));
    one.connects(N2, VOICE).await;
    one.send(N2, VOICE, b"good").unwrap();
    assert_eq!(again.hears(1).await[0].body, "good");
}

/// What waits is bounded, and it is the newest: nothing leaves meanwhile,
/// because this thread does nothing else.
#[tokio::test]
async fn of_a_flood_of_sound_the_newest_is_kept() {
    const FLOOD: u32 = 20_000;
    let (one, two) = two();
    one.connects(N2, VOICE).await;
    for number in 0..FLOOD {
        one.link.datagram(N2, VOICE, numbered(number, 1_000)).unwrap();
    }
    until("the last word arrives", async || {
        two.echo.heard().last().is_some_and(|heard| number(heard) == FLOOD - 1)
    })
    .await;
    let heard: Vec<u32> = two.echo.heard().iter().map(number).collect();
    let kept = u32::try_from(heard.len()).unwrap();
    assert!((10..=16).contains(&kept), "{kept} kept in 16 kB");
    assert_eq!(heard, (FLOOD - kept..FLOOD).collect::<Vec<_>>());
    let status = one.link.peer(N2).unwrap().voice;
    assert_eq!((status.offered, status.sent), (u64::from(FLOOD), u64::from(kept)));
}

#[tokio::test]
async fn of_a_flood_of_pictures_the_sender_is_told() {
    let (one, two) = two();
    one.connects(N2, VIDEO).await;
    let sent = (0..20_000).map(|number| one.link.datagram(N2, VIDEO, numbered(number, 1_000)));
    let taken = sent.take_while(Result::is_ok).count();
    assert!((200..=262).contains(&taken), "{taken} fit 256 kB");
    assert_eq!(one.link.datagram(N2, VIDEO, numbered(0, 1_000)), Err(DatagramError::Full));
    let heard: Vec<u32> = two.hears(taken).await.iter().map(number).collect();
    assert_eq!(heard, (0..u32::try_from(taken).unwrap()).collect::<Vec<_>>());
    until("there is room again", async || one.send(N2, VIDEO, b"next").is_ok()).await;
}

#[tokio::test]
async fn over_a_satellite_as_much_sound_is_lost_as_the_sky_takes_and_none_sent_again() {
    const WORDS: u32 = 400;
    let rtt = Duration::from_millis(600);
    let params = ShaperParams::satellite(rtt, 1_024_000, 1_024_000, 15_000);
    let (one, two, uplink) = behind(params, |config| {
        config.satellite = Some(Satellite { rtt, ..Satellite::new(1_024_000) });
    });
    one.connects(N2, VOICE).await;
    let lost_before = uplink.counts().outbound.lost_packets;
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let mut sent_at = Vec::new();
    for number in 0..WORDS {
        every.tick().await;
        sent_at.push(Instant::now());
        one.link.datagram(N2, VOICE, numbered(number, 160)).unwrap();
    }
    until("the last words arrive", async || {
        two.echo.heard().iter().any(|heard| number(heard) > WORDS - 5)
    })
    .await;
    let heard = two.echo.heard();
    let mut numbers: Vec<u32> = heard.iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), heard.len(), "a word came twice");
    let missing = u64::from(WORDS) - u64::try_from(heard.len()).unwrap();
    let lost = uplink.counts().outbound.lost_packets - lost_before;
    assert!((1..=WORDS as u64 / 25).contains(&missing), "{missing} of {WORDS} are missing");
    // The last few may still be under way.
    assert!(missing <= lost + 4, "{missing} missing, {lost} lost in the sky");
    for heard in &heard {
        let age = heard.at - sent_at[number(heard) as usize];
        assert!(age >= rtt / 2 && age < rtt + rtt / 2, "a word is {age:?} old");
    }
}
