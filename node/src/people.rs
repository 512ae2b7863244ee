//! People on the telephone and by message: which number is rung, what they hear,
//! which way a text goes. It refuses to send a message twice whose fate nobody
//! knows, and to call ringing an acknowledgement.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::site::Report;
use weir_consensus::store::AppliedView;
use weir_media::audio::Clip;
use weir_media::callout::{CalloutOrder, Callouts, Outcome, Rung};
use weir_media::sip::{MessageError, Sip};
use weir_media::transcode::silence_of;
use weir_model::directory::{Codec, Contact, Directory, Person, Sound, ack_prompt, call_back};
use weir_model::fact::{EffectKey, EffectResult, Proof, Target};
use weir_model::home::{EffectAction, EffectOrder, dedupe};
use weir_model::id::{Extension, SiteId};

use crate::sms::{Gateway, Sent};
use crate::sounds::Sounds;

/// Between the announcement and what says which key to press.
const BREATH_MS: u32 = 600;
/// Most ways that are tried to reach one person: each may ring two minutes, and
/// the site takes an attempt for lost after ten.
const WAYS_MAX: usize = 4;
/// A telephone takes a text or says why not within this time.
const TEXT: Duration = Duration::from_secs(36);

/// See the module; clones share it.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) site: SiteId,
    /// Absent where the node's file has no `[sip]`.
    pub(crate) phones: Option<(Sip, Callouts)>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) sounds: Arc<Sounds>,
    pub(crate) agreed: watch::Receiver<Arc<AppliedView>>,
    pub(crate) tasks: TaskTracker,
    /// Messages under way at once; the others wait their turn.
    pub(crate) turns: Arc<Semaphore>,
    /// What is under way, and how it is stopped.
    pub(crate) live: Arc<Mutex<BTreeMap<EffectKey, CancellationToken>>>,
}

/// Messages under way at once.
pub(crate) const MESSAGES: usize = 8;

/// One way to a person: a number of this site, and what to dial through it.
struct Way {
    number: String,
    dial: Option<String>,
}

impl People {
    /// Whether it is for people; anything else is handed back.
    pub(crate) fn begin(
        &self,
        order: EffectOrder,
        ends_in: Duration,
        report: Report,
    ) -> Option<(EffectOrder, Report)> {
        match &order.action {
            EffectAction::Page { .. } | EffectAction::Confer { .. } => {
                return Some((order, report));
            }
            EffectAction::Call { .. } | EffectAction::Message { .. } => {}
        }
        let people = self.clone();
        let window_ends = Instant::now() + ends_in;
        // From now on, so that what is told to stop never begins.
        let cease = CancellationToken::new();
        self.live().insert(order.key.clone(), cease.clone());
        self.tasks.spawn(async move {
            // A node that stops reports nothing: the restarted one calls it unknown.
            let ended = match order.action.clone() {
                EffectAction::Call { .. } => people.call(&order, window_ends, &cease).await,
                EffectAction::Message { .. } => people.message(&order, window_ends, &cease).await,
                EffectAction::Page { .. } | EffectAction::Confer { .. } => None,
            };
            people.live().remove(&order.key);
            if let Some((result, proof)) = ended {
                report.ended(result, proof).await;
            }
        });
        None
    }

    pub(crate) fn cease(&self, key: &EffectKey) {
        if let Some(cease) = self.live().get(key) {
            cease.cancel();
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<EffectKey, CancellationToken>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A gateway can be asked whether it has a message; nobody can be asked
    /// whether a telephone rang.
    pub(crate) fn ask(&self, key: &EffectKey, within: Duration, report: Report) {
        // Nobody knows of a text that went to a telephone.
        let Target::Person(person) = &key.target else { return };
        let directory = self.agreed.borrow().state.directory.clone();
        let to = directory.people.get(person).and_then(Person::messaged);
        let Some(Contact::Phone(_)) = to else { return };
        let Some(gateway) = self.gateway.clone() else { return };
        // Which of the two a later attempt was sent under, its key does not tell.
        let first = key.attempt == 1;
        let dedupe = dedupe(key, !first);
        self.tasks.spawn(async move {
            // Without an answer the site goes on by itself.
            match timeout(within, gateway.ask(&dedupe)).await {
                Ok(Sent::Accepted) => report.ended(EffectResult::Done, Proof::accepted()).await,
                // It may be sent again, under the same key.
                Ok(Sent::NeverCame) if first => {
                    let why = "the gateway never had it".to_owned();
                    report.ended(EffectResult::Unreachable { why }, Proof::default()).await;
                }
                // A later attempt may go by the first one's key as well.
                Ok(Sent::NeverCame) => {}
                Ok(Sent::Refused(_) | Sent::NotTaken(_) | Sent::Unknown(_)) | Err(_) => {}
            }
        });
    }

    /// One attempt: every way to the person, one after the other, until somebody
    /// or something answers.
    async fn call(
        &self,
        order: &EffectOrder,
        window_ends: Instant,
        cease: &CancellationToken,
    ) -> Option<(EffectResult, Proof)> {
        let EffectAction::Call { numbers, sound, ack, ring_s, .. } = &order.action else {
            return None;
        };
        let nothing = Proof::default();
        let no_way = EffectResult::Unreachable { why: "no_way".to_owned() };
        let Some((_, callouts)) = &self.phones else { return Some((no_way, nothing)) };
        let agreed = self.agreed.borrow().state.clone();
        let (clips, siren) = self.announcement(sound, *ack).await;
        let (from, from_name) = self.shown(&agreed.directory);
        let mut last = (no_way, nothing);
        for way in self.ways(&agreed.directory, numbers) {
            let callout = CalloutOrder {
                key: order.key.clone(),
                to: way.number,
                dial: way.dial,
                from: from.clone(),
                from_name: from_name.clone(),
                ack: char::from_digit(u32::from(*ack), 10).unwrap_or('1'),
                ring: Duration::from_secs(u64::from(*ring_s)),
                window_ends,
                clips: clips.clone(),
            };
            let (done, rung) = oneshot::channel();
            callouts.ring(callout, cease.clone(), done);
            let rung = rung.await.ok()?;
            match rung {
                // Nothing was sent: what was learned before stands.
                Rung::Ended(Outcome::Unreachable) => {}
                // Too late for another way; whoever was rung before was rung.
                Rung::NotBegun => {
                    let rang = matches!(last.0, EffectResult::Failed { .. });
                    return Some(if rang { last } else { judged(rung) });
                }
                // An empty office, a full line: the person may be elsewhere.
                Rung::Ended(Outcome::NoAnswer | Outcome::Busy | Outcome::Refused { .. }) => {
                    last = judged(rung);
                }
                Rung::Ended(
                    Outcome::Acknowledged { .. }
                    | Outcome::NotAcknowledged
                    | Outcome::WrongKey
                    | Outcome::Ceased,
                ) => {
                    let (result, proof) = judged(rung);
                    return Some((result, Proof { siren, ..proof }));
                }
            }
        }
        Some(last)
    }

    /// How a person can be rung, one way after the other: telephones of this site,
    /// and numbers outside through each line of the site.
    fn ways(&self, directory: &Directory, numbers: &[Contact]) -> Vec<Way> {
        let trunks = directory.trunks(&self.site);
        let ours = |number: &Extension| {
            directory.extensions.get(number).is_some_and(|one| one.site == self.site)
        };
        let ways = numbers.iter().flat_map(|contact| match contact {
            Contact::Extension(number) if ours(number) => {
                vec![Way { number: number.to_string(), dial: None }]
            }
            // Only its own site rings it.
            Contact::Extension(_) => Vec::new(),
            Contact::Phone(number) => {
                let through = |trunk: &Extension| Way {
                    number: trunk.to_string(),
                    dial: Some(number.clone()),
                };
                trunks.iter().map(through).collect()
            }
        });
        ways.take(WAYS_MAX).collect()
    }

    /// What is said, and then which key to press; whether it is the siren.
    async fn announcement(&self, sound: &Sound, ack: u8) -> (BTreeMap<Codec, Clip>, bool) {
        let agreed = self.agreed.borrow().state.clone();
        let mut said = self.sounds.playable(&agreed, sound).await;
        let missing = said.is_siren;
        if missing {
            // A siren tells a person on the telephone nothing.
            let instead = self.sounds.playable(&agreed, &call_back()).await;
            if !instead.is_siren {
                said = instead;
            }
        }
        let prompt = self.sounds.playable(&agreed, &ack_prompt(ack)).await;
        let joined = |(codec, clip): (Codec, Clip)| {
            // Without a prompt the announcement must do: better than a siren for it.
            let prompt = prompt.clips.get(&codec).filter(|_| !prompt.is_siren);
            let whole = prompt.and_then(|prompt| join(&clip, prompt));
            (codec, whole.unwrap_or(clip))
        };
        (said.clips.into_iter().map(joined).collect(), missing)
    }

    /// The number and name that people see: the duty desk of the site.
    fn shown(&self, directory: &Directory) -> (String, String) {
        let site = directory.sites.get(&self.site);
        let prefix = site.map(|site| site.prefix.clone()).unwrap_or_default();
        let name = site.map(|site| site.name_zh.clone()).unwrap_or_default();
        (format!("{prefix}001"), name)
    }

    async fn message(
        &self,
        order: &EffectOrder,
        window_ends: Instant,
        cease: &CancellationToken,
    ) -> Option<(EffectResult, Proof)> {
        let EffectAction::Message { person, to, text, dedupe, .. } = &order.action else {
            return None;
        };
        // Before anything was sent it can still be stopped.
        let turn = tokio::select! {
            biased;
            () = cease.cancelled() => return Some((EffectResult::Ceased, Proof::default())),
            turn = timeout_at(window_ends, self.turns.acquire()) => turn,
        };
        let Ok(Ok(_turn)) = turn else { return Some((EffectResult::NotBegun, Proof::default())) };
        let desk = || {
            let agreed = self.agreed.borrow().state.clone();
            agreed.directory.people.get(person)?.contacts.extension.clone()
        };
        let number = match (to, &self.gateway) {
            (Contact::Phone(number), Some(gateway)) => {
                return Some(sent(gateway.send(number, text, dedupe).await));
            }
            (Contact::Phone(_), None) => desk(),
            (Contact::Extension(number), _) => Some(number.clone()),
        };
        Some(match (number, &self.phones) {
            (Some(number), Some((sip, _))) => self.text(sip, number.as_str(), text).await,
            // Waiting would not help.
            (None, _) => (EffectResult::Failed { why: "no_gateway".into() }, Proof::default()),
            (_, None) => (EffectResult::Failed { why: "no_way".into() }, Proof::default()),
        })
    }

    /// To a telephone, as SIP MESSAGE.
    async fn text(&self, sip: &Sip, number: &str, text: &str) -> (EffectResult, Proof) {
        let agreed = self.agreed.borrow().state.clone();
        let (from, from_name) = self.shown(&agreed.directory);
        match timeout(TEXT, sip.message(number, &from, &from_name, text)).await {
            Ok(Ok(200..=299)) => (EffectResult::Done, Proof::accepted()),
            Ok(Ok(408 | 500..=599)) | Err(_) => {
                let why = "the telephone did not say whether it has it".to_owned();
                (EffectResult::Unknown { why }, Proof::default())
            }
            Ok(Ok(480)) => {
                (EffectResult::Unreachable { why: "refused 480".into() }, Proof::default())
            }
            Ok(Ok(code)) => {
                (EffectResult::Failed { why: format!("refused {code}") }, Proof::default())
            }
            Ok(Err(error @ (MessageError::Silent | MessageError::Stopped))) => {
                (EffectResult::Unknown { why: error.to_string() }, Proof::default())
            }
            Ok(Err(error @ MessageError::TooLarge)) => {
                (EffectResult::Failed { why: error.to_string() }, Proof::default())
            }
            // Surely not sent.
            Ok(Err(error)) => {
                (EffectResult::Unreachable { why: error.to_string() }, Proof::default())
            }
        }
    }
}

fn judged(rung: Rung) -> (EffectResult, Proof) {
    let nothing = Proof::default();
    match rung {
        Rung::NotBegun => (EffectResult::NotBegun, nothing),
        Rung::Ended(outcome) => match outcome {
            Outcome::Acknowledged { .. } => (EffectResult::Done, Proof::acknowledged()),
            Outcome::Ceased => (EffectResult::Ceased, nothing),
            Outcome::Unreachable => (EffectResult::Unreachable { why: outcome.word() }, nothing),
            Outcome::NotAcknowledged
            | Outcome::WrongKey
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Refused { .. } => (EffectResult::Failed { why: outcome.word() }, nothing),
        },
    }
}

fn sent(sent: Sent) -> (EffectResult, Proof) {
    let nothing = Proof::default();
    match sent {
        Sent::Accepted => (EffectResult::Done, Proof::accepted()),
        Sent::Refused(why) => (EffectResult::Failed { why }, nothing),
        Sent::NotTaken(why) => (EffectResult::Unreachable { why }, nothing),
        Sent::Unknown(why) => (EffectResult::Unknown { why }, nothing),
        Sent::NeverCame => {
            (EffectResult::Unreachable { why: "the gateway never had it".into() }, nothing)
        }
    }
}

/// One clip after the other, with a breath between.
fn join(first: &Clip, second: &Clip) -> Option<Clip> {
    let breath = silence_of(first.codec, BREATH_MS)?;
    let payload: Bytes = [&first.payload[..], &breath, &second.payload].concat().into();
    Clip::new(first.codec, payload)
}
