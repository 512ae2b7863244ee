//! How many there may be, and that nothing stays behind.

use super::*;
use crate::voice::mixer::Line;

fn line() -> Line {
    let (says, _) = mpsc::channel(1);
    let (_, hears) = mpsc::channel(1);
    Line { says, hears }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn a_thousand_calls_leave_nothing_behind() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let [one, _] = &sites.trunks;
    drop(one.open(NODES[1]).unwrap());
    until("closed", || one.stats().trunks == 0).await;
    let files = open_files();
    let mut channels = std::collections::BTreeSet::new();
    for round in 0..20 {
        let open: Vec<Trunk> = (0..50).map(|_| one.open(NODES[1]).unwrap()).collect();
        for trunk in &open {
            assert!(channels.insert(trunk.channel()), "channels rest for a while");
            let towards = SocketAddr::new(host(), 9);
            trunk.join(7, PCMA, (round % 2 == 0).then_some(towards));
        }
        drop(open);
        until("closed", || one.stats().trunks == 0).await;
    }
    assert_eq!(channels.len(), 1_000);
    assert_eq!(open_files(), files);
    assert_eq!(one.stats().peers, 1, "it is remembered for a minute");
    sites.end().await;
}

#[tokio::test]
async fn too_many_are_refused() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let [one, _] = &sites.trunks;
    let open = |peer: NodeId| one.open_line(peer, line());
    let mut kept: Vec<Trunk> = (0..256).map(|_| open(NodeId(2)).unwrap()).collect();
    assert!(matches!(open(NodeId(2)), Err(TrunkError::PeerFull(256))));
    kept.extend((0..256).map(|_| open(NodeId(3)).unwrap()));
    assert!(matches!(open(NodeId(4)), Err(TrunkError::Full(512))));
    assert_eq!(one.stats().trunks, 512);
    kept.truncate(511);
    until("one is free", || one.stats().trunks == 511).await;
    kept.push(open(NodeId(4)).unwrap());
    drop(kept);
    sites.end().await;
}

/// No port is left: what was taken for the trunk is given back.
#[tokio::test]
async fn without_ports_nothing_is_kept() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ports = Ports::new(host(), &(50_002..=50_005)).unwrap();
    let one = Trunks::start(ports, Arc::new(|_, _| true), &tasks, stop.clone()).unwrap();
    let kept = [one.open(NODES[1]).unwrap(), one.open(NODES[1]).unwrap()];
    assert!(matches!(one.open(NODES[1]), Err(TrunkError::Ports(_))));
    assert_eq!(one.stats().trunks, 2);
    drop(kept);
    until("closed", || one.stats().trunks == 0).await;
    drop(one.open(NODES[1]).unwrap());
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn after_the_stop_nothing_is_opened_and_nothing_breaks() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let call = sites.call([PCMA, PCMA]);
    let one = sites.trunks[0].clone();
    sites.end().await;
    assert!(matches!(one.open(NODES[1]), Err(TrunkError::Stopped)));
    one.received(NODES[1], Bytes::from_static(b"late"));
    one.set_path(NODES[1], SATELLITE);
    call.join(0, PCMA, true);
    assert_eq!(one.stats().trunks, 0);
}
