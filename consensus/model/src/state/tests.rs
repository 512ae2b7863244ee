//! What the cluster agrees on, told as stories: the log is a list of proposals.

use super::*;
use crate::decision::{Answer, Author, Candidate, Decision, Outcome, Proposal};
use crate::id::{NodeName, RequestKey, SiteId};
use crate::refusal::Refusal;

struct Log {
    state: State,
    answers: Answers,
    index: u64,
}

fn candidate(name: &str, role: Role, satellite: bool) -> Candidate {
    Candidate {
        name: NodeName::new(name).unwrap(),
        site: SiteId::new("HQ").unwrap(),
        role,
        addresses: vec![],
        public_key: name.as_bytes().to_vec(),
        satellite,
    }
}

fn key(number: u64) -> RequestKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    RequestKey(key)
}

impl Log {
    fn founded() -> Self {
        let mut log = Self { state: State::default(), answers: Answers::default(), index: 0 };
        let first = candidate("hq1", Role::Voter, false);
        let cluster = ClusterId([1; 16]);
        log.from(1, Decision::Found { cluster, profile: Profile::Lan, first }).unwrap();
        log
    }

    fn propose(&mut self, proposal: &Proposal) -> Answer {
        self.index += 1;
        self.state.apply(&mut self.answers, self.index, proposal).answer
    }

    fn from(&mut self, node: u64, decision: Decision) -> Result<Outcome, Refusal> {
        let proposal = Proposal {
            key: key(self.index),
            since: self.index,
            at: WallMs(1000 * self.index),
            author: Author { node: NodeId(node), person: None },
            decision,
        };
        self.propose(&proposal).result
    }

    fn mint(&mut self, by: u64, secret: u8, role: Role) -> Result<Outcome, Refusal> {
        let secret_hash = Hash([secret; 32]);
        self.from(by, Decision::MintToken { secret_hash, role, expires: WallMs(60_000) })
    }

    fn join(&mut self, secret: u8, candidate: Candidate) -> Result<Outcome, Refusal> {
        self.from(1, Decision::Join { secret_hash: Hash([secret; 32]), candidate })
    }
}

#[test]
fn a_proposal_sent_again_is_answered_again_and_carried_out_once() {
    let mut log = Log::founded();
    let proposal = Proposal {
        key: key(77),
        since: 1,
        at: WallMs(5),
        author: Author { node: NodeId(1), person: None },
        decision: Decision::Post { key: "gate".into(), text: "30%".into() },
    };
    let first = log.propose(&proposal);
    assert_eq!(log.propose(&proposal), first);
    assert_eq!(log.state.board["gate"].revision, 1);
}

#[test]
fn a_stolen_site_node_lets_nobody_in_and_throws_nobody_out() {
    let mut log = Log::founded();
    log.mint(1, 9, Role::Learner).unwrap();
    log.join(9, candidate("r5", Role::Learner, true)).unwrap();
    assert_eq!(log.mint(2, 8, Role::Voter), Err(Refusal::VotersOnly));
    let removal = Decision::RemoveMember { node: NodeId(1) };
    assert_eq!(log.from(2, removal), Err(Refusal::VotersOnly));
    assert_eq!(log.state.members.len(), 2);
}

#[test]
fn a_learners_token_makes_no_voter_and_a_satellite_never_votes() {
    let mut log = Log::founded();
    log.mint(1, 9, Role::Learner).unwrap();
    let voter = candidate("rc1", Role::Voter, false);
    assert_eq!(log.join(9, voter), Err(Refusal::TokenRole { allows: Role::Learner }));
    log.mint(1, 8, Role::Voter).unwrap();
    let dish = candidate("r5", Role::Voter, true);
    assert_eq!(log.join(8, dish), Err(Refusal::SatelliteVoter));
}

#[test]
fn a_token_opens_once_and_only_in_time() {
    let mut log = Log::founded();
    log.mint(1, 9, Role::Learner).unwrap();
    let joined = log.join(9, candidate("r4", Role::Learner, true));
    assert_eq!(joined, Ok(Outcome::Joined { node: NodeId(2) }));
    // The same node asks again: its first answer was lost.
    assert_eq!(log.join(9, candidate("r4", Role::Learner, true)), joined);
    let other = log.join(9, candidate("r6", Role::Learner, true));
    assert_eq!(other, Err(Refusal::TokenUsed { by: NodeId(2) }));
    log.mint(1, 7, Role::Learner).unwrap();
    log.index = 61;
    let late = log.join(7, candidate("r6", Role::Learner, true));
    assert_eq!(late, Err(Refusal::TokenExpired { expired: WallMs(60_000) }));
}

#[test]
fn a_full_board_gives_up_its_oldest_wiped_line_first() {
    let mut log = Log::founded();
    let post = |key: String, text: &str| Decision::Post { key, text: text.into() };
    for number in 0..BOARD_LINES {
        log.from(1, post(format!("line-{number}"), "x")).unwrap();
    }
    let full = Err(Refusal::BoardFull { most: BOARD_LINES });
    assert_eq!(log.from(1, post("one more".into(), "x")), full);
    log.from(1, post("line-7".into(), "")).unwrap();
    log.from(1, post("one more".into(), "x")).unwrap();
    assert!(!log.state.board.contains_key("line-7"));
    assert_eq!(log.state.board.len(), BOARD_LINES);
}

#[test]
fn a_state_reads_back_as_it_was_kept() {
    let mut log = Log::founded();
    log.mint(1, 9, Role::Learner).unwrap();
    log.join(9, candidate("r5", Role::Learner, true)).unwrap();
    log.from(1, Decision::Post { key: "gate".into(), text: "闸门 30%".into() }).unwrap();
    let pairs = log.state.encode_all(&log.answers).unwrap();
    let (state, answers) = State::decode_all(pairs.iter().map(|(k, r)| (k, r))).unwrap();
    assert_eq!((state, answers), (log.state, log.answers));
}

fn with_a_phone() -> Log {
    use crate::directory::{Change, ChangeSet, ExtensionKind, ExtensionRecord, Record};
    let mut log = Log::founded();
    let site = crate::directory::Site {
        id: SiteId::new("HQ").unwrap(),
        name_zh: "总部".into(),
        name_en: None,
        prefix: "1".into(),
        class: crate::directory::SiteClass::Headquarters,
        links: vec![],
        nodes: vec![],
    };
    let phone = ExtensionRecord {
        number: Extension::new("1001").unwrap(),
        site: site.id.clone(),
        kind: ExtensionKind::DeskPhone,
        owner: None,
    };
    let changes = [Record::Site(site), Record::Extension(phone)].map(Change::Put).to_vec();
    log.from(1, Decision::EditDirectory { based_on: 0, changes: ChangeSet { changes } }).unwrap();
    log
}

#[test]
fn a_device_gets_a_secret_only_where_a_number_is() {
    let mut log = with_a_phone();
    let secret = SipSecret { md5: [1; 16], sha256: [2; 32] };
    let set = |number: &str| Decision::Secrets {
        secrets: vec![(Extension::new(number).unwrap(), secret.clone())],
    };
    assert_eq!(log.from(1, set("1001")), Ok(Outcome::Secrets));
    let refused = log.from(1, set("1999")).unwrap_err();
    assert_eq!(refused.code(), "number-unknown");
    assert_eq!(log.state.secrets.len(), 1);
    // Nobody reads a secret in a log.
    assert!(!format!("{:?}", log.state).contains("[1, 1"));
    let (back, _) = State::decode_all(log.state.encode_all(&log.answers).unwrap()).unwrap();
    assert_eq!(back, log.state);
}

#[test]
fn a_full_table_of_sounds_forgets_only_what_nothing_names() {
    let mut log = with_a_phone();
    let rendering = |n: u64| Rendering {
        file: Hash::of(&[&n.to_be_bytes()]),
        bytes: 1,
        ms: 1,
        codecs: vec![],
        by: NodeId(1),
    };
    let of = |n: u64| Hash::of(&[b"of", &n.to_be_bytes()]);
    let all = (0..RENDERINGS as u64).map(|n| (of(n), rendering(n))).collect();
    log.from(1, Decision::Stage { renderings: all }).unwrap();
    assert_eq!(log.state.renderings.len(), RENDERINGS);
    let one_more = vec![(of(1 << 20), rendering(1))];
    log.from(1, Decision::Stage { renderings: one_more }).unwrap();
    assert_eq!(log.state.renderings.len(), 1);
    let (back, _) = State::decode_all(log.state.encode_all(&log.answers).unwrap()).unwrap();
    assert_eq!(back, log.state);
}

/// A password is somebody's of the directory, is kept under its own key, comes
/// back from storage, and never shows in what a log prints.
#[test]
fn a_password_is_kept_for_people_of_the_directory_and_never_printed() {
    use crate::directory::{Change, ChangeSet, Contacts, Person, Record as Kept};
    let mut log = Log::founded();
    let person = PersonId::new("li").unwrap();
    let phc = Phc::new("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA");
    let set = |phc: &Phc| Decision::SetPassword { person: person.clone(), phc: phc.clone() };
    assert!(matches!(log.from(1, set(&phc)), Err(Refusal::PersonUnknown { .. })));

    let li = Person {
        id: person.clone(),
        name: "li".into(),
        roles: vec![],
        rank: 9,
        contacts: Contacts::default(),
    };
    let changes = ChangeSet { changes: vec![Change::Put(Kept::Person(li))] };
    log.from(1, Decision::EditDirectory { based_on: 0, changes }).unwrap();
    assert_eq!(log.from(1, set(&Phc::new("secret"))), Err(Refusal::PasswordForm));
    assert_eq!(log.from(1, set(&phc)), Ok(Outcome::PasswordSet));
    assert_eq!(log.state.passwords.get(&person), Some(&phc));
    assert!(!format!("{:?} {:?}", set(&phc), log.state).contains("aGFzaA"));

    let pairs = log.state.encode_all(&log.answers).unwrap();
    let (again, _) = State::decode_all(pairs).unwrap();
    assert_eq!(again.passwords, log.state.passwords);
}
