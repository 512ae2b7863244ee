//! Down the ladder and up again while the camera runs.

use super::*;

/// Bits a second of these pictures, by their own clock; the first counts with
/// its time only.
fn bps(units: &[Arc<Unit>]) -> u64 {
    let bits: usize = units.iter().skip(1).map(|unit| unit.bytes.len() * 8).sum();
    let ns = units.last().unwrap().taken_ns - units[0].taken_ns;
    (bits as u128 * 1_000_000_000 / u128::from(ns)) as u64
}

/// Turns to a rung and says what came of it: so many pictures.
async fn turn(camera: &Camera, viewer: &mut Viewer, rung: Rung, count: usize) -> Vec<Arc<Unit>> {
    let wished = Instant::now();
    let order = camera.rung(rung);
    let mut first = Vec::new();
    while first.is_empty() {
        first.extend(within(viewer.next()).await.filter(|unit| unit.order == order));
    }
    assert!(wished.elapsed() < PICTURE, "{rung:?} after {:?}", wished.elapsed());
    println!("{rung:?} after {:?}", wished.elapsed());
    assert_eq!(first[0].rung, rung);
    if first[0].kind == UnitKind::Delta {
        // Another bit rate alone goes on where it was; to be decoded by itself it
        // has to begin anew.
        camera.key();
        while first[0].kind != UnitKind::Key {
            first = vec![within(viewer.next()).await.unwrap()];
        }
    }
    while first.len() < count {
        first.push(within(viewer.next()).await.unwrap());
    }
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_gets_smaller_as_asked_and_whole_again() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let mut viewer = camera.subscribe();
    let original = units(&mut viewer, 1, 15).await;
    let medium = turn(&camera, &mut viewer, Rung::p360(400), 30).await;
    let thin = turn(&camera, &mut viewer, Rung::p360(150), 30).await;
    let tiny = turn(&camera, &mut viewer, Rung::p180(60), 8).await;
    let again = turn(&camera, &mut viewer, Rung::ORIGINAL, 5).await;
    let rates = [bps(&medium), bps(&thin), bps(&tiny)];
    println!("{} {rates:?}", bps(&original));
    assert!(rates[0] < 500_000 && rates[1] < 200_000 && rates[2] < 80_000, "{rates:?}");
    assert!(bps(&original) > 1_000_000);
    assert_eq!(thin[0].kind, UnitKind::Key);
    let mut before = 0;
    for (units, width) in [(&original, 640), (&medium, 640), (&thin, 640), (&tiny, 320)] {
        let seen = seen(units);
        assert_eq!(seen.width, width);
        let counters = seen.counters();
        assert!(rises(&counters) && before < counters[0], "{before} {counters:?}");
        before = counters[0];
    }
    assert!(rises(&seen(&again).counters()));
    // Five a second of fifteen.
    let counters = seen(&tiny).counters();
    assert!(counters.windows(2).all(|two| (2..=4).contains(&(two[1] - two[0]))), "{counters:?}");
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_a_still_now_and_then_that_fits() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let camera = node.camera(fake.port);
    let mut viewer = camera.subscribe();
    units(&mut viewer, 1, 5).await;
    let small = Rung::Still { height: 180, every_ms: 400, most_bytes: 6_000 };
    let stills = turn(&camera, &mut viewer, Rung::still(1_000), 3).await;
    let smaller = turn(&camera, &mut viewer, small, 3).await;
    for (stills, width, most) in [(&stills, 640, 20_000), (&smaller, 320, 6_000)] {
        assert!(stills.iter().all(|still| still.kind == UnitKind::Still));
        assert!(stills.iter().all(|still| still.bytes.len() <= most));
        let seen = seen(stills);
        assert_eq!(seen.width, width);
        assert!(rises(&seen.counters()));
    }
    let apart = (stills[2].taken_ns - stills[0].taken_ns) / 2_000_000;
    assert!((900..1_100).contains(&apart), "{apart} ms");
    // One is taken at once when asked for; who comes late sees the last.
    camera.rung(Rung::still(60_000));
    let last = turn(&camera, &mut viewer, Rung::still(60_000), 1).await;
    camera.key();
    let asked = within(viewer.next()).await.unwrap();
    assert!(asked.taken_ns > last[0].taken_ns);
    assert_eq!(within(camera.subscribe().next()).await.unwrap().taken_ns, asked.taken_ns);
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_frame_comes_when_it_is_asked_for() {
    let fake = Fake::start(0, &[]);
    let node = Node::new();
    let mut config = node.config(fake.port);
    config.rung = Rung::p360(300);
    let camera = node.start(config);
    let mut viewer = camera.subscribe();
    units(&mut viewer, 1, 5).await;
    camera.key();
    let asked = Instant::now();
    while within(viewer.next()).await.unwrap().kind != UnitKind::Key {}
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    node.close().await;
}
