//! Rooms of several sites, joined to a tree.

use super::*;

const HERE: [f64; 3] = [440.0, 620.0, 910.0];
const THERE: [f64; 3] = [520.0, 740.0, 1_060.0];

fn seated(room: &Room, tones: &[f64]) -> (Vec<Phone>, Vec<Seat>) {
    let mut phones: Vec<Phone> = tones.iter().map(|hz| Phone::new(*hz)).collect();
    let seats = phones.iter_mut().zip(1..).map(|(phone, who)| phone.join(room, who)).collect();
    (phones, seats)
}

fn at(seat: &Seat) -> Aim {
    let rtp = seat.address().unwrap();
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
    Aim { rtp, rtcp, also_from: None, hears: true, formats: vec![(8, Kind::Pcma)] }
}

fn trunk(here: &Room, there: &Room) -> [Seat; 2] {
    let seats = [here, there].map(|room| room.add(1_000, Part::Trunk).unwrap());
    seats[0].aim(Some(at(&seats[1])));
    seats[1].aim(Some(at(&seats[0])));
    seats
}

fn all_talk(sites: &mut [(&mut Site, &mut Vec<Phone>)], ticks: usize) {
    for _ in 0..ticks {
        for (site, phones) in sites.iter_mut() {
            let mut phones: Vec<&mut Phone> = phones.iter_mut().collect();
            talk(site, &mut phones, 1);
        }
    }
}

/// Everybody in `phones` hears all tones but his own.
fn assert_all_hear(phones: &[Phone], tones: &[f64]) {
    for phone in phones {
        let loud = phone.amplitude;
        let others: Vec<f64> = tones.iter().copied().filter(|hz| *hz != phone.hz).collect();
        for hz in others {
            let heard = phone.hears(hz, HALF_A_SECOND);
            assert!((heard - loud).abs() < loud / 4.0, "{} hears {hz} at {heard:.0}", phone.hz);
        }
        let own = phone.hears(phone.hz, HALF_A_SECOND);
        assert!(own < loud / 20.0, "{} hears itself at {own:.0}", phone.hz);
    }
}

#[test]
fn six_people_of_two_sites_hear_all_others_and_nobody_himself() {
    let (mut here, mut there) = (Site::new(), Site::new());
    let rooms = [here.mixer.room(1).unwrap(), there.mixer.room(1).unwrap()];
    let (mut ours, _ours) = seated(&rooms[0], &HERE);
    let (mut theirs, _theirs) = seated(&rooms[1], &THERE);
    // Six of them fit below the loudest there is.
    ours.iter_mut().chain(&mut theirs).for_each(|phone| phone.amplitude = LOUD / 2.0);
    let trunk = trunk(&rooms[0], &rooms[1]);
    all_talk(&mut [(&mut here, &mut ours), (&mut there, &mut theirs)], 75);
    let all = [HERE, THERE].concat();
    assert_all_hear(&ours, &all);
    assert_all_hear(&theirs, &all);

    // The link is cut; each side's people go on among themselves, without a gap.
    let [a, b] = trunk;
    drop((a, b));
    ours.iter_mut().chain(&mut theirs).for_each(|phone| phone.heard.clear());
    all_talk(&mut [(&mut here, &mut ours), (&mut there, &mut theirs)], 50);
    assert_all_hear(&ours, &HERE);
    assert_all_hear(&theirs, &THERE);
    assert!(ours.iter().all(|phone| phone.hears(520.0, HALF_A_SECOND) < LOUD / 50.0));
    assert_eq!(ours[0].longest_gap_ms(620.0), 0);
}

/// Nine people over four sites: a root and three branches.
#[test]
fn nine_people_of_four_sites_hear_each_other_through_the_root() {
    let tones: Vec<f64> = (0..9).map(|n| 400.0 + 160.0 * f64::from(n)).collect();
    let mut sites: Vec<Site> = (0..4).map(|_| Site::new()).collect();
    let rooms: Vec<Room> = sites.iter().map(|site| site.mixer.room(1).unwrap()).collect();
    let shares = [&tones[..3], &tones[3..5], &tones[5..7], &tones[7..]];
    let mut seated: Vec<(Vec<Phone>, Vec<Seat>)> =
        rooms.iter().zip(shares).map(|(room, tones)| seated(room, tones)).collect();
    let _trunks: Vec<[Seat; 2]> = rooms[1..].iter().map(|room| trunk(&rooms[0], room)).collect();
    let quiet = LOUD / 4.0;
    seated.iter_mut().flat_map(|(phones, _)| phones).for_each(|phone| phone.amplitude = quiet);
    let mut all: Vec<(&mut Site, &mut Vec<Phone>)> =
        sites.iter_mut().zip(&mut seated).map(|(site, (phones, _))| (site, phones)).collect();
    all_talk(&mut all, 75);
    for (phones, _) in &seated {
        for phone in phones {
            for hz in tones.iter().filter(|hz| **hz != phone.hz) {
                let heard = phone.hears(*hz, HALF_A_SECOND);
                assert!((heard - quiet).abs() < quiet / 4.0, "{} hears {hz}", phone.hz);
            }
            assert!(phone.hears(phone.hz, HALF_A_SECOND) < quiet / 20.0, "an echo");
        }
    }
}
