//! What other sites may say, and may not.

use proptest::prelude::*;
use weir_signaling::focus::{Focus, Input};

use super::super::wire::{self, Answer, Member, Open, Request};
use super::*;

fn open(root: &str, room: u64) -> Request {
    Request::Open(Box::new(Open {
        room,
        number: ROOM.into(),
        title: "会商".into(),
        root: site(root),
        members: vec![Member::of(&person("R1", "wang", &["5101"]))],
        chair: None,
        confirm: Some('1'),
        open: true,
        from: ROOM.into(),
        from_name: "会商".into(),
        rings_ms: 0,
        lasts_ms: 60_000,
    }))
}

fn tell(from: &str, ended: bool) -> Request {
    let setup = Setup {
        room: 7,
        site: site(from),
        place: Place::Root { branches: [site("R1"), site("HQ")].into() },
        members: Vec::new(),
        rings: true,
        chair: None,
        confirm: None,
        min_join: 0,
        min_by_ms: 0,
        open: false,
        limits: limits(),
    };
    let mut focus = Focus::new(setup, 0);
    if ended {
        focus.step(0, Input::Order { order: Order::End, rank: 9 });
    }
    Request::Tell(Box::new(wire::Picture::of(focus.picture(&site("R1")))))
}

async fn ask(at: &Site, from: &str, request: &Request) -> Answer {
    let body = request.bytes().unwrap().into();
    let answer = at.conferences.asked(node(&site(from)), site(from), body).await;
    Answer::read(&answer).unwrap()
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { .. })
}

#[tokio::test]
async fn a_site_speaks_for_itself_only() {
    let r1 = Site::open("R1", &[], &Net::default()).await;
    assert_eq!(ask(&r1, "HQ", &tell("HQ", true)).await, Answer::Unknown);
    assert!(is_refused(&ask(&r1, "X", &open("HQ", 7)).await), "X opens in HQ's name");
    assert!(is_refused(&ask(&r1, "R1", &open("R1", 7)).await), "opens in our own name");
    assert!(r1.view().is_none());
    assert_eq!(ask(&r1, "HQ", &open("HQ", 7)).await, Answer::Done);
    until("open", || r1.view().is_some()).await;
    assert_eq!(ask(&r1, "HQ", &open("HQ", 7)).await, Answer::Done, "again is the same");
    // Not before the link is known here, so that nothing is lost.
    assert!(is_refused(&ask(&r1, "HQ", &tell("HQ", true)).await));
    r1.conferences.linked(&site("HQ"), true);
    r1.conferences.linked(&site("X"), true);
    for request in [tell("X", true), open("X", 7), Request::Trunk { room: 7, channel: 3 }] {
        assert!(is_refused(&ask(&r1, "X", &request).await), "{request:?}");
    }
    assert!(is_refused(&ask(&r1, "X", &tell("HQ", true)).await), "X ends in HQ's name");
    // A branch is asked for no trunk, not even by its root.
    assert!(is_refused(&ask(&r1, "HQ", &Request::Trunk { room: 7, channel: 3 }).await));
    assert_eq!(r1.view().unwrap().members.len(), 1);
    assert_eq!(ask(&r1, "HQ", &tell("HQ", true)).await, Answer::Done);
    until("ended", || r1.view().is_none()).await;
    r1.close().await;
}

#[tokio::test]
async fn a_root_takes_no_order_to_be_a_branch() {
    let hq = Site::open("HQ", &[], &Net::default()).await;
    hq.hold(order(vec![person("R1", "wang", &[])])).await;
    hq.conferences.linked(&site("R1"), true);
    assert!(is_refused(&ask(&hq, "R1", &open("R1", 7)).await));
    assert!(is_refused(&ask(&hq, "X", &tell("X", true)).await));
    let trunk = Request::Trunk { room: 7, channel: 3 };
    assert!(is_refused(&ask(&hq, "X", &trunk).await));
    let Answer::Trunk { .. } = ask(&hq, "R1", &trunk).await else { panic!("no trunk") };
    until("a trunk", || hq.view().unwrap().trunks.len() == 1).await;
    let closed = |channel| Request::TrunkClosed { room: 7, channel };
    assert_eq!(ask(&hq, "R1", &closed(4)).await, Answer::Done, "of another trunk");
    assert_eq!(hq.view().unwrap().trunks.len(), 1);
    assert_eq!(ask(&hq, "R1", &closed(3)).await, Answer::Done);
    until("no trunk", || hq.view().unwrap().trunks.is_empty()).await;
    hq.close().await;
}

#[test]
fn more_than_a_conference_may_have_is_refused() {
    let Request::Open(fits) = open("HQ", 7) else { panic!() };
    let member = fits.members[0].clone();
    let long = "x".repeat(300);
    let breaks: [Open; 4] = [
        Open { members: vec![member.clone(); MEMBERS_MAX + 1], ..(*fits).clone() },
        Open { title: long.clone(), ..(*fits).clone() },
        Open { chair: Some(long.clone()), ..(*fits).clone() },
        Open {
            members: vec![Member { dials: vec![("1".into(), None); 5], ..member }],
            ..(*fits).clone()
        },
    ];
    assert!(Request::read(&Request::Open(fits).bytes().unwrap()).is_ok());
    for open in breaks {
        assert!(Request::read(&Request::Open(Box::new(open)).bytes().unwrap()).is_err());
    }
    let redial = Request::Order { room: 7, order: wire::Order::Redial(long), rank: 1 };
    assert!(Request::read(&redial.bytes().unwrap()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes: Vec<u8>, kind in 65..67_u8) {
        let _ = Request::read(&bytes);
        let _ = Answer::read(&bytes);
        bytes.splice(0..0, [kind, 1]);
        if let Ok(request) = Request::read(&bytes) {
            prop_assert_eq!(Request::read(&request.bytes().unwrap()).unwrap(), request);
        }
        let _ = Answer::read(&bytes);
    }

    /// One byte of a good request is another.
    #[test]
    fn a_broken_request_is_read_as_it_is_or_not_at_all(
        which in 0..3_usize, at in 0..400_usize, byte: u8, cut in 0..400_usize,
    ) {
        let good = [open("HQ", 7), tell("HQ", false), Request::Trunk { room: 7, channel: 3 }];
        let mut bytes = good[which].bytes().unwrap();
        prop_assert_eq!(&Request::read(&bytes).unwrap(), &good[which]);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Request::read(&bytes);
        bytes.truncate(cut);
        let _ = Request::read(&bytes);
    }
}
