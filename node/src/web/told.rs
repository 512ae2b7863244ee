//! What the facts of one node tell beside the picture that its machine shows: when
//! attempts began and ended, who acknowledged last, which missed emergencies a
//! person has seen. Times are those of the facts. Bounded, whatever a journal says;
//! it judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::directory::Grade;
use weir_model::fact::{EffectKey, EffectResult, Fact, FactBody, Target};
use weir_model::home::ActivationPicture;
use weir_model::id::{ActivationId, CallId, PersonId, WallMs};
use weir_model::intent::Mode;

/// Most attempts that are kept for one journal; whoever looks drops those of runs
/// that are shown no more.
const ATTEMPTS_MAX: usize = 65_536;
/// From so many on, attempts of runs that are shown no more are dropped.
const ATTEMPTS_KEPT: usize = 4_096;
/// Most people whose last acknowledgement is kept.
const PEOPLE_MAX: usize = 65_536;
/// Most calls that are known to have been seen; of more, the oldest go.
const SEEN_MAX: usize = 4_096;

/// An attempt at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) began: WallMs,
    pub(crate) ended: Option<WallMs>,
    mode: Mode,
}

/// When a person last pressed the key that acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) at: WallMs,
    pub(crate) run: ActivationId,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) attempts: BTreeMap<EffectKey, Times>,
    pub(crate) acknowledged: BTreeMap<PersonId, Acknowledged>,
    pub(crate) seen: BTreeMap<CallId, (PersonId, WallMs)>,
    /// Whom an attempt calls, until it has ended.
    callees: BTreeMap<EffectKey, PersonId>,
}

impl Told {
    pub(crate) fn fold(&mut self, fact: &Fact) {
        let at = fact.at;
        match &fact.body {
            FactBody::PersonCalled { key, callee } if self.callees.len() < ATTEMPTS_MAX => {
                self.callees.insert(key.clone(), callee.clone());
            }
            FactBody::EffectBegun { key, mode, .. } if self.attempts.len() < ATTEMPTS_MAX => {
                let times = Times { began: at, ended: None, mode: *mode };
                self.attempts.insert(key.clone(), times);
            }
            FactBody::EffectOutcome { key, result, proof, .. } => {
                let callee = self.callees.remove(key);
                let Some(times) = self.attempts.get_mut(key) else { return };
                times.ended = Some(at);
                // In a drill or a test nobody pressed anything.
                let real = times.mode == Mode::Real;
                if real && *result == EffectResult::Done && proof.grade == Some(Grade::Heard) {
                    self.acknowledges(at, key, callee);
                }
            }
            FactBody::CallSeen { call, who } => self.seen(at, *call, who.clone()),
            _ => {}
        }
    }

    fn acknowledges(&mut self, at: WallMs, key: &EffectKey, callee: Option<PersonId>) {
        let Target::Person(member) = &key.target else { return };
        let who = callee.unwrap_or_else(|| member.clone());
        if self.acknowledged.len() < PEOPLE_MAX || self.acknowledged.contains_key(&who) {
            self.acknowledged.insert(who, Acknowledged { at, run: key.activation });
        }
    }

    fn seen(&mut self, at: WallMs, call: CallId, who: PersonId) {
        self.seen.entry(call).or_insert((who, at));
        if self.seen.len() > SEEN_MAX {
            let oldest = self.seen.iter().min_by_key(|(call, (_, at))| (*at, **call));
            if let Some(call) = oldest.map(|(call, _)| *call) {
                self.seen.remove(&call);
            }
        }
    }

    /// Forgets attempts of runs that are not among these.
    pub(crate) fn keep(&mut self, runs: &[ActivationPicture]) {
        if self.attempts.len().max(self.callees.len()) > ATTEMPTS_KEPT {
            let shown: BTreeSet<ActivationId> = runs.iter().map(|run| run.id).collect();
            self.attempts.retain(|key, _| shown.contains(&key.activation));
            self.callees.retain(|key, _| shown.contains(&key.activation));
        }
    }
}
