//! What the sending side does when it is told something.
use super::super::{Report, Sender, SenderConfig, Unit, UnitKind};

fn unit(kind: UnitKind, at_ms: u32, bytes: usize) -> Unit {
    Unit { kind, at_ms, bytes: vec![1; bytes] }
}

fn wants_key(newest: u16) -> Report {
    Report { stream: 7, newest, received: 20, wants_key: true, ..Report::default() }
}

#[test]
fn who_asks_before_the_key_frame_is_there_does_not_get_a_second() {
    let mut sender = Sender::new(7, SenderConfig::at(400_000), 0);
    sender.unit(0, &unit(UnitKind::Key, 0, 8_000));
    let mut sent = 0_u16;
    for now_ms in (0..1_500).step_by(10) {
        sent += u16::try_from(sender.poll(now_ms).len()).unwrap();
        // It was on its way when this was said.
        sender.heard(&wants_key(1));
        assert!(!sender.needs_key(), "at {now_ms}");
    }
    sender.unit(1_500, &unit(UnitKind::Delta, 1_500, 900));
    sent += u16::try_from(sender.poll(2_000).len()).unwrap();
    sender.heard(&wants_key(sent - 1));
    assert!(sender.needs_key(), "all of it was seen, and did not help");
}

#[test]
fn another_kind_of_picture_does_not_wait_for_the_one_before() {
    let mut sender = Sender::new(7, SenderConfig::at(400_000), 0);
    sender.unit(0, &unit(UnitKind::Key, 0, 60_000));
    assert!(sender.waiting_ms() > 1_000, "{}", sender.waiting_ms());
    sender.change(10, SenderConfig::stills(20_000, 10_000));
    assert_eq!(sender.waiting_ms(), 0);
    assert!(sender.needs_key());
    sender.unit(20, &unit(UnitKind::Still, 20, 5_000));
    assert!(sender.waiting_ms() > 1_000);
}

#[test]
fn a_link_too_thin_for_a_moving_picture_says_so() {
    for rate_bps in [0, 1_000, 10_000, 30_000] {
        let sender = Sender::new(7, SenderConfig::at(rate_bps), 0);
        assert!(sender.carries_bps() <= rate_bps, "{} of {rate_bps}", sender.carries_bps());
    }
}

#[test]
fn a_receiver_that_began_anew_is_heard_again() {
    let mut sender = Sender::new(7, SenderConfig::at(400_000), 0);
    sender.heard(&Report { stream: 7, newest: 900, received: 900, ..Report::default() });
    sender.unit(0, &unit(UnitKind::Key, 0, 900));
    sender.poll(1_000);
    let anew = Report { stream: 7, newest: 1_000, received: 20, ..Report::default() };
    sender.heard(&anew);
    let lossy = Report { newest: 1_100, received: 100, lost: 20, ..anew };
    sender.heard(&lossy);
    assert!(sender.loss_ppm() > 50_000, "{}", sender.loss_ppm());
}
