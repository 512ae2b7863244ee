//! Who hears whom.

use super::*;

const A: f64 = 440.0;
const B: f64 = 620.0;
const C: f64 = 910.0;

fn three(site: &Site) -> (Room, [Phone; 3], [Seat; 3]) {
    let room = site.mixer.room(7).unwrap();
    let mut phones = [A, B, C].map(Phone::new);
    phones[1].kind = Kind::Pcmu;
    let [a, b, c] = &mut phones;
    let seats = [a.join(&room, 1), b.join(&room, 2), c.join(&room, 3)];
    (room, phones, seats)
}

#[test]
fn three_people_hear_each_other_and_nobody_himself() {
    let mut site = Site::new();
    let (_room, [mut a, mut b, mut c], seats) = three(&site);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);

    assert_hears(&a, &[B, C]);
    assert_misses(&a, &[A]);
    assert_hears(&b, &[A, C]);
    assert_misses(&b, &[B]);
    assert_hears(&c, &[A, B]);
    assert_misses(&c, &[C]);
    assert!(seats.iter().all(Seat::speaks));
    // 8,000 of 32,767 at the peak is -12.2 dB; a sine's mean is 3 dB less.
    assert!((seats[0].level_dbfs() + 15.2).abs() < 0.5, "{}", seats[0].level_dbfs());
}

/// The stream to each is one stream, whoever comes and goes.
#[test]
fn what_is_sent_never_stops_and_counts_on() {
    let mut site = Site::new();
    let (room, [mut a, mut b, mut c], [_sa, sb, _sc]) = three(&site);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    drop(sb);
    talk(&mut site, &mut [&mut a, &mut c], 50);
    let mut late = Phone::new(1_300.0);
    let _late = late.join(&room, 4);
    talk(&mut site, &mut [&mut a, &mut c, &mut late], 50);

    assert_eq!(a.heads.len(), 150);
    for pair in a.heads.windows(2) {
        let [(_, seq, time, ssrc), (marker, next, later, same)] = pair else { unreachable!() };
        assert_eq!((*next, *later), (seq.wrapping_add(1), time.wrapping_add(FRAME_STEPS)));
        assert_eq!((ssrc, *marker), (same, false));
    }
    assert!(a.heads[0].0);
}

#[test]
fn nobody_misses_anything_when_another_joins_or_leaves() {
    let mut site = Site::new();
    let (room, [mut a, mut b, mut c], [sa, sb, _sc]) = three(&site);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 40);
    for _ in 0..5 {
        let mut guest = Phone::new(1_300.0);
        let seat = guest.join(&room, 9);
        talk(&mut site, &mut [&mut a, &mut b, &mut c, &mut guest], 20);
        assert_hears(&a, &[B, C]);
        drop(seat);
        talk(&mut site, &mut [&mut a, &mut b, &mut c], 20);
    }
    assert_eq!(a.longest_gap_ms(C), 0);
    drop(sb);
    talk(&mut site, &mut [&mut a, &mut c], 40);
    assert_eq!(a.longest_gap_ms(C), 0);
    assert_misses(&a, &[B]);
    drop(sa);
    talk(&mut site, &mut [&mut c], 40);
    assert_misses(&c, &[A, B]);
}

#[test]
fn whoever_is_mute_hears_but_is_not_heard() {
    let mut site = Site::new();
    let (_room, [mut a, mut b, mut c], [sa, _sb, _sc]) = three(&site);
    sa.mute(true);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    assert_misses(&b, &[A]);
    assert_hears(&a, &[B, C]);
    assert!(!sa.speaks());
    assert!(sa.level_dbfs() > -20.0, "its own meter still moves");

    sa.mute(false);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    assert_hears(&b, &[A, C]);
}

#[test]
fn whoever_is_deaf_is_heard_and_hears_silence() {
    let mut site = Site::new();
    let (_room, [mut a, mut b, mut c], [sa, _sb, _sc]) = three(&site);
    sa.deaf(true);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    assert_misses(&a, &[A, B, C]);
    assert_eq!(a.heads.len(), 50);
    assert_hears(&b, &[A, C]);
}

/// A telephone that put us on hold often plays music.
#[test]
fn music_on_hold_is_not_heard() {
    let mut site = Site::new();
    let (_room, [mut a, mut b, mut c], [sa, _sb, _sc]) = three(&site);
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    sa.aim(Some(Aim { hears: false, ..a.aim() }));
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    assert_misses(&b, &[A]);
    assert_eq!(a.heads.len(), 50);

    sa.aim(Some(a.aim()));
    talk(&mut site, &mut [&mut a, &mut b, &mut c], 50);
    assert_hears(&b, &[A, C]);
    assert_hears(&a, &[B, C]);
    let (marker, seq, time, ssrc) = a.heads[50];
    let (_, before, earlier, same) = a.heads[49];
    assert!(marker && ssrc == same && seq == before.wrapping_add(1));
    assert_eq!(time.wrapping_sub(earlier), 51 * FRAME_STEPS);
}

#[test]
fn all_who_only_listen_hear_the_same() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut speaker = Phone::new(A);
    let mut listeners: Vec<Phone> = (0..4).map(|_| Phone::silent()).collect();
    let _speaker = speaker.join(&room, 0);
    let seats: Vec<Seat> = listeners.iter_mut().zip(1..).map(|(p, n)| p.join(&room, n)).collect();
    let mut all: Vec<&mut Phone> = listeners.iter_mut().chain([&mut speaker]).collect();
    talk(&mut site, &mut all, 50);
    assert!(seats.iter().all(|seat| !seat.speaks()));
    assert_hears(&listeners[0], &[A]);
    assert!(listeners.iter().all(|one| one.payloads == listeners[0].payloads));
}

#[test]
fn many_who_shout_do_not_wrap_around() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut phones: Vec<Phone> =
        (0..8).map(|_| Phone { amplitude: 32_000.0, ..Phone::new(A) }).collect();
    let mut listener = Phone::silent();
    let _seats: Vec<Seat> = phones.iter_mut().zip(1..).map(|(p, n)| p.join(&room, n)).collect();
    let _listener = listener.join(&room, 0);
    let mut all: Vec<&mut Phone> = phones.iter_mut().chain([&mut listener]).collect();
    talk(&mut site, &mut all, 50);
    // Cut off at both ends it is nearly square: 4/π of the loudest.
    let heard = listener.hears(A, HALF_A_SECOND);
    assert!(heard > 36_000.0, "{heard}");
}

#[test]
fn a_line_hears_the_room_and_is_heard() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut a = Phone::new(A);
    let _a = a.join(&room, 1);
    let (seat, mut line) = room.add_line(2, Part::Person, None).unwrap();
    let (_coded, mut coded) = room.add_line(3, Part::Person, Some(Kind::Pcmu)).unwrap();
    let mut heard = Vec::new();
    for tick in 0..60_u32 {
        let sample = |n: u32| (LOUD * (TAU * B * f64::from(tick * 160 + n) / 8_000.0).sin()) as i16;
        let mut frame = [0; FRAME];
        frame.iter_mut().zip(0..).for_each(|(to, n)| *to = sample(n));
        line.says.try_send(Frame::Linear(frame)).unwrap();
        talk(&mut site, &mut [&mut a], 1);
        match line.hears.try_recv() {
            Ok(Frame::Linear(frame)) => heard.extend(frame),
            other => panic!("{other:?}"),
        }
        assert!(matches!(coded.hears.try_recv(), Ok(Frame::Coded(Kind::Pcmu, _))));
    }
    assert_hears(&a, &[B]);
    assert!((amplitude(&heard[heard.len() - 4_000..], A) - LOUD).abs() < LOUD / 5.0);
    assert!(amplitude(&heard[heard.len() - 4_000..], B) < LOUD / 50.0);

    // Nobody reads any more: frames are lost, the room goes on.
    talk(&mut site, &mut [&mut a], 50);
    assert_eq!(seat.stats().unsent, 40);
}
