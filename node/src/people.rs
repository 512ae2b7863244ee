//! People on the telephone and by message: which number is rung, what they hear,
//! which way a text goes. It refuses to send a message twice whose fate nobody
//! knows, and to call ringing an acknowledgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use weir_consensus::site::Report;
use weir_consensus::store::AppliedView;
use weir_media::audio::Clip;
use weir_media::callout::{CalloutOrder, Callouts, Outcome, Rung};
use weir_media::sip::{MessageError, Sip};
use weir_media::transcode::silence_of;
use weir_model::directory::{Codec, Contact, Directory, Sound, ack_prompt};
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::home::{EffectAction, EffectOrder};
use weir_model::id::{Extension, SiteId};

use crate::sms::{Gateway, Sent};
use crate::sounds::Sounds;

/// Between the announcement and what says which key to press.
const BREATH_MS: u32 = 600;
/// Most ways that are tried to reach one person.
const WAYS_MAX: usize = 8;
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
}

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
            EffectAction::Page { .. } => return Some((order, report)),
            EffectAction::Call { .. } | EffectAction::Message { .. } => {}
        }
        let people = self.clone();
        let window_ends = Instant::now() + ends_in;
        self.tasks.spawn(async move {
            // A node that stops reports nothing: the restarted one calls it unknown.
            let ended = match order.action.clone() {
                EffectAction::Call { .. } => people.call(&order, window_ends).await,
                EffectAction::Message { to, text, dedupe, .. } => {
                    Some(people.message(&to, &text, &dedupe).await)
                }
                EffectAction::Page { .. } => None,
            };
            if let Some((result, proof)) = ended {
                report.ended(result, proof).await;
            }
        });
        None
    }

    pub(crate) fn cease(&self, key: &EffectKey) {
        if let Some((_, callouts)) = &self.phones {
            callouts.cease(key);
        }
    }

    /// A gateway can be asked whether it has a message; nobody can be asked
    /// whether a telephone rang.
    pub(crate) fn ask(&self, key: &EffectKey, within: Duration, report: Report) {
        let Some(gateway) = self.gateway.clone() else { return };
        let (dedupe, first) = (dedupe_of(key), key.attempt == 1);
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

    async fn call(
        &self,
        order: &EffectOrder,
        window_ends: Instant,
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
            callouts.ring(callout, done);
            match rung.await.ok()? {
                // Nothing rang: the next way to the same person.
                Rung::Ended(Outcome::Unreachable) => {}
                ended => {
                    let (result, proof) = judged(ended);
                    return Some((result, Proof { siren, ..proof }));
                }
            }
        }
        Some((no_way, nothing))
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
        let said = self.sounds.playable(&agreed, sound).await;
        let prompt = self.sounds.playable(&agreed, &ack_prompt(ack)).await;
        let joined = |(codec, clip): (Codec, Clip)| {
            // Without a prompt the announcement must do: better than a siren for it.
            let prompt = prompt.clips.get(&codec).filter(|_| !prompt.is_siren);
            let whole = prompt.and_then(|prompt| join(&clip, prompt));
            (codec, whole.unwrap_or(clip))
        };
        (said.clips.into_iter().map(joined).collect(), said.is_siren)
    }

    /// The number and name that people see: the duty desk of the site.
    fn shown(&self, directory: &Directory) -> (String, String) {
        let site = directory.sites.get(&self.site);
        let prefix = site.map(|site| site.prefix.clone()).unwrap_or_default();
        let name = site.map(|site| site.name_zh.clone()).unwrap_or_default();
        (format!("{prefix}001"), name)
    }

    async fn message(&self, to: &Contact, text: &str, key: &str) -> (EffectResult, Proof) {
        match (to, &self.gateway, &self.phones) {
            (Contact::Phone(number), Some(gateway), _) => {
                sent(gateway.send(number, text, key).await)
            }
            (Contact::Phone(_), None, _) => {
                let why = "no_gateway".to_owned();
                (EffectResult::Unreachable { why }, Proof::default())
            }
            (Contact::Extension(number), _, Some((sip, _))) => {
                self.text(sip, number.as_str(), text).await
            }
            (Contact::Extension(_), _, None) => {
                let why = "no_way".to_owned();
                (EffectResult::Unreachable { why }, Proof::default())
            }
        }
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

/// By which a gateway knows an attempt and no other.
fn dedupe_of(key: &EffectKey) -> String {
    let EffectKey { activation, step, target, attempt } = key;
    match attempt {
        1 => format!("{activation}/{step}/{target}"),
        _ => format!("{activation}/{step}/{target}/{attempt}"),
    }
}

/// One clip after the other, with a breath between.
fn join(first: &Clip, second: &Clip) -> Option<Clip> {
    let breath = silence_of(first.codec, BREATH_MS)?;
    let payload: Bytes = [&first.payload[..], &breath, &second.payload].concat().into();
    Clip::new(first.codec, payload)
}
