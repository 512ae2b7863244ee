//! Two whole exchanges, with telephones that speak SIP over real sockets.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::device::{Device, Hash, field, ha1};
use super::*;
use crate::exchange::{Dial, Exchange, ExchangeParts, Group, Led, News, Origin, RoomCall, Route};
use crate::sip::{Account, Accounts, Algorithm, Sip, SipConfig, SipLimits};
use crate::voice::relay::{Relay, RelayConfig};

struct House {
    sip: Sip,
    exchange: Exchange,
    news: mpsc::Receiver<News>,
    rooms: mpsc::Receiver<RoomCall>,
    _accounts: watch::Sender<Arc<Accounts>>,
}

/// 5xxx lives at R1, 6xxx at R2; 7001 leads a far caller on to a third site, 500 to
/// a room.
fn router(me: &'static str) -> crate::exchange::Router {
    Arc::new(move |origin, dialled| {
        let at = match dialled.as_bytes().first() {
            Some(b'5') if me == "R2" => Some("R1"),
            Some(b'6') if me == "R1" => Some("R2"),
            Some(b'7') => Some("R3"),
            _ => None,
        };
        if dialled == "500" {
            return Ok(Led::Room { number: dialled.into() });
        }
        let caller = match origin {
            Origin::Here { .. } => None,
            Origin::Site { node: HERE, number } if number.starts_with('5') => Some("R1"),
            Origin::Site { .. } => {
                return Err(Declined { code: 403, words: "not its own".into() });
            }
        };
        let site = |site: &str| SiteId::new(site).unwrap();
        let numbers = vec![Dial { number: dialled.into(), dial: None, at: at.map(site) }];
        let route = Route { groups: vec![Group { numbers, ring_ms: 30_000 }], emergency: false };
        Ok(Led::Call { route, from_name: String::new(), at: caller.map(site) })
    })
}

async fn house(
    me: &'static str,
    numbers: &[&str],
    town: &mut Town,
    range: std::ops::RangeInclusive<u16>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
    far: bool,
) -> House {
    let account = |number: &&str| {
        let (md5, sha256) = ha1(number, "weir", &format!("secret-{number}"));
        ((*number).to_owned(), Account { md5, sha256 })
    };
    let by_number = numbers.iter().map(account).collect();
    let (kept, accounts) = watch::channel(Arc::new(Accounts { by_number }));
    let config = SipConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        realm: "weir".into(),
        algorithms: Algorithm::ALL.to_vec(),
        emergency: Vec::new(),
        limits: SipLimits::default(),
    };
    let (arriving, arrivals) = mpsc::channel(16);
    let sip = Sip::start(config, accounts, Vec::new(), arriving, tasks, stop.clone());
    let sip = sip.await.unwrap();
    let (hears, heard) = mpsc::channel(64);
    let relay = Relay::start(ports(range), RelayConfig::default(), hears, tasks, stop.clone());
    let (news_in, news) = mpsc::channel(64);
    let (enter, rooms) = mpsc::channel(4);
    let parts = ExchangeParts {
        sip: sip.clone(),
        relay: relay.unwrap(),
        heard,
        arrivals,
        between: far.then(|| town.between.clone()),
        far: town.arrivals.take().unwrap(),
        rooms: enter,
        router: router(me),
        news: news_in,
    };
    let exchange = Exchange::start(parts, tasks, stop.clone());
    House { sip, exchange, news, rooms, _accounts: kept }
}

/// Both sites, and a telephone at each: 5001 and 6001, which is registered.
struct Country {
    land: Land,
    here: House,
    there: House,
    a: Device,
    b: Device,
}

impl Country {
    async fn new(first: u16, far: bool) -> Self {
        let mut land = Land::new(first);
        let both = (&land.tasks.clone(), &land.stop.clone());
        let range = first + 2_400..=first + 2_499;
        let here = house("R1", &["5001"], &mut land.here, range, both, far).await;
        let range = first + 2_500..=first + 2_599;
        let there = house("R2", &["6001"], &mut land.there, range, both, true).await;
        let a = Device::udp(here.sip.local(), "5001").await;
        let mut b = Device::udp(there.sip.local(), "6001").await;
        b.register_well().await;
        land.until("registered", || there.sip.registered("6001")).await;
        Self { land, here, there, a, b }
    }

    /// A's INVITE, as it was sent.
    async fn dials(&mut self, to: &str) -> String {
        let phone = &mut self.a;
        let nonce = phone.challenge("INVITE", Hash::Md5).await;
        let (contact, auth) =
            (phone.contact(), phone.authorization("INVITE", Hash::Md5, &nonce, "00000001"));
        let offer = said(1, "8 0 101", "sendrecv");
        let text = phone.request("INVITE", &[&contact, &auth]);
        let text = text
            .replace("INVITE sip:weir ", &format!("INVITE sip:{to}@weir "))
            .replace("To: <sip:5001@weir>", &format!("To: <sip:{to}@weir>"))
            .replace(
                "Content-Length: 0\r\n\r\n",
                &format!(
                    "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
                    offer.len()
                ),
            );
        phone.send(text.as_bytes()).await;
        text
    }

    fn within(&mut self, invite: &str, ok: &str, method: &str, more: u32, body: &str) -> String {
        let phone = &mut self.a;
        let (via, from, to) = (phone.via(), field(invite, "From"), field(ok, "To"));
        let (call_id, contact) = (field(invite, "Call-ID"), phone.contact());
        let cseq: u32 = field(invite, "CSeq").split(' ').next().unwrap().parse().unwrap();
        let cseq = cseq + more;
        format!(
            "{method} sip:6001@weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// The invitation at B, its 200, A's INVITE and the 200 that A got.
    async fn talks(&mut self) -> (String, String, String) {
        let invite = self.dials("6001").await;
        let rings = self.b.expect("INVITE").await;
        self.b.answer(&rings, "180 Ringing", "bee", "").await;
        self.a.expect("SIP/2.0 180").await;
        self.answers(&rings, &said(2, "8 101", "sendrecv")).await;
        let ok = self.a.expect("SIP/2.0 200").await;
        let ack = self.within(&invite, &ok, "ACK", 0, "");
        self.a.send(ack.as_bytes()).await;
        self.b.expect("ACK").await;
        (rings, invite, ok)
    }

    async fn answers(&mut self, request: &str, sdp: &str) {
        // With a type, so that it is read.
        let via: Vec<String> = ["Via", "From", "To", "Call-ID", "CSeq"]
            .iter()
            .map(|name| {
                let tag = if *name == "To" && !field(request, name).contains("tag=") {
                    ";tag=bee"
                } else {
                    ""
                };
                format!("{name}: {}{tag}\r\n", field(request, name))
            })
            .collect();
        let text = format!(
            "SIP/2.0 200 OK\r\n{}{}\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            via.concat(),
            self.b.contact(),
            sdp.len()
        );
        self.b.send(text.as_bytes()).await;
    }
}

fn sound(message: &str) -> sdp::Audio {
    let body = message.split("\r\n\r\n").nth(1).unwrap();
    sdp::read(body).unwrap().audio
}

fn port_in(address: SocketAddr, range: std::ops::Range<u16>) -> bool {
    range.contains(&address.port())
}

#[tokio::test]
async fn telephones_of_two_sites_talk_hold_and_hang_up() {
    let mut country = Country::new(44_000, true).await;
    let (rings, invite, ok) = country.talks().await;
    assert!(field(&rings, "From").contains("5001"), "{rings}");
    // Each hears the relay of its own site.
    assert!(port_in(sound(&rings).rtp, 46_500..46_600), "{rings}");
    assert!(port_in(sound(&ok).rtp, 46_400..46_500), "{ok}");
    let (one, other) = (country.here.exchange.calls(), country.there.exchange.calls());
    assert_eq!(one[0].at.as_ref().map(SiteId::as_str), Some("R2"));
    assert_eq!(other[0].at.as_ref().map(SiteId::as_str), Some("R1"));
    assert_eq!(one[0].by.as_deref(), Some("6001"));
    let hold = country.within(&invite, &ok, "INVITE", 1, &said(1, "8 101", "sendonly"));
    country.a.send(hold.as_bytes()).await;
    let held = country.b.expect("INVITE").await;
    assert_eq!(sound(&held).direction, Direction::SendOnly);
    country.answers(&held, &said(2, "8 101", "recvonly")).await;
    let agreed = country.a.expect("SIP/2.0 200").await;
    assert_eq!(sound(&agreed).direction, Direction::RecvOnly);
    let state = |house: &House| house.exchange.calls()[0].state;
    assert_eq!(state(&country.here), crate::exchange::CallState::Held);
    assert_eq!(state(&country.there), crate::exchange::CallState::Held);
    let bye = country.within(&invite, &ok, "BYE", 2, "");
    country.a.send(bye.as_bytes()).await;
    country.a.expect("SIP/2.0 200").await;
    let bye = country.b.expect("BYE").await;
    country.b.answer(&bye, "200 OK", "", "").await;
    let Country { land, here, there, .. } = country;
    land.until("over", || here.exchange.calls().is_empty() && there.exchange.calls().is_empty())
        .await;
    land.until_empty().await;
    for mut house in [here, there] {
        let facts: Vec<News> = std::iter::from_fn(|| house.news.try_recv().ok()).collect();
        assert_eq!(facts.len(), 3, "{facts:?}");
        assert!(facts.iter().all(|one| one.from == "5001" && one.dialled == "6001"));
    }
    land.close().await;
}

#[tokio::test]
async fn a_busy_telephone_at_the_other_site_is_busy_here() {
    let mut country = Country::new(47_000, true).await;
    country.dials("6001").await;
    let rings = country.b.expect("INVITE").await;
    country.b.answer(&rings, "486 Busy Here", "bee", "").await;
    country.a.expect("SIP/2.0 486").await;
    country.land.until_empty().await;
    country.land.close().await;
}

#[tokio::test]
async fn a_stream_that_breaks_under_a_call_is_not_noticed() {
    let mut country = Country::new(50_000, true).await;
    let (_, invite, ok) = country.talks().await;
    country.land.net.breaks();
    let hold = country.within(&invite, &ok, "INVITE", 1, &said(1, "8 101", "sendonly"));
    country.a.send(hold.as_bytes()).await;
    let held = country.b.expect("INVITE").await;
    assert_eq!(sound(&held).direction, Direction::SendOnly);
    country.answers(&held, &said(2, "8 101", "recvonly")).await;
    country.a.expect("SIP/2.0 200").await;
    country.land.close().await;
}

#[tokio::test]
async fn where_nobody_leads_a_call() {
    let mut country = Country::new(53_000, true).await;
    // Nobody lives at R3.
    country.dials("7001").await;
    country.a.expect("SIP/2.0 480").await;
    // A room, which has the caller as it came.
    country.dials("500").await;
    let room = timeout(WITHIN, country.here.rooms.recv()).await.unwrap().unwrap();
    assert_eq!((room.number.as_str(), room.incoming.from.as_str()), ("500", "5001"));
    room.incoming.call.refuse(486, "x").await;
    country.a.expect("SIP/2.0 486").await;
    // Another site's caller goes on to no third one, and as nobody else.
    for (from, to, code) in [("5001", "7001", 482), ("4001", "6001", 403), ("5001", "500", 403)] {
        let call = Outgoing {
            to: to.into(),
            from: from.into(),
            ..outgoing("R2", &said(1, "8", "sendrecv"))
        };
        let mut call = country.land.here.between.call(call).unwrap();
        assert_eq!(next(&mut call).await, Some(CallEvent::Trying));
        match next(&mut call).await {
            Some(CallEvent::Refused { code: told, reason }) => {
                assert_eq!(told, code);
                assert!(!reason.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    country.land.close().await;
}

#[tokio::test]
async fn a_node_without_other_sites_says_so() {
    let mut country = Country::new(56_000, false).await;
    country.dials("6001").await;
    country.a.expect("SIP/2.0 480").await;
    country.land.close().await;
}
