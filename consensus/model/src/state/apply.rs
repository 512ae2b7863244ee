//! How a decision changes the state, or is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Answers, BoardLine, Cluster, Record, RecordKey, State, TokenState};
use crate::decision::{Answer, Candidate, Decision, Outcome, Profile, Proposal, Role};
use crate::directory::{Change, ChangeSet};
use crate::fact::Head;
use crate::id::{ClusterId, Hash, NodeId, WallMs};
use crate::refusal::Refusal;

/// Most members, voters and learners together.
pub const MEMBERS: usize = 4096;
/// Most tokens open at a time.
pub const TOKENS: usize = 256;
/// Most lines of the duty board. A wiped line gives its place up when needed.
pub const BOARD_LINES: usize = 4096;
/// Longest name of a board line, in bytes.
pub const BOARD_NAME_BYTES: usize = 64;
/// Longest text of a board line, in bytes.
pub const BOARD_TEXT_BYTES: usize = 1024;

/// What applying one proposal did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub answer: Answer,
    /// The records that storage must write or delete, in one batch.
    pub touched: BTreeSet<RecordKey>,
}

pub(super) type Touched = BTreeSet<RecordKey>;

impl State {
    /// Applies the proposal that stands at `index` of the log.
    pub fn apply(&mut self, answers: &mut Answers, index: u64, proposal: &Proposal) -> Applied {
        let mut touched = Touched::new();
        if let Some(answer) = answers.get(&proposal.key) {
            // Sent again, because the first answer was lost on the way.
            return Applied { answer: answer.clone(), touched };
        }
        self.now = self.now.max(proposal.at);
        touched.insert(RecordKey::Clock);
        let result = if proposal.since < answers.forgotten_to() {
            let remembered_from = answers.forgotten_to();
            Err(Refusal::Forgotten { since: proposal.since, remembered_from })
        } else {
            self.decide(proposal, &mut touched)
        };
        let answer = Answer { index, result };
        let gone = answers.remember(proposal.key, self.now, answer.clone());
        touched.insert(RecordKey::Answer(proposal.key));
        if !gone.is_empty() {
            touched.insert(RecordKey::Forgotten);
            touched.extend(gone.into_iter().map(RecordKey::Answer));
        }
        Applied { answer, touched }
    }

    /// The state and its answers change together or not at all: every arm
    /// refuses before it touches anything.
    fn decide(&mut self, proposal: &Proposal, touched: &mut Touched) -> Result<Outcome, Refusal> {
        if let Decision::Found { cluster, profile, first } = &proposal.decision {
            return self.found(*cluster, *profile, first, touched);
        }
        if self.cluster.is_none() {
            return Err(Refusal::NotFounded);
        }
        let author = self.members.get(&proposal.author.node);
        if proposal.decision.is_membership() && author.is_none_or(|a| a.role != Role::Voter) {
            return Err(Refusal::VotersOnly);
        }
        match &proposal.decision {
            Decision::Found { .. } => Err(Refusal::NotFounded),
            Decision::MintToken { secret_hash, role, expires } => {
                self.mint(*secret_hash, (*role, *expires), touched)
            }
            Decision::Join { secret_hash, candidate } => self.join(secret_hash, candidate, touched),
            Decision::RemoveMember { node } => self.remove(*node, touched),
            Decision::MoveMember { node, addresses } => {
                let members = Arc::make_mut(&mut self.members);
                let member = members.get_mut(node).ok_or(Refusal::MemberUnknown { node: *node })?;
                member.addresses.clone_from(addresses);
                touched.insert(RecordKey::Member(*node));
                Ok(Outcome::Moved)
            }
            Decision::EditDirectory { based_on, changes } => {
                self.edit_directory(*based_on, changes, touched)
            }
            Decision::Post { key, text } => self.post(key, text, proposal, touched),
            Decision::Heads { heads } => self.advance(heads, touched),
            Decision::Secrets { secrets } => self.set_secrets(secrets, touched),
            Decision::Stage { renderings } => self.stage(renderings, touched),
            Decision::SetPassword { person, phc } => self.set_password(person, phc, touched),
        }
    }

    fn found(
        &mut self,
        cluster: ClusterId,
        profile: Profile,
        first: &Candidate,
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        if let Some(founded) = &self.cluster {
            return Err(Refusal::AlreadyFounded { cluster: founded.id });
        }
        self.cluster = Some(Cluster { id: cluster, profile, founded: self.now, next_node: 2 });
        let node = NodeId(1);
        Arc::make_mut(&mut self.members).insert(node, first.clone().into_member(node));
        touched.extend([RecordKey::Cluster, RecordKey::Member(node)]);
        Ok(Outcome::Founded { node })
    }

    fn mint(
        &mut self,
        secret_hash: Hash,
        (role, expires): (Role, WallMs),
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let tokens = Arc::make_mut(&mut self.tokens);
        let stale: Vec<Hash> = tokens
            .iter()
            .filter(|(_, token)| token.expires < now && token.used_by.is_none())
            .map(|(hash, _)| *hash)
            .collect();
        for hash in stale {
            tokens.remove(&hash);
            touched.insert(RecordKey::Token(hash));
        }
        if tokens.values().filter(|token| token.used_by.is_none()).count() >= TOKENS {
            return Err(Refusal::TooManyTokens { most: TOKENS });
        }
        tokens.insert(secret_hash, TokenState { role, expires, used_by: None });
        touched.insert(RecordKey::Token(secret_hash));
        Ok(Outcome::Minted)
    }

    fn join(
        &mut self,
        secret_hash: &Hash,
        candidate: &Candidate,
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        let token = self.tokens.get(secret_hash).ok_or(Refusal::TokenUnknown)?;
        if let Some(node) = token.used_by {
            let same = |known: &crate::decision::Member| known.public_key == candidate.public_key;
            return match self.members.get(&node) {
                // The same node asks again: its first answer was lost.
                Some(known) if same(known) => Ok(Outcome::Joined { node }),
                _ => Err(Refusal::TokenUsed { by: node }),
            };
        }
        if token.expires < self.now {
            return Err(Refusal::TokenExpired { expired: token.expires });
        }
        if candidate.role != token.role {
            return Err(Refusal::TokenRole { allows: token.role });
        }
        if candidate.role == Role::Voter && candidate.satellite {
            return Err(Refusal::SatelliteVoter);
        }
        if let Some(other) = self.member_named(candidate.name.as_str()) {
            return Err(Refusal::NameTaken { name: candidate.name.clone(), by: other.id });
        }
        if self.members.len() >= MEMBERS {
            return Err(Refusal::TooManyMembers { most: MEMBERS });
        }
        let cluster = self.cluster.as_mut().ok_or(Refusal::NotFounded)?;
        let node = NodeId(cluster.next_node);
        cluster.next_node += 1;
        Arc::make_mut(&mut self.members).insert(node, candidate.clone().into_member(node));
        if let Some(token) = Arc::make_mut(&mut self.tokens).get_mut(secret_hash) {
            token.used_by = Some(node);
        }
        touched.extend([
            RecordKey::Cluster,
            RecordKey::Member(node),
            RecordKey::Token(*secret_hash),
        ]);
        Ok(Outcome::Joined { node })
    }

    fn remove(&mut self, node: NodeId, touched: &mut Touched) -> Result<Outcome, Refusal> {
        if Arc::make_mut(&mut self.members).remove(&node).is_none() {
            return Err(Refusal::MemberUnknown { node });
        }
        touched.insert(RecordKey::Member(node));
        Ok(Outcome::Removed)
    }

    fn edit_directory(
        &mut self,
        based_on: u64,
        changes: &ChangeSet,
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        let now = self.directory.version;
        if based_on != now {
            return Err(Refusal::DirectoryMoved { based_on, now });
        }
        let edited = self.directory.apply(&changes.changes).map_err(|problems| {
            let problems = problems.iter().take(20).map(ToString::to_string).collect();
            Refusal::DirectoryBroken { problems }
        })?;
        for change in &changes.changes {
            let reference = match change {
                Change::Put(record) => record.reference(),
                Change::Remove(reference) => reference.clone(),
            };
            touched.insert(RecordKey::Directory(reference));
        }
        touched.insert(RecordKey::DirectoryVersion);
        let version = edited.version;
        self.directory = Arc::new(edited);
        Ok(Outcome::Directory { version })
    }

    fn post(
        &mut self,
        key: &str,
        text: &str,
        proposal: &Proposal,
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        if key.is_empty() || key.len() > BOARD_NAME_BYTES {
            return Err(Refusal::BoardKey { longest: BOARD_NAME_BYTES });
        }
        if text.len() > BOARD_TEXT_BYTES {
            return Err(Refusal::BoardText { longest: BOARD_TEXT_BYTES });
        }
        if !self.board.contains_key(key) && self.board.len() >= BOARD_LINES {
            self.forget_wiped_line(touched)?;
        }
        let before = self.board.get(key);
        let (revision, chain) = before.map_or((0, Hash::default()), |b| (b.revision, b.chain));
        let line = BoardLine {
            text: text.to_owned(),
            revision: revision + 1,
            chain: Hash::of(&[&chain.0, text.as_bytes()]),
            by: proposal.author.person.clone(),
            at: self.now,
        };
        Arc::make_mut(&mut self.board).insert(key.to_owned(), line);
        touched.insert(RecordKey::Board(key.to_owned()));
        Ok(Outcome::Posted { revision: revision + 1 })
    }

    /// A wiped line keeps its revision until its place is needed.
    fn forget_wiped_line(&mut self, touched: &mut Touched) -> Result<(), Refusal> {
        let wiped = self.board.iter().filter(|(_, line)| line.text.is_empty());
        let oldest = wiped.min_by_key(|(_, line)| line.at).map(|(key, _)| key.clone());
        let oldest = oldest.ok_or(Refusal::BoardFull { most: BOARD_LINES })?;
        Arc::make_mut(&mut self.board).remove(&oldest);
        touched.insert(RecordKey::Board(oldest));
        Ok(())
    }

    /// Heads only ever move forward; an older one is an old message.
    fn advance(&mut self, heads: &[Head], touched: &mut Touched) -> Result<Outcome, Refusal> {
        let known = Arc::make_mut(&mut self.heads);
        for head in heads {
            let node = head.id.node;
            let place = |head: &Head| (head.id.incarnation, head.id.seq);
            if known.get(&node).is_none_or(|before| place(before) < place(head)) {
                known.insert(node, head.clone());
                touched.insert(RecordKey::Head(node));
            }
        }
        Ok(Outcome::Heads)
    }

    /// The record under `key` as storage keeps it; `None` when it is gone.
    pub fn record(&self, answers: &Answers, key: &RecordKey) -> Option<Record> {
        match key {
            RecordKey::Cluster => self.cluster.clone().map(Record::Cluster),
            RecordKey::Clock => Some(Record::Clock(self.now)),
            RecordKey::Forgotten => Some(Record::Forgotten(answers.forgotten_to())),
            RecordKey::DirectoryVersion => Some(Record::DirectoryVersion(self.directory.version)),
            RecordKey::Member(node) => self.members.get(node).cloned().map(Record::Member),
            RecordKey::Token(hash) => self.tokens.get(hash).cloned().map(Record::Token),
            RecordKey::Board(name) => self.board.get(name).cloned().map(Record::Board),
            RecordKey::Head(node) => self.heads.get(node).cloned().map(Record::Head),
            RecordKey::Directory(at) => self.directory.get(at).map(Record::Directory),
            RecordKey::Answer(key) => answers.given(key).cloned().map(Record::Answer),
            RecordKey::Secret(number) => self.secrets.get(number).cloned().map(Record::Secret),
            RecordKey::Rendering(of) => self.renderings.get(of).cloned().map(Record::Rendering),
            RecordKey::Password(person) => {
                self.passwords.get(person).cloned().map(Record::Password)
            }
        }
    }
}
