//! What a participant costs. Run by hand, alone, with the release profile.

use super::*;

/// What this thread has spent, others on the same core left out.
fn on_core() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn per_call(mut call: impl FnMut()) -> Duration {
    let before = on_core();
    (0..10_000).for_each(|_| call());
    on_core().saturating_sub(before) / 10_000
}

/// 1,000 people in 20 rooms of 50, each telephone a pair of sockets; two of each
/// room speak. The telephones' own cost is not counted.
#[test]
#[ignore = "a measurement"]
fn a_participant_costs_so_much() {
    const PEOPLE: u64 = 1_000;
    const ROOM: usize = 50;
    let mut site = Site::new();
    let rooms: Vec<Room> = (0..PEOPLE / 50).map(|id| site.mixer.room(id).unwrap()).collect();
    let mut phones: Vec<Phone> = (0..PEOPLE).map(|_| Phone::silent()).collect();
    let seats: Vec<Seat> = phones
        .iter_mut()
        .zip(0..)
        .map(|(phone, n)| phone.join(&rooms[usize::try_from(n).unwrap() / ROOM], n))
        .collect();
    for (n, phone) in phones.iter_mut().enumerate() {
        if n % ROOM < 2 {
            (phone.hz, phone.amplitude) = (440.0, LOUD);
        }
    }
    let mut busy = Duration::ZERO;
    let ticks = 200;
    for tick in 0..ticks + 10 {
        phones.iter_mut().for_each(Phone::hum);
        let before = on_core();
        site.tick();
        busy += if tick < 10 { Duration::ZERO } else { on_core().saturating_sub(before) };
        for phone in &mut phones {
            phone.listen();
            phone.heard.clear();
            phone.payloads.clear();
        }
    }
    let sent: u64 = seats.iter().map(|seat| seat.stats().sent).sum();
    assert_eq!(sent, PEOPLE * (ticks + 10));
    let each = busy.as_nanos() / u128::from(PEOPLE * ticks);
    let empty = per_call(|| _ = phones[0].rtp.recv_from(&mut [0; 1_500]));
    println!("an empty read takes {} ns", empty.as_nanos());
    println!("{each} ns a participant and tick: {} a core", 20_000_000 / each);
}
