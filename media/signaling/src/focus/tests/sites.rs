//! One conference over several sites: cut, and whole again.

use super::*;

/// A root, two branches, and the links between.
struct Net {
    sites: BTreeMap<SiteId, Bench>,
    links: BTreeSet<SiteId>,
}

const BRANCHES: [&str; 2] = ["R1", "R2"];

fn members() -> Vec<Invited> {
    vec![
        person("HQ", "chief", &["5001"]),
        person("HQ", "li", &["5002"]),
        person("R1", "wang", &["5101"]),
        person("R1", "zhao", &["5102"]),
        person("R2", "sun", &["5201"]),
    ]
}

impl Net {
    fn new() -> Self {
        let branches: BTreeSet<SiteId> = BRANCHES.map(site).into();
        let mut sites = BTreeMap::new();
        for name in ["HQ", "R1", "R2"] {
            let place = match name {
                "HQ" => Place::Root { branches: branches.clone() },
                _ => Place::Branch { root: site("HQ") },
            };
            let setup = Setup { site: site(name), place, ..setup(members()) };
            sites.insert(site(name), Bench::new(setup));
        }
        let mut net = Self { sites, links: BTreeSet::new() };
        BRANCHES.iter().for_each(|name| net.link(name, true));
        net
    }

    fn at(&mut self, name: &str) -> &mut Bench {
        self.sites.get_mut(name).unwrap()
    }

    fn link(&mut self, branch: &str, up: bool) {
        let (root, far) = (site("HQ"), site(branch));
        if up {
            self.links.insert(far.clone());
            self.at("HQ").step(Input::Linked { site: far });
            self.at(branch).step(Input::Linked { site: root });
        } else {
            self.links.remove(&far);
            self.at("HQ").step(Input::Cut { site: far });
            self.at(branch).step(Input::Cut { site: root });
        }
        self.settle();
    }

    fn is_up(&self, one: &SiteId, other: &SiteId) -> bool {
        self.links.contains(one) || self.links.contains(other)
    }

    /// What was told arrives, if the link is there; trunks open.
    fn deliver(&mut self) -> bool {
        let mut any = false;
        for name in self.sites.keys().cloned().collect::<Vec<SiteId>>() {
            for (to, picture) in std::mem::take(&mut self.at(name.as_str()).told) {
                if self.is_up(&name, &to) {
                    any = true;
                    self.at(to.as_str()).step(Input::Told(Box::new(picture)));
                }
            }
        }
        for name in BRANCHES {
            let asked = self.at(name).trunks.contains(&site("HQ"));
            let open = self.at("HQ").trunks.contains(&site(name));
            if asked && !open && self.links.contains(&site(name)) {
                self.at("HQ").trunks.insert(site(name));
                self.at("HQ").step(Input::Trunk { site: site(name), up: true });
                self.at(name).step(Input::Trunk { site: site("HQ"), up: true });
            } else if open && !asked {
                self.at("HQ").trunks.remove(&site(name));
                self.at("HQ").step(Input::Trunk { site: site(name), up: false });
            }
        }
        any
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            for _ in 0..20 {
                if !self.deliver() {
                    break;
                }
            }
            self.sites.values_mut().for_each(|bench| bench.wait(100));
        }
    }

    /// Everybody who is rung answers.
    fn all_answer(&mut self) {
        for bench in self.sites.values_mut() {
            bench.place_all();
            let lines = bench.lines.iter().filter(|(_, line)| line.seat.is_none());
            for leg in lines.map(|(leg, _)| *leg).collect::<Vec<LegId>>() {
                bench.hear_leg(leg, Event::Answered);
            }
        }
        self.settle();
    }

    fn joined(&self) -> Vec<u32> {
        self.sites.values().map(|bench| bench.focus.joined()).collect()
    }

    fn is_clean(&self) {
        self.sites.values().for_each(Bench::is_clean);
    }
}

#[test]
fn each_site_rings_its_own_and_all_know_all() {
    let mut net = Net::new();
    net.all_answer();
    assert_eq!(net.joined(), [5, 5, 5]);
    for name in BRANCHES {
        assert!(net.at(name).trunks.contains(&site("HQ")));
        assert!(net.at("HQ").trunks.contains(&site(name)));
    }
    assert!(net.sites.values().all(|bench| bench.focus.missing().is_empty()));
    assert_eq!(net.at("R1").rung, ["wang", "zhao"]);
    net.is_clean();
}

#[test]
fn people_of_a_cut_site_stay_and_join_again_by_themselves() {
    let mut net = Net::new();
    net.all_answer();
    net.link("R1", false);
    assert_eq!(net.joined(), [3, 2, 3]);
    assert_eq!(net.at("R1").heard(), ["5101", "5102"], "they hear each other");
    assert_eq!(net.at("R1").focus.missing(), ["HQ", "R2"].map(site).into());
    assert_eq!(net.at("HQ").focus.missing(), [site("R1")].into());
    assert_eq!(net.at("R2").focus.missing(), [site("R1")].into());
    assert!(!net.at("HQ").trunks.contains(&site("R1")));
    assert!(net.at("HQ").reports.contains(&Report::Missing { site: site("R1") }));

    net.link("R1", true);
    assert_eq!(net.joined(), [5, 5, 5]);
    assert!(net.at("HQ").trunks.contains(&site("R1")));
    // Nobody was rung a second time.
    assert_eq!(net.sites.values().map(|bench| bench.rung.len()).sum::<usize>(), 5);
    net.is_clean();
}

#[test]
fn a_trunk_that_fails_is_asked_for_again() {
    let mut net = Net::new();
    net.all_answer();
    let hq = site("HQ");
    let town = net.at("R1");
    town.trunks.remove(&hq);
    town.step(Input::Trunk { site: hq.clone(), up: false });
    assert!(!town.trunks.contains(&hq));
    town.wait(5_000);
    assert!(town.trunks.contains(&hq));
    // Nobody answers this time.
    town.wait(5_000);
    assert!(!town.trunks.contains(&hq));
    town.wait(10_000);
    assert!(town.trunks.contains(&hq));
    net.is_clean();
}

#[test]
fn a_branch_where_nobody_is_in_needs_no_trunk() {
    let mut net = Net::new();
    net.all_answer();
    net.at("R2").hear("5201", Event::Ended);
    net.settle();
    assert!(net.at("R2").trunks.is_empty());
    assert!(!net.at("HQ").trunks.contains(&site("R2")));
    net.at("R2").call_in("5201");
    net.settle();
    assert!(net.at("HQ").trunks.contains(&site("R2")));
    net.is_clean();
}

#[test]
fn an_order_anywhere_is_followed_everywhere() {
    let mut net = Net::new();
    net.all_answer();
    net.at("R2").order(Order::Mute { who: "wang".into(), mute: true });
    net.settle();
    assert_eq!(net.at("R1").sits(true), ["5101"]);
    net.at("HQ").order(Order::Lecture(true));
    net.settle();
    assert_eq!(net.at("HQ").heard(), ["5001"]);
    assert!(net.at("R1").heard().is_empty() && net.at("R2").heard().is_empty());
    net.at("R1").order(Order::End);
    net.settle();
    assert!(net.sites.values().all(|bench| bench.over && bench.lines.is_empty()));
    assert!(net.sites.values().all(|bench| bench.trunks.is_empty()));
    net.is_clean();
}

/// Both sides order something while they are cut off from each other.
#[test]
fn of_two_orders_in_a_cut_the_higher_rank_wins_on_both_sides() {
    for (here, there, locked) in [(1, 2, true), (2, 1, false), (1, 1, false)] {
        let mut net = Net::new();
        net.all_answer();
        net.link("R1", false);
        net.at("R1").step(Input::Order { order: Order::Lock(true), rank: there });
        for mute in [true, false, true] {
            let order = Order::Mute { who: "li".into(), mute };
            net.at("HQ").step(Input::Order { order, rank: here });
        }
        net.link("R1", true);
        let rules: Vec<Rules> = net.sites.values().map(|b| b.focus.rules().clone()).collect();
        assert_eq!(rules[0].locked, locked, "{here} against {there}");
        assert_eq!(rules[0].muted.contains("li"), !locked);
        assert!(rules.iter().all(|one| *one == rules[0]), "{rules:?}");
        net.is_clean();
    }
}

/// What only one side ordered holds, whatever its rank.
#[test]
fn an_order_of_one_side_alone_holds_after_the_cut() {
    let mut net = Net::new();
    net.all_answer();
    net.at("HQ").step(Input::Order { order: Order::Lecture(true), rank: 9 });
    net.settle();
    net.link("R1", false);
    net.at("R1").step(Input::Order { order: Order::Lecture(false), rank: 0 });
    assert_eq!(net.at("R1").heard().len(), 2, "they talk among themselves");
    net.link("R1", true);
    assert!(net.sites.values().all(|bench| !bench.focus.rules().lecture));
}

/// Wang drove to another site while his own was cut off.
#[test]
fn whoever_has_joined_elsewhere_is_not_rung_and_sits_once() {
    let mut net = Net::new();
    net.at("R1").place_all();
    net.link("R1", false);
    let guest = Order::Invite(person("HQ", "wang", &["139"]));
    net.at("HQ").order(guest);
    net.at("HQ").answer("139");
    net.link("R1", true);
    assert_eq!(net.at("R1").state("wang"), State::Elsewhere);
    assert!(!net.at("R1").lines.values().any(|line| line.who == "wang"));
    net.at("R1").wait(3_600_000);
    assert_eq!(net.at("R1").rung, ["wang", "zhao", "zhao", "zhao", "zhao"]);

    // Both: the root's stays.
    let mut net = Net::new();
    net.all_answer();
    net.link("R1", false);
    net.at("HQ").order(Order::Invite(person("HQ", "wang", &["139"])));
    net.at("HQ").answer("139");
    net.link("R1", true);
    assert_eq!(net.at("R1").heard(), ["5102"]);
    assert!(net.at("HQ").heard().contains(&"139"));
    assert_eq!(net.joined(), [5, 5, 5]);
    net.is_clean();
}

#[test]
fn a_site_that_missed_the_end_is_told_by_the_last_picture() {
    let mut net = Net::new();
    net.all_answer();
    net.link("R1", false);
    net.at("HQ").order(Order::End);
    net.settle();
    assert_eq!(net.at("R1").heard().len(), 2);
    let last = net.at("HQ").focus.picture(&site("R1"));
    net.at("R1").step(Input::Linked { site: site("HQ") });
    net.at("R1").step(Input::Told(Box::new(last)));
    assert!(net.at("R1").over && net.at("R1").lines.is_empty());
    net.is_clean();
}

/// The link broke while the order was on its way.
#[test]
fn what_was_lost_with_a_link_is_told_again() {
    let mut net = Net::new();
    net.all_answer();
    net.at("HQ").order(Order::Lecture(true));
    net.at("HQ").told.clear();
    net.link("R1", false);
    assert_eq!(net.at("R1").heard().len(), 2);
    net.link("R1", true);
    assert!(net.at("R1").heard().is_empty());
}

/// It could be reached only hours after people were called together.
#[test]
fn a_branch_that_comes_too_late_rings_nobody_by_itself() {
    let place = Place::Branch { root: site("HQ") };
    let late = Setup { site: site("R1"), place, rings: false, ..setup(members()) };
    let mut town = Bench::new(late);
    town.wait(3_600_000);
    assert_eq!((town.rung.len(), town.state("wang")), (0, State::Invited));
    // Whoever calls in joins, and whoever a person asks for is rung.
    town.call_in("5101");
    town.order(Order::Redial { who: "zhao".into() });
    town.answer("5102");
    assert_eq!(town.heard().len(), 2);
    assert_eq!(town.rung, ["zhao"]);
    town.is_clean();
}

#[test]
fn a_branch_that_its_root_has_forgotten_lasts_until_it_is_empty() {
    let mut net = Net::new();
    net.all_answer();
    let town = net.at("R1");
    town.step(Input::Orphaned(true));
    assert_eq!(town.focus.missing(), ["HQ", "R2"].map(site).into());
    assert!(town.trunks.is_empty());
    // The link alone brings nothing back.
    town.step(Input::Linked { site: site("HQ") });
    assert_eq!(town.focus.joined(), 2);
    town.wait(3_600_000);
    assert_eq!(town.heard().len(), 2, "they talk for as long as they like");
    town.hear("5101", Event::Ended);
    town.hear("5102", Event::Ended);
    town.wait(59_000);
    assert!(!town.over);
    let back = town.call_in("5101");
    town.wait(61_000);
    assert!(!town.over);
    town.hear_leg(back, Event::Ended);
    town.wait(61_000);
    assert!(town.over, "nobody came back");
    assert!(!town.focus.rules().ended, "it ends nothing elsewhere");
    net.is_clean();
}

#[test]
fn a_root_that_knows_again_takes_its_branch_back() {
    let mut net = Net::new();
    net.all_answer();
    net.at("R1").step(Input::Orphaned(true));
    net.link("R1", false);
    net.at("R1").step(Input::Orphaned(false));
    net.link("R1", true);
    net.settle();
    assert_eq!(net.joined(), [5, 5, 5]);
    net.is_clean();
}

/// A guest of a site that had no part so far.
#[test]
fn one_more_site_takes_part() {
    let mut net = Net::new();
    net.all_answer();
    let root = net.at("HQ");
    root.step(Input::Branch { site: site("R3") });
    assert_eq!(root.focus.missing(), [site("R3")].into());
    root.step(Input::Linked { site: site("R3") });
    let (to, _) = root.told.last().unwrap();
    assert_eq!(*to, site("R3"));
    root.order(Order::End);
    root.wait(10_000);
    let ended = |record: &&Record| matches!(record, Record::Ended { joined: 5, .. });
    assert_eq!(root.records.iter().filter(ended).count(), 1, "{:?}", root.records);
    // Only a root has branches.
    let town = net.at("R1");
    let before = town.focus.missing();
    town.step(Input::Branch { site: site("R3") });
    assert_eq!(town.focus.missing(), before);
}
