//! Things that go away: the worker, the camera, the node's wish for it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_dies_and_who_watches_sees_the_picture_go_on() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let mut viewer = camera.subscribe();
    let before = units(&mut viewer, 1, 10).await;
    let pid = camera.status().pid.unwrap();
    let killed = Instant::now();
    kill(pid, "-KILL");
    status(&camera, |status| status.restarts == 1).await;
    let mut after = units(&mut viewer, 1, 1).await;
    while after[0].taken_ns < before[9].taken_ns + 300_000_000 {
        after = units(&mut viewer, 1, 1).await;
    }
    let dark = killed.elapsed();
    println!("back after {dark:?}");
    assert!(dark < PICTURE, "{dark:?}");
    after.extend(units_that_follow(&mut viewer, 10).await);
    let counters: Vec<u64> = [seen(&before).counters(), seen(&after).counters()].concat();
    assert!(rises(&counters), "{counters:?}");
    assert_ne!(status(&camera, |status| status.pid.is_some()).await.pid, Some(pid));
    node.close().await;
}

async fn units_that_follow(viewer: &mut Viewer, count: usize) -> Vec<Arc<Unit>> {
    let mut units = Vec::new();
    while units.len() < count {
        units.push(within(viewer.next()).await.unwrap());
    }
    units
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_without_power_is_lost_and_comes_back_by_itself() {
    let fake = Fake::start(0, &[]);
    let port = fake.port;
    let node = Node::new();
    let camera = node.camera(port);
    let mut viewer = camera.subscribe();
    let before = units(&mut viewer, 1, 5).await;
    drop(fake);
    let lost = status(&camera, |status| status.state == State::Lost).await;
    assert!(lost.said().en.contains("power"));
    let fake = Fake::start(port, &[]);
    let returned = Instant::now();
    playing(&camera).await;
    let mut unit = within(viewer.next()).await.unwrap();
    while unit.kind != UnitKind::Key {
        unit = within(viewer.next()).await.unwrap();
    }
    println!("picture {:?} after the camera", returned.elapsed());
    assert!(returned.elapsed() < Duration::from_secs(15), "{:?}", returned.elapsed());
    assert!(unit.taken_ns > before[4].taken_ns);
    assert_eq!(camera.status().restarts, 0);
    drop(fake);
    node.close().await;
}

/// Its plug is in, its network up, and nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_hangs_is_lost_within_its_patience() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let mut config = node.config(fake.port);
    config.rung = Rung::p180(60);
    let camera = node.start(config);
    let mut viewer = camera.subscribe();
    units(&mut viewer, 1, 3).await;
    fake.signal("-STOP");
    let hung = Instant::now();
    status(&camera, |status| status.state == State::Lost).await;
    assert!(hung.elapsed() < Duration::from_secs(3), "{:?}", hung.elapsed());
    fake.signal("-CONT");
    playing(&camera).await;
    let unit = within(viewer.next()).await.unwrap();
    assert_eq!(unit.rung, Rung::p180(60));
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_leaves_no_process_and_bids_the_camera_farewell() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let mut viewer = camera.subscribe();
    units(&mut viewer, 1, 1).await;
    let pid = camera.status().pid.unwrap();
    let began = Instant::now();
    drop(camera);
    while within(viewer.next()).await.is_some() {}
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    within(async {
        while fake.said("gone").is_empty() {
            tick.tick().await;
        }
    })
    .await;
    node.close().await;
}

/// What is not a worker of ours is ended, not believed and not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_talks_nonsense_or_nothing_is_replaced() {
    let node = Node::new();
    let with = |program: &str, args: &[&str]| {
        let mut config = node.config(9);
        config.worker.program = program.into();
        config.worker.args = args.iter().map(std::ffi::OsString::from).collect();
        node.start(config)
    };
    let (babbles, hangs, lacks) = (with("yes", &[]), with("sleep", &["60"]), with("/none", &[]));
    status(&babbles, |status| status.restarts >= 2 && status.why.contains("no frame")).await;
    status(&lacks, |status| status.restarts >= 1).await;
    let hung = status(&hangs, |status| status.restarts >= 1).await;
    assert!(hung.why.contains("says nothing"), "{hung:?}");
    node.close().await;
}
