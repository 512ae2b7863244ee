//! The sites of a run: who belongs where, which zones there are, what may be
//! launched. Keys come from the node's number, so that signatures are real and
//! the same in every run.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use ring::signature::{Ed25519KeyPair, KeyPair};
use weir_consensus::store::AppliedView;
use weir_link::PublicKey;
use weir_model::codec;
use weir_model::decision::{Member, Role};
use weir_model::directory::{
    Authority, CallMode, CallRoster, ConferenceOpen, Contacts, Directory, Evidence, Grade, Level,
    Member as Listed, Message, Need, PaPlay, Person, Plan, Record, Role as Held, RoleKind, Roster,
    RosterName, Scope, Site, SiteClass, Sound, Step, StepKind, Zone, ZoneName,
};
use weir_model::id::{
    Extension, NodeId, NodeName, PersonId, PlanId, RosterId, SiteId, StepId, ZoneId,
};
use weir_model::intent::{Intent, SignedIntent};
use weir_model::state::State;

/// People who may launch.
pub(super) const PEOPLE: [&str; 4] = ["wang", "li", "chen", "zhao"];
/// Evacuation, an alert in three steps, an all-clear, calls and messages, a
/// conference.
pub(super) const PLANS: [&str; 5] = ["P-red", "P-orange", "P-clear", "P-people", "P-meet"];
/// Who is called and written to. The last stands in for the others.
pub(super) const HEADS: [&str; 3] = ["jiang", "hu", "gao"];
/// How many a conference wants.
pub const MIN_JOIN: u32 = 2;
const ROOM: &str = "500";
const ZONES_A_SITE: u64 = 2;

/// See the module.
pub struct Fixture {
    pub homes: BTreeMap<NodeId, SiteId>,
    pub directory: Arc<Directory>,
    members: BTreeMap<NodeId, Member>,
    keys: BTreeMap<NodeId, Ed25519KeyPair>,
}

/// Whose devices a zone's are.
pub(super) fn zone_of(site: u64, zone: u64) -> anyhow::Result<ZoneId> {
    Ok(ZoneId::new(format!("{site}40{zone}"))?)
}

/// Where a site's conference is held.
pub(super) fn room_of(site: u64) -> anyhow::Result<Extension> {
    Ok(Extension::new(format!("{site}{ROOM}"))?)
}

fn site_of(site: u64) -> anyhow::Result<SiteId> {
    Ok(SiteId::new(format!("R{site}"))?)
}

fn step(id: &str, kind: StepKind) -> anyhow::Result<Step> {
    Ok(Step { id: StepId::new(id)?, kind, group: None, island_ok: true })
}

fn page(id: &str) -> anyhow::Result<Step> {
    let zones = vec![ZoneName::try_from("$SITE*".to_owned())?];
    let evidence = Some(Evidence { grade: Grade::Receiving, within_s: 10 });
    let sound = Sound::Text("转移".into());
    step(id, StepKind::PaPlay(PaPlay { zones, sound, repeat: 2, evidence }))
}

fn plan(id: &str, level: Level, steps: Vec<Step>) -> anyhow::Result<Record> {
    Ok(Record::Plan(Plan {
        id: PlanId::new(id)?,
        name_zh: id.into(),
        name_en: id.into(),
        level,
        authority: vec![Authority { role: RoleKind::Commander, own_site: false }],
        two_person: false,
        steps,
        version: 1,
    }))
}

fn person(id: &str) -> anyhow::Result<Record> {
    let roles = vec![Held { role: RoleKind::Commander, sites: Scope::All }];
    let (name, contacts) = (id.into(), Contacts::default());
    Ok(Record::Person(Person { id: PersonId::new(id)?, name, roles, rank: 5, contacts }))
}

fn head(id: &str) -> anyhow::Result<Record> {
    let (id, name) = (PersonId::new(id)?, id.to_owned());
    let contacts = Contacts { mobile: Some("+8619900000001".into()), ..Contacts::default() };
    Ok(Record::Person(Person { id, name, roles: Vec::new(), rank: 9, contacts }))
}

/// Everybody at once; who stands in for two of them is on the list too.
fn people() -> anyhow::Result<Vec<Record>> {
    let stands_in = PersonId::new(HEADS[2])?;
    let mut members = Vec::new();
    for id in HEADS {
        let person = PersonId::new(id)?;
        let substitutes = [&stands_in].into_iter().filter(|one| **one != person).cloned();
        members.push(Listed { substitutes: substitutes.collect(), person });
    }
    let roster = RosterId::new("heads")?;
    let named = RosterName::Fixed(roster.clone());
    let calls = step(
        "s1",
        StepKind::CallRoster(CallRoster {
            roster: named.clone(),
            sound: Sound::Text("转移".into()),
            ack: 1,
            mode: CallMode::Parallel,
            timeout_s: 10,
            retry: 1,
            need: Need::All,
        }),
    )?;
    let text = Message { roster: named, text_zh: "转移".into(), text_en: None };
    let messages = step("s2", StepKind::Message(text))?;
    let mut records = vec![
        Record::Roster(Roster { id: roster, site: None, members }),
        plan(PLANS[3], Level::Orange, vec![calls, messages])?,
    ];
    for id in HEADS {
        records.push(head(id)?);
    }
    Ok(records)
}

/// The same people in one room, and something after it.
fn meeting() -> anyhow::Result<Record> {
    let rosters = vec![RosterName::Fixed(RosterId::new("heads")?)];
    let (room, min_join, wait_s, confirm) = (ROOM.to_owned(), MIN_JOIN, 10, None);
    let meeting = ConferenceOpen { room, rosters, min_join, wait_s, confirm };
    let then = step("s2", StepKind::Delay { s: 30 })?;
    plan(PLANS[4], Level::Orange, vec![step("s1", StepKind::ConferenceOpen(meeting))?, then])
}

fn place(site: u64) -> anyhow::Result<Vec<Record>> {
    let id = site_of(site)?;
    let mut records = vec![Record::Site(Site {
        id: id.clone(),
        name_zh: id.to_string(),
        name_en: None,
        prefix: site.to_string(),
        class: SiteClass::Reservoir,
        links: Vec::new(),
        nodes: Vec::new(),
    })];
    for zone in 1..=ZONES_A_SITE {
        let zone = zone_of(site, zone)?;
        records.push(Record::Zone(Zone {
            id: zone.clone(),
            site: id.clone(),
            name_zh: zone.to_string(),
            name_en: zone.to_string(),
            speakers: Vec::new(),
        }));
    }
    Ok(records)
}

fn directory(sites: u64) -> anyhow::Result<Directory> {
    let mut all = Directory { version: 1, ..Directory::default() };
    for site in 1..=sites {
        place(site)?.into_iter().for_each(|record| all.put_record(record));
    }
    for id in PEOPLE {
        all.put_record(person(id)?);
    }
    people()?.into_iter().for_each(|record| all.put_record(record));
    all.put_record(meeting()?);
    let delay = step("s2", StepKind::Delay { s: 4 })?;
    all.put_record(plan("P-red", Level::Red, vec![page("s1")?])?);
    all.put_record(plan("P-orange", Level::Orange, vec![page("s1")?, delay, page("s3")?])?);
    all.put_record(plan("P-clear", Level::Clear, vec![page("s1")?])?);
    Ok(all)
}

impl Fixture {
    /// One node a site; the first `voters` of them keep others' journals.
    ///
    /// # Errors
    /// When a name in here is not a name.
    pub fn new(sites: u64, voters: u64) -> anyhow::Result<Self> {
        let (mut members, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for number in 1..=sites {
            let id = NodeId(number);
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_be_bytes());
            let key = Ed25519KeyPair::from_seed_unchecked(&seed)
                .map_err(|_| anyhow::anyhow!("not a seed of a key"))?;
            let public: [u8; 32] = key.public_key().as_ref().try_into()?;
            let member = Member {
                id,
                name: NodeName::new(format!("n{number}"))?,
                site: site_of(number)?,
                role: if number <= voters { Role::Voter } else { Role::Learner },
                addresses: Vec::new(),
                public_key: PublicKey(public).to_spki_der(),
                satellite: number > voters,
            };
            members.insert(id, member);
            keys.insert(id, key);
        }
        let homes = members.iter().map(|(id, member)| (*id, member.site.clone())).collect();
        Ok(Self { homes, directory: Arc::new(directory(sites)?), members, keys })
    }

    /// What everybody has agreed on, as a node sees it at this index.
    pub fn agreed(&self, applied: u64) -> AppliedView {
        let state = State {
            members: Arc::new(self.members.clone()),
            directory: self.directory.clone(),
            ..State::default()
        };
        let is_voter = |id: &&NodeId| self.members.get(id).is_some_and(|m| m.role == Role::Voter);
        let voters = self.members.keys().filter(is_voter).copied().collect();
        AppliedView { state, applied, voters, ..AppliedView::default() }
    }

    /// Signs an intent as the node that it names would.
    ///
    /// # Errors
    /// When no such node is here.
    pub fn sign(&self, intent: &Intent) -> anyhow::Result<SignedIntent> {
        let bytes = codec::encode(intent)?;
        let key = self.keys.get(&intent.via).context("an intent of an unknown node")?;
        let signature = key.sign(&bytes).as_ref().to_vec();
        Ok(SignedIntent::new(bytes, signature, intent.via))
    }

    /// Whether no other site keeps this node's journal.
    pub fn ships_nowhere(&self, node: NodeId) -> bool {
        let others = self.members.values().filter(|member| member.id != node);
        !others.into_iter().any(|member| member.role == Role::Voter)
    }

    /// The site that drives a zone.
    pub fn drives(&self, zone: &ZoneId) -> Option<&SiteId> {
        self.directory.zones.get(zone).map(|zone| &zone.site)
    }
}
