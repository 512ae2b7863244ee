//! The threads themselves, in real time.

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_room_sounds_until_the_mixer_stops() {
    let ports = Ports::new(HOST, &(20_000..=50_000)).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (told, _heard) = mpsc::channel(8);
    let config = MixerConfig { workers: 2, ..MixerConfig::default() };
    let mixer = Mixer::start(ports, config, told, &tasks, stop.clone()).unwrap();
    let room = mixer.room(1).unwrap();
    let mut phone = Phone::silent();
    let seat = phone.join(&room, 1);
    let address = seat.address().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while phone.heads.len() < 25 {
        assert!(Instant::now() < deadline, "{} packets came", phone.heads.len());
        phone.listen();
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tasks.close();
    tokio::time::timeout(PATIENCE, tasks.wait()).await.unwrap();
    UdpSocket::bind(address).unwrap();
    assert!(matches!(mixer.room(2), Err(MixerError::Stopped)));
    assert!(matches!(room.add(2, Part::Person), Err(MixerError::Stopped)));
}
