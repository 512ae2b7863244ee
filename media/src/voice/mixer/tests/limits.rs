//! What is full, and what is given back.

use super::*;

fn small() -> MixerConfig {
    MixerConfig { rooms: 2, seats: 4, room_seats: 3, ..MixerConfig::default() }
}

#[test]
fn a_full_room_says_so_and_takes_the_next_when_one_leaves() {
    let mut site = Site::with(small());
    let room = site.mixer.room(1).unwrap();
    let mut seats: Vec<Seat> = (0..3).map(|who| room.add(who, Part::Person).unwrap()).collect();
    assert!(matches!(room.add(3, Part::Person), Err(MixerError::RoomFull(3))));
    seats.pop();
    room.add(3, Part::Person).unwrap();
    assert_eq!(room.seats(), 2);
    site.tick();
    assert_eq!(site.mixer.stats().seats, 2);
}

#[test]
fn a_full_mixer_says_so_and_gives_places_back() {
    let mut site = Site::with(small());
    let rooms = [site.mixer.room(1).unwrap(), site.mixer.room(2).unwrap()];
    assert!(matches!(site.mixer.room(3), Err(MixerError::Rooms(2))));
    let seats: Vec<Seat> =
        (0..4).map(|who| rooms[usize::from(who > 1)].add(who, Part::Person).unwrap()).collect();
    assert!(matches!(rooms[0].add(9, Part::Person), Err(MixerError::Seats(4))));
    site.tick();
    drop(seats);
    site.tick();
    let seat = rooms[0].add(9, Part::Person).unwrap();
    drop(rooms);
    // The seat keeps its room.
    assert_eq!(site.mixer.stats().rooms, 1);
    drop(seat);
    site.tick();
    let stats = site.mixer.stats();
    assert_eq!((stats.rooms, stats.seats), (0, 0));
}

/// The ports of whoever has left are free, those of whoever stays are not.
#[test]
fn a_closed_seat_frees_its_ports() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let seat = room.add(1, Part::Person).unwrap();
    let address = seat.address().unwrap();
    site.tick();
    assert!(UdpSocket::bind(address).is_err());
    drop(seat);
    site.tick();
    UdpSocket::bind(address).unwrap();
}

/// The host was suspended for five seconds, and telephones went on talking.
#[test]
fn a_stall_is_skipped_and_never_made_up_for() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let (mut a, mut b) = (Phone::new(440.0), Phone::new(620.0));
    let _seats = [a.join(&room, 1), b.join(&room, 2)];
    talk(&mut site, &mut [&mut a, &mut b], 50);
    for _ in 0..250 {
        a.hum();
        b.hum();
    }
    site.now += TICK * 250;
    talk(&mut site, &mut [&mut a, &mut b], 1);
    assert_eq!(a.heads.len(), 51);
    let ((_, seq, time, _), (marker, next, later, _)) = (a.heads[49], a.heads[50]);
    assert!(marker);
    assert_eq!(next, seq.wrapping_add(1));
    assert_eq!(later.wrapping_sub(time), 251 * FRAME_STEPS);
    assert_eq!(site.mixer.stats().skipped, 250);

    a.heard.clear();
    talk(&mut site, &mut [&mut a, &mut b], 75);
    assert_eq!(a.heads.len(), 126);
    assert_hears(&a, &[620.0]);
}
