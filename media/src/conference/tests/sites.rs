//! Two sites and a link that is cut.

use super::*;

const LI: f64 = 440.0;
const WANG: f64 = 700.0;
const ZHAO: f64 = 1_000.0;

/// Li at HQ; wang and zhao at R1.
fn members() -> Vec<Invited> {
    vec![
        person("HQ", "li", &["5001"]),
        person("R1", "wang", &["5101"]),
        person("R1", "zhao", &["5102"]),
    ]
}

struct Two {
    net: Net,
    hq: Site,
    r1: Site,
    li: Phone,
    wang: Phone,
    zhao: Phone,
}

async fn two() -> Two {
    let net = Net::default();
    let hq = Site::open("HQ", &["5001", "5002"], &net).await;
    let r1 = Site::open("R1", &["5101", "5102"], &net).await;
    let li = hq.phone("5001", LI).await;
    let wang = r1.phone("5101", WANG).await;
    let zhao = r1.phone("5102", ZHAO).await;
    Two { net, hq, r1, li, wang, zhao }
}

impl Two {
    async fn one_room(&self) {
        until("everybody hears all others", || {
            self.li.hears(&[WANG, ZHAO])
                && self.wang.hears(&[LI, ZHAO])
                && self.zhao.hears(&[LI, WANG])
                && self.li.misses(&[LI])
                && self.wang.misses(&[WANG])
        })
        .await;
    }

    fn rung(&self) -> u32 {
        [&self.li, &self.wang, &self.zhao].iter().map(|phone| phone.seen().rung).sum()
    }

    async fn close(self) {
        self.hq.close().await;
        self.r1.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sites_are_one_room_go_on_apart_and_are_one_again() {
    let mut two = two().await;
    two.net.link(true);
    two.hq.hold(ConferenceOrder { min_join: 3, min_by_ms: 20_000, ..order(members()) }).await;
    two.one_room().await;
    assert_eq!(two.hq.view().unwrap().joined, 3);
    let reports = [two.hq.told.recv().await, two.hq.told.recv().await];
    assert!(reports.contains(&Some(Report::Reached { joined: 3 })), "{reports:?}");
    until("the trunk is shown", || {
        let view = two.r1.view().unwrap();
        view.trunks.iter().any(|trunk| trunk.open && trunk.heard_ago.is_some())
    })
    .await;

    two.net.link(false);
    until("apart", || two.li.misses(&[WANG, ZHAO]) && two.wang.misses(&[LI])).await;
    until("they go on", || two.wang.hears(&[ZHAO]) && two.zhao.hears(&[WANG])).await;
    assert_eq!(two.hq.view().unwrap().missing, [site("R1")].into());
    assert_eq!(two.r1.view().unwrap().missing, [site("HQ")].into());
    // An order of the cut site holds when it is back.
    two.r1.conferences.order(7, Order::Mute { who: "zhao".into(), mute: true }, 1);
    until("zhao is mute", || two.wang.misses(&[ZHAO])).await;

    two.net.link(true);
    until("one again", || two.li.hears(&[WANG]) && two.wang.hears(&[LI])).await;
    until("the order holds", || two.hq.member("zhao").muted && two.li.misses(&[ZHAO])).await;
    two.hq.conferences.order(7, Order::Mute { who: "zhao".into(), mute: false }, 1);
    two.one_room().await;
    assert_eq!(two.rung(), 3, "somebody was rung twice");

    two.hq.conferences.order(7, Order::End, 1);
    until("over everywhere", || two.hq.view().is_none() && two.r1.view().is_none()).await;
    until("all are hung up", || !two.wang.seen().talks && !two.li.seen().talks).await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_hears_of_it_too_late_rings_nobody() {
    let two = two().await;
    two.net.link(false);
    let ring_within = Duration::from_millis(300);
    two.hq.hold(ConferenceOrder { ring_within, ..order(members()) }).await;
    until("li waits alone", || two.hq.state("li") == State::Joined).await;
    let opened = std::time::Instant::now();
    until("the window is over", || opened.elapsed() > ring_within).await;
    assert_eq!(two.hq.state("wang"), State::Invited);
    two.net.link(true);
    until("R1 takes part", || two.r1.view().is_some()).await;
    assert_eq!(two.r1.state("wang"), State::Invited);
    // Wang calls in, zhao is asked for by a person at the root.
    two.wang.call(ROOM).await;
    until("wang is in", || two.li.hears(&[WANG])).await;
    assert_eq!((two.wang.seen().rung, two.zhao.seen().rung), (0, 0), "rung too late");
    two.hq.conferences.order(7, Order::Redial { who: "zhao".into() }, 1);
    two.one_room().await;
    assert_eq!((two.wang.seen().rung, two.zhao.seen().rung), (0, 1));
    two.close().await;
}

/// A guest of a site that had no part so far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_taken_in_with_its_first_guest() {
    let two = two().await;
    two.net.link(true);
    two.hq.hold(order(members()[..1].to_vec())).await;
    until("li is in", || two.hq.state("li") == State::Joined).await;
    assert!(two.r1.view().is_none());
    two.hq.conferences.order(7, Order::Invite(person("R1", "wang", &["5101"])), 1);
    until("they talk", || two.li.hears(&[WANG]) && two.wang.hears(&[LI])).await;
    assert_eq!(two.wang.seen().rung, 1);
    // The branch invites somebody of the root.
    let guest = two.hq.phone("5002", ZHAO).await;
    two.r1.conferences.order(7, Order::Invite(person("HQ", "sun", &["5002"])), 1);
    until("all talk", || guest.hears(&[LI, WANG]) && two.wang.hears(&[ZHAO])).await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_missed_the_end_is_told_when_it_is_back() {
    let two = two().await;
    two.net.link(true);
    two.hq.hold(order(members())).await;
    two.one_room().await;
    two.net.link(false);
    two.hq.conferences.order(7, Order::End, 1);
    until("over at the root", || two.hq.view().is_none()).await;
    assert_eq!(two.r1.view().unwrap().joined, 2);
    two.net.link(true);
    until("over at the branch", || two.r1.view().is_none() && !two.wang.seen().talks).await;
    two.close().await;
}

/// The other way round: the branch ended it while it was cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_missed_the_end_is_told_when_it_is_back() {
    let two = two().await;
    two.net.link(true);
    two.hq.hold(order(members())).await;
    two.one_room().await;
    two.net.link(false);
    two.r1.conferences.order(7, Order::End, 1);
    until("over at the branch", || two.r1.view().is_none()).await;
    assert!(two.hq.view().is_some());
    two.net.link(true);
    until("over at the root", || two.hq.view().is_none() && !two.li.seen().talks).await;
    assert_eq!(two.rung(), 3);
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_whose_root_has_forgotten_it_goes_on_until_it_is_empty() {
    let two = two().await;
    two.net.link(true);
    two.hq.hold(order(members())).await;
    two.one_room().await;
    // The root's node is another one afterwards.
    two.net.link(false);
    until("cut", || two.wang.misses(&[LI])).await;
    let Two { net, hq, r1, li, wang, zhao } = two;
    hq.close().await;
    drop(li);
    let hq = Site::open("HQ", &["5001"], &net).await;
    net.link(true);
    until("the branch knows", || r1.view().is_some_and(|view| view.orphaned)).await;
    until("they go on", || wang.hears(&[ZHAO]) && zhao.hears(&[WANG])).await;
    assert_eq!(r1.view().unwrap().missing, [site("HQ")].into());
    wang.hang_up().await;
    zhao.hang_up().await;
    until("it ends by itself", || r1.view().is_none()).await;
    hq.close().await;
    r1.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_began_anew_is_taken_in_again() {
    let two = two().await;
    two.net.link(true);
    two.hq.hold(order(members())).await;
    two.one_room().await;
    let Two { net, hq, r1, li, .. } = two;
    net.link(false);
    r1.close().await;
    until("apart", || li.misses(&[WANG])).await;
    let r1 = Site::open("R1", &["5101", "5102"], &net).await;
    let wang = r1.phone("5101", WANG).await;
    net.link(true);
    until("wang is rung and in again", || li.hears(&[WANG]) && wang.hears(&[LI])).await;
    hq.close().await;
    r1.close().await;
}
