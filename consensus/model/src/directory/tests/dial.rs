//! What somebody gets who dials a number at a site.

use super::super::{ATTENDEES_MAX, ConferenceOpen, Contact, Dialled, RosterName};
use super::{demo, id};
use crate::id::Extension;

fn numbers(all: &[&str]) -> Vec<Extension> {
    all.iter().map(|number| id(number)).collect()
}

/// The officer on duty first, then the other, then every telephone there is.
#[test]
fn an_emergency_rings_the_sites_duty_and_then_everybody() {
    let demo = demo();
    for dialled in ["112", "110", "119", "120"] {
        let groups = vec![numbers(&["5001"]), numbers(&["5101"]), numbers(&["5010", "5102"])];
        assert_eq!(demo.route(&id("R3"), dialled), Dialled::Emergency { groups });
    }
}

#[test]
fn an_emergency_finds_a_telephone_when_nobody_has_the_duty() {
    let mut demo = demo();
    demo.people.clear();
    let groups = vec![numbers(&["5001"]), numbers(&["5010", "5102"])];
    assert_eq!(demo.route(&id("R3"), "112"), Dialled::Emergency { groups });
    demo.extensions.clear();
    assert_eq!(demo.route(&id("R3"), "112"), Dialled::Emergency { groups: Vec::new() });
}

#[test]
fn the_duty_room_rings_the_duty_people_together() {
    let demo = demo();
    let room = Dialled::DutyRoom { numbers: numbers(&["5001", "5101"]) };
    assert_eq!(demo.route(&id("R3"), "5000"), room);
    let (site, number) = (id("R3"), id("5000"));
    assert_eq!(demo.route(&id("RC"), "5000"), Dialled::Elsewhere { site, number });
}

#[test]
fn each_number_is_rung_by_its_own_site() {
    let demo = demo();
    assert_eq!(demo.route(&id("R3"), "5102"), Dialled::Local(id("5102")));
    assert_eq!(demo.route(&id("R3"), "5002"), Dialled::Local(id("5002")), "the mobile twin");
    let (site, number) = (id("HQ"), id("1101"));
    assert_eq!(demo.route(&id("R3"), "1101"), Dialled::Elsewhere { site, number });
    assert_eq!(demo.route(&id("R3"), "5403"), Dialled::Zone(id("5403")));
}

#[test]
fn nine_and_a_number_go_out_by_the_sites_own_line() {
    let demo = demo();
    let outside = |number: &str, trunks: &[&str]| Dialled::Outside {
        number: number.into(),
        trunks: numbers(trunks),
    };
    assert_eq!(demo.route(&id("R3"), "919900000127"), outside("19900000127", &["5290"]));
    assert_eq!(demo.route(&id("HQ"), "9110"), outside("110", &["1290"]));
    let mut without = demo.clone();
    without.extensions.remove("5290");
    assert_eq!(without.route(&id("R3"), "9110"), outside("110", &[]));
}

/// From wherever it is dialled, a room is its own site's.
#[test]
fn a_prefix_and_a_room_lead_into_that_sites_conference() {
    let mut demo = demo();
    let room = |site: &str, number: &str| Dialled::Room { site: id(site), number: id(number) };
    for from in ["R3", "HQ"] {
        assert_eq!(demo.route(&id(from), "5500"), room("R3", "5500"));
        assert_eq!(demo.route(&id(from), "1599"), room("HQ", "1599"));
    }
    for dialled in ["500", "9500", "55000", "5600", "550"] {
        let led = demo.route(&id("R3"), dialled);
        assert!(!matches!(led, Dialled::Room { .. }), "{dialled}: {led:?}");
    }
    let phone = demo.extensions["5102"].clone();
    let number: Extension = id("5500");
    demo.extensions.insert(number.clone(), super::super::ExtensionRecord { number, ..phone });
    assert_eq!(demo.route(&id("R3"), "5500"), Dialled::Local(id("5500")));
}

#[test]
fn a_conference_rings_each_person_once_at_their_own_site() {
    let mut demo = demo();
    let meets = |rosters: &[&str]| ConferenceOpen {
        room: "500".into(),
        rosters: rosters.iter().map(|name| id(name)).collect(),
        min_join: 2,
        wait_s: 60,
        confirm: None,
    };
    let both = meets(&["site.duty", "RC.dispatch", "R3.duty", "R3.village.heads"]);
    let attendees = demo.attendees(&both, &id("R3"));
    let who: Vec<_> =
        attendees.iter().map(|one| (one.person.as_str(), one.site.as_str())).collect();
    let expected = [
        ("li.qingsong", "R3"),
        ("gao.yanfei", "R3"),
        ("tang.yue", "RC"),
        ("qiu.haitao", "RC"),
        ("shangwan.head", "R3"),
        ("zhongwan.head", "R3"),
        ("xiawan.head", "R3"),
    ];
    assert_eq!(who, expected);
    let mobile = Contact::Phone("+8619900000106".into());
    assert_eq!(attendees[2].numbers, [Contact::Extension(id("2011")), mobile]);
    // Without a telephone of their own they are rung where they have the duty.
    demo.people.get_mut("gao.yanfei").unwrap().contacts = Default::default();
    let attendees = demo.attendees(&meets(&["R3.duty", "site.duty"]), &id("R3"));
    assert_eq!(attendees[1].numbers, []);
    let from_hq = demo.attendees(&meets(&["village.heads"]), &id("HQ"));
    assert!(from_hq.iter().all(|one| one.site.as_str() == "HQ"), "the site of the launch");
    let gao = demo.people["gao.yanfei"].clone();
    assert_eq!(demo.home_of(&gao), Some(&id("R3")));
    for n in 0..100 {
        let person = super::super::Person { id: id(&format!("d{n:03}")), ..gao.clone() };
        demo.people.insert(person.id.clone(), person);
    }
    assert_eq!(demo.invited(&both, &id("R3")).len(), 107);
    assert_eq!(demo.attendees(&both, &id("R3")).len(), ATTENDEES_MAX);
}

#[test]
fn what_is_no_number_leads_nowhere() {
    let demo = demo();
    let long = "9".repeat(40);
    for dialled in ["", "9", "911", "5999", "5451", "5290", "*11", "9+86", "１１２", "a b", &long]
    {
        assert_eq!(demo.route(&id("R3"), dialled), Dialled::Unknown, "{dialled:?}");
    }
}

#[test]
fn a_person_is_called_at_the_desk_first_and_written_to_by_mobile() {
    let demo = demo();
    let li = &demo.people["li.qingsong"];
    let mobile = Contact::Phone("+8619900000115".into());
    assert_eq!(li.callable(), [Contact::Extension(id("5001")), mobile.clone()]);
    assert_eq!(li.messaged(), Some(mobile));
    let mut nobody = li.clone();
    nobody.contacts = Default::default();
    assert_eq!((nobody.callable(), nobody.messaged()), (vec![], None));
}

#[test]
fn a_sites_duty_is_a_roster_of_its_own() {
    let demo = demo();
    let duty = demo.members(&RosterName::SiteDuty, &id("R3"));
    let [first, second] = duty.as_slice() else { panic!("{duty:?}") };
    assert_eq!((first.person.as_str(), second.person.as_str()), ("li.qingsong", "gao.yanfei"));
    assert_eq!(first.substitutes, [id("gao.yanfei")]);
    assert_eq!(second.substitutes, []);
    let heads = RosterName::Fixed(id("village.heads"));
    assert_eq!(demo.members(&heads, &id("R3")).len(), 8);
}
