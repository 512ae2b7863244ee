//! What phones see of the registrar, and what callers of a phone do.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits =
    Limits { min_expires_s: 60, max_expires_s: 3600, contacts_per_aor: 3, aors: 4 };

fn desk() -> Registrar {
    Registrar::new(LIMITS)
}

fn aor(user: &str) -> Aor {
    Aor::new(user, "weir").unwrap()
}

fn contact(uri: &str) -> Contact {
    Contact::new(uri).unwrap()
}

fn source(port: u16) -> Source {
    let address = format!("192.0.2.7:{port}").parse().unwrap();
    Source { address, transport: Transport::Udp, flow: None }
}

fn one(uri: &str, expires_s: u32) -> Asked {
    Asked::One { contact: contact(uri), expires_s: Some(expires_s), q_permille: 1000 }
}

/// A REGISTER of 5001 with these contacts.
fn register(call_id: &str, cseq: u32, asked: &[Asked]) -> Register {
    Register {
        aor: aor("5001"),
        call_id: call_id.into(),
        cseq,
        asked: asked.to_vec(),
        expires_s: None,
        source: source(5060),
        path: Vec::new(),
        user: "5001".into(),
    }
}

fn why(outcome: Outcome) -> Refused {
    match outcome {
        Outcome::Refused { why } => why,
        Outcome::Registered { .. } => panic!("taken: {outcome:?}"),
    }
}

fn changes(outcome: Outcome) -> Vec<Change> {
    match outcome {
        Outcome::Registered { changes, .. } => changes,
        Outcome::Refused { why } => panic!("refused: {why}"),
    }
}

fn uris(bindings: &[BindingView]) -> Vec<&str> {
    bindings.iter().map(|binding| binding.contact.uri()).collect()
}

#[test]
fn a_phone_registers_refreshes_and_is_gone_when_its_time_is_up() {
    let mut desk = desk();
    let phone = "sip:5001@10.0.0.5:5060";
    let first = desk.step(0, register("a", 1, &[one(phone, 120)]));
    assert_eq!(changes(first), [Change::Added(contact(phone))]);
    let again = desk.step(100_000, register("a", 2, &[one(phone, 120)]));
    assert_eq!(changes(again), [Change::Refreshed(contact(phone))]);
    assert_eq!(desk.next_expiry_ms(), Some(220_000));
    assert_eq!(desk.bindings(219_999, &aor("5001")).len(), 1);
    // Not even before someone thinks of cleaning up.
    assert_eq!(desk.bindings(220_000, &aor("5001")), []);
    assert!(desk.reach(220_000, &aor("5001")).is_empty());
    assert_eq!(desk.expire(220_000).len(), 1);
    assert!(desk.is_empty());
}

#[test]
fn a_phone_is_rung_where_its_packets_come_from_not_where_it_says() {
    let mut desk = desk();
    let mut asked = register("a", 1, &[one("sip:5001@10.0.0.5", 120)]);
    desk.step(0, asked.clone());
    assert_eq!(desk.reach(1, &aor("5001"))[0].hop(), Hop::Source(source(5060)));
    // Its NAT gave it another port.
    (asked.cseq, asked.source) = (2, source(31_000));
    let moved = desk.step(1, asked.clone());
    assert_eq!(changes(moved), [Change::Moved(contact("sip:5001@10.0.0.5"))]);
    assert_eq!(desk.reach(1, &aor("5001"))[0].hop(), Hop::Source(source(31_000)));
    // Behind a proxy, the proxy knows the way.
    (asked.cseq, asked.path) = (3, vec!["sip:edge;lr".into()]);
    desk.step(2, asked);
    assert_eq!(desk.reach(2, &aor("5001"))[0].hop(), Hop::Proxy("sip:edge;lr"));
}

#[test]
fn the_preferred_contact_is_rung_first() {
    let mut desk = desk();
    let asked = |uri, q_permille| Asked::One { contact: contact(uri), expires_s: None, q_permille };
    desk.step(0, register("a", 1, &[asked("sip:a@h1", 300), asked("sip:a@h2", 900)]));
    desk.step(1, register("b", 1, &[asked("sip:a@h3", 300)]));
    let reach = desk.reach(2, &aor("5001"));
    let uris: Vec<_> = reach.iter().map(|binding| binding.contact.uri()).collect();
    assert_eq!(uris, ["sip:a@h2", "sip:a@h3", "sip:a@h1"]);
}

#[test]
fn nobody_registers_for_someone_else() {
    let mut desk = desk();
    let mut asked = register("a", 1, &[one("sip:x@evil", 120)]);
    asked.user = "5002".into();
    let why = why(desk.step(0, asked));
    assert_eq!(why.status(), 403);
    assert!(why.said().zh.contains("5002") && why.said().en.contains("5002"));
    assert!(desk.is_empty());
}

#[test]
fn too_short_a_time_is_refused_with_the_least_and_too_long_a_one_is_cut() {
    let mut desk = desk();
    let brief = why(desk.step(0, register("a", 1, &[one("sip:a@h", 59)])));
    assert_eq!((brief.status(), brief.min_expires_s()), (423, Some(60)));
    for (cseq, header, least_s) in [(2, Some(60), 60), (3, Some(u32::MAX), 3600), (4, None, 3600)] {
        let bare = Asked::One { contact: contact("sip:a@h"), expires_s: None, q_permille: 1000 };
        let mut asked = register("a", cseq, &[bare]);
        asked.expires_s = header;
        desk.step(0, asked);
        assert_eq!(desk.bindings(0, &aor("5001"))[0].expires_in_s(), least_s);
    }
}

#[test]
fn a_star_signs_everything_off_and_only_in_its_proper_form() {
    let mut desk = desk();
    desk.step(0, register("a", 1, &[one("sip:a@h1", 120), one("sip:a@h2", 120)]));
    let mut star = register("a", 2, &[Asked::All]);
    for expires_s in [None, Some(60)] {
        star.expires_s = expires_s;
        assert_eq!(why(desk.step(1, star.clone())), Refused::Star);
    }
    star.expires_s = Some(0);
    let mut mixed = star.clone();
    mixed.asked.push(one("sip:a@h3", 0));
    assert_eq!(why(desk.step(1, mixed)).status(), 400);
    assert_eq!(desk.len(), 2);
    assert_eq!(changes(desk.step(1, star)).len(), 2);
    assert!(desk.is_empty());
}

#[test]
fn a_late_request_does_not_bring_back_a_phone_that_signed_off() {
    let mut desk = desk();
    desk.step(0, register("a", 1, &[one("sip:a@h", 3600)]));
    desk.step(1, register("a", 3, &[one("sip:a@h", 0)]));
    for cseq in [2, 3] {
        let late = why(desk.step(2, register("a", cseq, &[one("sip:a@h", 3600)])));
        assert_eq!(late, Refused::Late { cseq, last: 3 });
        assert_eq!(late.status(), 500);
    }
    // The clean-up in between keeps that past for as long as it matters.
    desk.expire(60_000);
    assert_eq!(why(desk.step(60_000, register("a", 2, &[one("sip:a@h", 60)]))).status(), 500);
    // After a restart the phone has another Call-ID and counts anew.
    assert_eq!(changes(desk.step(60_001, register("b", 1, &[one("sip:a@h", 60)]))).len(), 1);
    // And in the end the past is let go.
    desk.expire(120_001);
    desk.expire(3_660_001);
    assert!(desk.accounts.is_empty());
}

#[test]
fn many_other_call_ids_do_not_make_a_late_request_good() {
    let mut desk = desk();
    desk.step(0, register("desk", 5, &[one("sip:a@h", 3600)]));
    for n in 1..20u32 {
        desk.step(n.into(), register(&format!("other-{n}"), 1, &[one("sip:a@none", 0)]));
    }
    let late = why(desk.step(30, register("desk", 4, &[one("sip:a@h", 0)])));
    assert_eq!(late, Refused::Late { cseq: 4, last: 5 });
    assert_eq!(desk.len(), 1);
}

#[test]
fn a_request_is_carried_out_whole_or_not_at_all() {
    let mut desk = desk();
    desk.step(0, register("a", 1, &[one("sip:a@h1", 120)]));
    let before = desk.view(1);
    let half = [one("sip:a@h1", 0), one("sip:a@h2", 120), one("sip:a@h3", 5)];
    assert_eq!(why(desk.step(1, register("a", 2, &half))).status(), 423);
    assert_eq!(desk.view(1), before);
    // Its CSeq was not used up either.
    assert_eq!(changes(desk.step(1, register("a", 2, &half[..2]))).len(), 2);
}

#[test]
fn a_speaker_that_reboots_on_ever_new_ports_is_never_locked_out() {
    let mut desk = desk();
    desk.step(0, register("desk", 1, &[one("sip:5001@desk", 3600)]));
    for boot in 1..20u32 {
        let now_ms = u64::from(boot) * 1000;
        desk.step(now_ms, register("desk", boot + 1, &[one("sip:5001@desk", 3600)]));
        let uri = format!("sip:5001@10.0.0.5:{}", 40_000 + boot);
        desk.step(now_ms + 1, register(&format!("boot-{boot}"), 1, &[one(&uri, 3600)]));
        let bindings = desk.bindings(now_ms + 1, &aor("5001"));
        assert!(bindings.len() <= 3);
        assert!(uris(&bindings).contains(&uri.as_str()));
        assert!(uris(&bindings).contains(&"sip:5001@desk"), "the one that refreshes stays");
    }
}

#[test]
fn more_contacts_in_one_request_than_fit_are_refused() {
    let mut desk = desk();
    let asked: Vec<_> = (0..4).map(|n| one(&format!("sip:a@h{n}"), 120)).collect();
    assert_eq!(why(desk.step(0, register("a", 1, &asked))), Refused::TooMany { most: 3 });
    assert!(desk.is_empty());
}

#[test]
fn a_full_registrar_says_so_and_keeps_the_phones_it_has() {
    let mut desk = desk();
    let asked_by = |user: &str, expires_s| {
        let asked = register(user, 1, &[one("sip:a@h", expires_s)]);
        Register { aor: aor(user), user: user.into(), ..asked }
    };
    for user in ["1", "2", "3", "4"] {
        assert_eq!(changes(desk.step(0, asked_by(user, 120))).len(), 1);
    }
    assert_eq!(why(desk.step(1, asked_by("5", 120))).status(), 503);
    assert_eq!(desk.len(), 4);
    // A sign-off of someone unknown takes no room.
    assert_eq!(changes(desk.step(1, asked_by("6", 0))), []);
    // Numbers that are signed off make room.
    let mut off = asked_by("2", 0);
    off.cseq = 2;
    desk.step(2, off);
    assert_eq!(changes(desk.step(3, asked_by("5", 120))).len(), 1);
}

#[test]
fn a_phone_that_only_asks_is_told_and_changes_nothing() {
    let mut desk = desk();
    desk.step(0, register("a", 5, &[one("sip:a@h", 120)]));
    let asked = desk.step(20_500, register("a", 1, &[]));
    let Outcome::Registered { bindings, changes } = asked else { panic!("refused") };
    assert_eq!((uris(&bindings), changes.len()), (vec!["sip:a@h"], 0));
    assert_eq!(bindings[0].expires_in_s(), 99);
    desk.step(1, Register { aor: aor("7"), user: "7".into(), ..register("a", 1, &[]) });
    assert_eq!(desk.accounts.len(), 1);
}

#[test]
fn one_contact_spelled_two_ways_is_one_binding() {
    let mut desk = desk();
    desk.step(0, register("a", 1, &[one("sip:5001@H.example;ob;transport=TCP", 120)]));
    let other =
        desk.step(1, register("a", 2, &[one("SIP:%35001@h.example;Transport=tcp;ob", 120)]));
    assert!(matches!(changes(other)[..], [Change::Refreshed(_)]));
    desk.step(2, register("a", 3, &[one("sip:5001@h.example:5060;ob", 120)]));
    assert_eq!(desk.len(), 2);
    assert_eq!(Aor::new("%35001", "WEIR"), Ok(aor("5001")));
}

#[test]
fn addresses_that_would_break_a_header_are_refused() {
    let long = format!("sip:{}@h", "a".repeat(URI_MAX));
    for (bad, error) in [
        ("", AddressError::Length),
        (long.as_str(), AddressError::Length),
        ("sip:a@h\r\nVia: x", AddressError::BadByte),
        ("sip:a@h>", AddressError::BadByte),
        ("tel:110", AddressError::Scheme),
        ("nothing", AddressError::Scheme),
        ("sip:a@", AddressError::NoHost),
        ("sip:a@;lr", AddressError::NoHost),
    ] {
        assert_eq!(Contact::new(bad), Err(error), "{bad:?}");
    }
    assert!(Contact::new("sip:a@[2001:db8::1]:5060;transport=tcp").is_ok());
    assert!(Aor::new("%0d", "weir").is_err() && Aor::new("%f", "weir").is_err());
    let mut desk = desk();
    let mut asked = register("a", 1, &[one("sip:a@h", 120)]);
    asked.path = vec!["sip:p>\r\nX".into()];
    assert_eq!(why(desk.step(0, asked.clone())).code(), "register-path");
    asked = Register { path: Vec::new(), call_id: "c".repeat(CALL_ID_MAX + 1), ..asked };
    assert_eq!(why(desk.step(0, asked)).status(), 400);
}

#[test]
fn a_partner_takes_over_where_the_other_node_stopped() {
    let mut first = desk();
    first.step(1_000_000, register("a", 3, &[one("sip:a@h1", 120)]));
    first.step(1_001_000, register("a", 5, &[one("sip:a@h2", 120)]));
    let mut second = desk();
    for (aor, bindings) in first.view(1_010_000) {
        assert_eq!(second.restore(50_000, &aor, bindings), Ok(()));
    }
    assert_eq!(second.view(50_000), first.view(1_010_000));
    // Between the two CSeq it saw: late.
    assert_eq!(why(second.step(60_000, register("a", 4, &[one("sip:a@h1", 0)]))).status(), 500);
    assert_eq!(changes(second.step(60_000, register("a", 6, &[one("sip:a@h1", 0)]))).len(), 1);
    // What was signed off here does not come back with an older view.
    for (aor, bindings) in first.view(1_010_000) {
        second.restore(70_000, &aor, bindings).unwrap();
    }
    assert_eq!(uris(&second.bindings(70_000, &aor("5001"))), ["sip:a@h2"]);
}

/// Few users, phones and Call-IDs, so that they meet often.
fn any_register() -> impl Strategy<Value = (u64, Register)> {
    let expires = prop_oneof![Just(None), Just(Some(0)), (1u32..5000).prop_map(Some)];
    let asked = prop_oneof![
        1 => Just(Asked::All),
        9 => (0u8..7, expires.clone()).prop_map(|(at, expires_s)| Asked::One {
            contact: contact(&format!("sip:a@h{at}")),
            expires_s,
            q_permille: 1000,
        }),
    ];
    let asked = prop::collection::vec(asked, 0..5);
    (0u64..400_000, 0u8..6, 0u8..9, 1u32..12, asked, expires).prop_map(
        |(later_ms, user, call, cseq, asked, expires_s)| {
            let user = user.to_string();
            let call_id = format!("{user}-{call}");
            let register =
                Register { aor: aor(&user), user, expires_s, ..register(&call_id, cseq, &asked) };
            (later_ms, register)
        },
    )
}

proptest! {
    #[test]
    fn whatever_phones_send_the_bounds_hold_and_nothing_outlives_its_time(
        all in prop::collection::vec(any_register(), 1..60), expiring in any::<bool>(),
    ) {
        let (mut desk, mut now_ms) = (desk(), 0);
        for (later_ms, register) in all {
            now_ms += later_ms;
            if expiring {
                desk.expire(now_ms);
            }
            let aor = register.aor.clone();
            let outcome = desk.step(now_ms, register);
            prop_assert!(desk.accounts.len() <= LIMITS.aors);
            prop_assert!(desk.len() <= LIMITS.aors * LIMITS.contacts_per_aor);
            if let Outcome::Registered { bindings, .. } = outcome {
                prop_assert_eq!(&bindings, &desk.bindings(now_ms, &aor));
            }
            for (aor, bindings) in desk.view(now_ms) {
                prop_assert!(bindings.len() <= LIMITS.contacts_per_aor);
                prop_assert!(bindings.iter().all(|b| b.expires_in_ms > 0));
                let most_ms = u64::from(LIMITS.max_expires_s) * 1000;
                prop_assert!(bindings.iter().all(|b| b.expires_in_ms <= most_ms));
                let distinct: BTreeSet<_> = uris(&bindings).into_iter().collect();
                prop_assert_eq!(distinct.len(), bindings.len());
                prop_assert_eq!(desk.reach(now_ms, &aor).len(), bindings.len());
            }
        }
    }

    #[test]
    fn what_is_refused_or_late_changes_nothing(
        all in prop::collection::vec(any_register(), 1..60),
    ) {
        let (mut desk, mut now_ms) = (desk(), 0);
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        for (later_ms, register) in all {
            now_ms += later_ms / 100;
            let (call_id, cseq) = (register.call_id.clone(), register.cseq);
            let fetch = register.asked.is_empty();
            let held: BTreeSet<_> = desk
                .view(now_ms)
                .into_iter()
                .flat_map(|(_, bindings)| bindings.into_iter().map(|b| b.call_id))
                .collect();
            let before = desk.view(now_ms);
            let outcome = desk.step(now_ms, register);
            // A Call-ID with a live binding is never forgotten.
            let late = held.contains(&call_id) && last.get(&call_id).is_some_and(|l| cseq <= *l);
            if late || matches!(outcome, Outcome::Refused { .. }) {
                prop_assert_eq!(desk.view(now_ms), before);
            } else if !fetch {
                last.insert(call_id, cseq);
            }
        }
    }

    #[test]
    fn no_text_panics_as_an_address(text in ".{0,80}", host in ".{0,20}") {
        if let Ok(contact) = Contact::new(&text) {
            prop_assert!(contact.uri().bytes().all(|b| b.is_ascii_graphic()));
        }
        if let Ok(aor) = Aor::new(&text, &host) {
            prop_assert!(aor.to_string().bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
