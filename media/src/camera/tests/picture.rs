//! Getting at a picture, or being told why not.

use super::*;

/// NAL unit types, by a reading of our own.
fn kinds(bytes: &[u8]) -> Vec<u8> {
    let starts = bytes.windows(4).enumerate().filter(|(_, four)| four[..3] == [0, 0, 1]);
    starts.map(|(at, _)| bytes[at + 3] & 0x1f).collect()
}

/// A camera that tells its parameter sets once, behind a digest, as most do.
#[tokio::test(flavor = "multi_thread")]
async fn the_camera_s_picture_arrives_whole_and_in_time() {
    let fake =
        Fake::start(0, &["--user", "site", "--password", "water-4711", "--digest", "--sets-once"]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let units = units(&mut camera.subscribe(), 1, 60).await;
    playing(&camera).await;
    assert_eq!(kinds(&units[0].bytes)[..2], [7, 8]);
    for unit in &units {
        assert_eq!(unit.rung, Rung::ORIGINAL);
        assert_eq!(kinds(&unit.bytes).contains(&5), unit.kind == UnitKind::Key);
        assert_eq!(kinds(&unit.bytes).contains(&7), unit.kind == UnitKind::Key);
    }
    let seen = seen(&units);
    assert_eq!(seen.width, 640);
    let counters = seen.counters();
    assert!(counters.windows(2).all(|two| two[0] + 1 == two[1]), "{counters:?}");
    let drawn = fake.said("frame");
    let late = counters.iter().zip(&units).map(|(counter, unit)| {
        let frame = drawn.iter().find(|frame| frame["frame"] == *counter).unwrap();
        unit.taken_ms as i64 - frame["at_ms"].as_i64().unwrap()
    });
    let late: Vec<i64> = late.collect();
    assert!(late.iter().all(|ms| (-20..250).contains(ms)), "{late:?}");
    assert!(camera.age_of_last_frame().unwrap() < Duration::from_secs(1));
    let status = status(&camera, |status| status.source_bps > 0).await;
    assert!((1_000_000..3_500_000).contains(&status.source_bps), "{status:?}");
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_and_not_tried_over_and_over() {
    let fake = Fake::start(0, &["--user", "site", "--password", "another"]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let status = status(&camera, |status| status.state == State::Unauthorized).await;
    assert!(status.said().en.contains("name or password"), "{status:?}");
    assert_eq!(camera.age_of_last_frame(), None);
    // Where the process list and the log would show it, it is not.
    let pid = status.pid.unwrap();
    for place in ["cmdline", "environ"] {
        let shown = std::fs::read(format!("/proc/{pid}/{place}")).unwrap();
        assert!(!String::from_utf8_lossy(&shown).contains("water-4711"));
    }
    assert!(!format!("{:?} {status:?}", node.config(1)).contains("water-4711"));
    // A camera locks the account after a handful.
    let mut watched = camera.watch_status();
    for _ in 0..3 {
        within(watched.changed()).await.unwrap();
    }
    assert!(fake.said("refused").len() <= 3, "{:?}", fake.said("refused"));
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_and_an_empty_address_are_told_apart() {
    let fake = Fake::start(0, &["--path", "/elsewhere"]);
    let node = Node::new();
    let (camera, nobody) = (node.camera(fake.port), node.camera(9));
    let found = status(&camera, |status| status.state == State::NoStream).await;
    assert!(found.said().zh.contains("路径"));
    status(&nobody, |status| status.state == State::Unreachable).await;
    let mut config = node.config(fake.port);
    config.url = "rtsp://site:water@10.0.0.9/live".into();
    assert!(matches!(Camera::start(config, &node.tasks, &node.stop), Err(CameraError::Url)));
    node.close().await;
}
