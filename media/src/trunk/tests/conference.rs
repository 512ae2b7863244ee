//! Rooms of two sites, one trunk between them.

use weir_signaling::sdp::Kind;

use super::*;
use crate::voice::mixer::{Frame, Line, Mixer, MixerConfig, Part, Room, Seat};

struct Place {
    room: Room,
    _trunk_seat: Seat,
    _person_seat: Seat,
    person: Line,
    trunk: Trunk,
    heard: Vec<i16>,
}

impl Place {
    fn new(sites: &Sites, site: usize) -> Self {
        let (told, _) = mpsc::channel(64);
        let (tasks, stop) = (&sites.tasks, sites.stop.clone());
        let mixer = Mixer::start(ports(), MixerConfig::default(), told, tasks, stop).unwrap();
        let room = mixer.room(500).unwrap();
        let (_trunk_seat, line) = room.add_line(1, Part::Trunk, Some(Kind::Pcma)).unwrap();
        let (_person_seat, person) = room.add_line(2, Part::Person, None).unwrap();
        let trunk = sites.trunks[site].open_line(NODES[1 - site], line).unwrap();
        assert_eq!(trunk.address(), None);
        Self { room, _trunk_seat, _person_seat, person, trunk, heard: Vec::new() }
    }

    fn hum(&self, hz: f64, n: u64) {
        let mut samples = [0; 160];
        samples.iter_mut().zip(n * 160..).for_each(|(to, at)| *to = tone(hz, at));
        let _ = self.person.says.try_send(Frame::Linear(samples));
    }

    fn listen(&mut self) {
        while let Ok(Frame::Linear(samples)) = self.person.hears.try_recv() {
            self.heard.extend(samples);
        }
    }
}

/// Somebody hums in one room for two seconds; then all are silent for two.
async fn a_hum_crosses(link: Link, road: Road) {
    let sites = Sites::new(road, link);
    let mut places = [0, 1].map(|site| Place::new(&sites, site));
    for site in [0, 1] {
        let theirs = places[1 - site].trunk.channel();
        places[site].trunk.join(theirs, Telephone { event_type: None, ..PCMA }, None);
    }
    let mut before = 0;
    let sent = |sites: &Sites| sites.trunks.iter().map(|one| one.stats().frames_sent).sum();
    every_tick(240, |n| {
        if (10..110).contains(&n) {
            places[0].hum(440.0, n);
        }
        if n == 160 {
            before = sent(&sites);
        }
        places.iter_mut().for_each(Place::listen);
    })
    .await;
    let (span, missing) = windows(440.0, &places[1].heard);
    assert!(span >= 85 && missing <= 60, "{span} windows, {missing} of 1,000 missing");
    let (echo, _) = windows(440.0, &places[0].heard);
    assert_eq!(echo, 0, "who hums does not hear himself");
    let after: u64 = sent(&sites);
    assert!(after <= before + 2, "silence costs nothing: {} frames", after - before);
    assert_eq!(places[0].room.seats(), 2);
    drop(places);
    sites.end().await;
}

#[tokio::test]
async fn a_room_hears_the_other_over_a_cable() {
    a_hum_crosses(Link::Terrestrial, Road::default()).await;
}

#[tokio::test]
async fn a_room_hears_the_other_over_a_satellite() {
    a_hum_crosses(SATELLITE, Road { delay_ms: 300, loss_ppm: 0 }).await;
}

#[tokio::test]
async fn a_conference_speaks_pcma_only() {
    let sites = Sites::new(Road::default(), Link::Terrestrial);
    let place = Place::new(&sites, 0);
    place.trunk.join(1, PCMU, None);
    until("refused", || place.trunk.stats().refused == 1).await;
    drop(place);
    sites.end().await;
}
