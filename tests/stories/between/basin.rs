//! Who sits where in these stories, the tone that each speaks, and the directory that
//! says so. The tones lie at least 100 Hz apart, none near those of keys, and neither
//! twice, thrice, the sum nor the difference of others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::people::People;
use weir_tests::wait::eventually_every;

use super::sites::{HQ, LOOK, R3, R5, RC, Site};

/// A person, their number and their tone.
pub(super) type Speaker = (&'static str, &'static str, u32);

pub(super) const NINE: [Speaker; 9] = [
    ("hq.a", "1101", 470),
    ("hq.b", "1102", 610),
    ("rc.a", "2101", 730),
    ("rc.b", "2102", 900),
    ("r3.a", "5101", 1_000),
    ("r3.b", "5102", 1_130),
    ("r3.c", "5103", 1_550),
    ("r5.a", "7101", 1_700),
    ("r5.b", "7102", 1_920),
];
/// On the rosters too, and turns the plan's call down.
pub(super) const TENTH: Speaker = ("hq.c", "1103", 340);
/// Has a telephone and is not plugged in.
pub(super) const ABSENT: &str = "1104";
/// What others dial to come into the plan's room.
pub(super) const ROOM: &str = "1500";
pub(super) const SITES: [Site; 4] = [HQ, RC, R3, R5];

const HEAD: &str = r#"
[[person]]
id = "lin.guodong"
name = "林国栋"
roles = [{ role = "commander", sites = "all" }]

[[site]]
id = "HQ"
name_zh = "流域防汛指挥中心"
name_en = "Basin flood command"
prefix = "1"
class = "headquarters"
nodes = ["hq1"]
links = [{ to = "RC", kind = "fibre", rtt_ms = 4, up_kbps = 1_000_000, down_kbps = 1_000_000 }]

[[site]]
id = "RC"
name_zh = "云石市区域指挥中心"
name_en = "Yunshi regional command"
prefix = "2"
class = "regional"
nodes = ["rc1"]

[[site]]
id = "R3"
name_zh = "青峰水库"
name_en = "Qingfeng reservoir"
prefix = "5"
class = "reservoir"
nodes = ["r3"]
links = [{ to = "RC", kind = "microwave", rtt_ms = 14, up_kbps = 16_000, down_kbps = 16_000 }]

[[site]]
id = "R5"
name_zh = "云岭水库"
name_en = "Yunling reservoir"
prefix = "7"
class = "reservoir"
nodes = ["r5"]

[[site.links]]
to = "RC"
kind = "geo"
rtt_ms = 600
up_kbps = 512
down_kbps = 256
loss_ppm = 15_000
metered = true

[[site.links]]
to = "HQ"
kind = "geo"
rtt_ms = 600
up_kbps = 512
down_kbps = 256
loss_ppm = 15_000
metered = true
"#;

/// `P-talk` brings all ten together by key, `P-at-once` without one.
const PLANS: &str = r#"
[[plan]]
id = "P-talk"
name_zh = "应急会商"
name_en = "Emergency conference"
level = "orange"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "conference.open"
room = "500"
rosters = ["HQ.talk", "RC.talk", "R3.talk", "R5.talk"]
min_join = 9
wait_s = 60
confirm = 1
island_ok = true

[[plan]]
id = "P-at-once"
name_zh = "应急会商(免确认)"
name_en = "Emergency conference, without a key"
level = "orange"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "conference.open"
room = "500"
rosters = ["HQ.talk", "RC.talk", "R3.talk", "R5.talk"]
min_join = 9
wait_s = 60
island_ok = true
"#;

fn site_of(number: &str) -> Result<Site> {
    let site = SITES.into_iter().find(|site| number.starts_with(site.prefix));
    site.with_context(|| format!("{number} belongs to no site"))
}

fn telephone(number: &str) -> Result<String> {
    let site = site_of(number)?.id;
    Ok(format!("\n[[extension]]\nnumber = {number:?}\nsite = {site:?}\nkind = \"desk_phone\"\n"))
}

/// The four sites, ten people with telephones, a telephone too many, and the plans.
pub(super) fn directory() -> Result<String> {
    Ok(people()? + PLANS)
}

/// The same without plans.
pub(super) fn people() -> Result<String> {
    let mut text = HEAD.to_owned() + &telephone(ABSENT)?;
    for (person, number, _) in NINE.iter().chain([&TENTH]) {
        text += &format!(
            "\n[[person]]\nid = {person:?}\nname = {person:?}\n\
             contacts = {{ extension = {number:?} }}\n"
        );
        text += &telephone(number)?;
    }
    for site in SITES {
        let own = NINE.iter().chain([&TENTH]).filter(|one| one.1.starts_with(site.prefix));
        let members: Vec<_> = own.map(|one| format!("{{ person = {:?} }}", one.0)).collect();
        text += &format!(
            "\n[[roster]]\nid = \"{}.talk\"\nsite = {:?}\nmembers = [{}]\n",
            site.id,
            site.id,
            members.join(", ")
        );
    }
    Ok(text)
}

/// What each of them should hear when they all talk together: the others.
pub(super) fn each_other(speakers: &[Speaker]) -> BTreeMap<String, BTreeSet<u32>> {
    let others = |own: u32| speakers.iter().map(|one| one.2).filter(|hz| *hz != own).collect();
    speakers.iter().map(|one| (one.1.to_owned(), others(one.2))).collect()
}

/// Waits until everybody listed hears exactly these tones, steadily.
pub(super) async fn all_hear(
    people: &People,
    what: &str,
    patience: Duration,
    expected: &BTreeMap<String, BTreeSet<u32>>,
) -> Result<()> {
    eventually_every(LOOK, what, patience, async || {
        let talks = people.talks()?;
        let mut wrong = Vec::new();
        for (number, tones) in expected {
            let hears = talks.get(number).and_then(|talk| talk.hears());
            if hears != Some(tones) {
                wrong.push(format!("{number} hears {hears:?}, not {tones:?}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    })
    .await
}
