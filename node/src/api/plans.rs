//! Plans: launch, look, answer, stop. A click mints an intent, signs it with
//! this node's key and sends it straight to the home site; the answer says what
//! that site made of it, or that it is still on its way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_consensus::site::Delivery;
use weir_model::codec;
use weir_model::fact::Target;
use weir_model::home::Picture;
use weir_model::id::{ActivationId, AudioId, IntentId, PersonId, PlanId, SiteId, StepId, ZoneId};
use weir_model::intent::{Intent, IntentBody, Mode, Priority, SignedIntent, WINDOW_MAX_MS, Window};

use super::{Problem, Shared, author};
use crate::edge;
use crate::node::{Node, Runtime};

/// How long a click waits before it is told "on its way".
const WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanAnswer {
    pub(crate) id: String,
    pub(crate) name_zh: String,
    pub(crate) name_en: String,
    pub(crate) level: String,
    pub(crate) version: u32,
    pub(crate) steps: usize,
}

pub(crate) async fn list(State(node): Shared) -> Json<Vec<PlanAnswer>> {
    let directory = node.consensus.view().borrow().state.directory.clone();
    let plans = directory.plans.values().map(|plan| PlanAnswer {
        id: plan.id.to_string(),
        name_zh: plan.name_zh.clone(),
        name_en: plan.name_en.clone(),
        level: plan.level.to_string(),
        version: plan.version,
        steps: plan.steps.len(),
    });
    Json(plans.collect())
}

/// Mandatory mode; there is no default.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) site: String,
    pub(crate) mode: Mode,
    /// Seconds until a launch that has not arrived is void.
    pub(crate) not_after_s: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) intent: String,
    #[serde(flatten)]
    pub(crate) how: How,
}

/// How an intent is doing, in words for programs and people.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct How {
    /// `trying`, `judged`, `not-delivered` or `unknown`.
    pub(crate) delivery: String,
    /// What the home site made of it: `started`, `joined`, `expired`, …
    pub(crate) status: Option<String>,
    pub(crate) activation: Option<String>,
    pub(crate) said: String,
}

impl From<Delivery> for How {
    fn from(delivery: Delivery) -> Self {
        let plain = |word: &str, said: String| Self {
            delivery: word.into(),
            status: None,
            activation: None,
            said,
        };
        match delivery {
            Delivery::Judged(status) => Self {
                delivery: "judged".into(),
                status: Some(status.code().into()),
                activation: status.activation().map(|id| id.to_string()),
                said: status.said().to_string(),
            },
            Delivery::Trying { why } => {
                let why = why.unwrap_or_default();
                plain("trying", format!("尚未送达，继续尝试 / not there yet, still trying: {why}"))
            }
            Delivery::NotDelivered { why } => plain(
                "not-delivered",
                format!("已过时限，未送达，未执行 / its window passed undelivered: {why}"),
            ),
            Delivery::Unknown => plain(
                "unknown",
                "已过时限，是否送达未知，请核对现场 / its window passed; whether it arrived is \
                 unknown, check on the spot"
                    .into(),
            ),
        }
    }
}

/// An intent's person: intents are always somebody's.
fn person(node: &Node, headers: &HeaderMap) -> Result<PersonId, Problem> {
    author(node, headers)?.person.ok_or_else(Problem::who)
}

fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    let bad = || Problem::bad_request(format!("{what} {text:?} 无效 / is not a {what}"));
    text.parse().map_err(|_| bad())
}

/// How long a page may be on its way. What nobody would judge for days must not
/// wait here for days either.
fn window(not_after_s: Option<u64>) -> Result<u64, Problem> {
    let ms = not_after_s.map_or(Window::Page.ms(), |s| s.saturating_mul(1000));
    match ms <= WINDOW_MAX_MS {
        true => Ok(ms),
        false => Err(Problem::bad_request(
            "时限超过 24 小时；请缩短 not_after_s / longer than 24 h; choose a shorter not_after_s",
        )),
    }
}

/// The id of an intent: the idempotency key's, so that a click sent twice is
/// one click.
fn intent_id(headers: &HeaderMap) -> Result<IntentId, Problem> {
    super::key(headers).map(|key| IntentId(key.0))
}

async fn send(
    node: &Arc<Node>,
    headers: &HeaderMap,
    home: SiteId,
    what: (IntentBody, Mode, Priority),
    (window_ms, attempt): (u64, u16),
) -> Result<Json<Sent>, Problem> {
    let (body, mode, priority) = what;
    let now = edge::wall();
    let intent = Intent {
        id: intent_id(headers)?,
        home,
        body,
        who: person(node, headers)?,
        via: node.belonging.node(),
        priority,
        mode,
        issued: now,
        not_after: now.plus_ms(window_ms),
        attempt,
    };
    let bytes = codec::encode(&intent).map_err(|error| Problem::internal(error.to_string()))?;
    let signature = node.identity.sign(&bytes).to_vec();
    let signed = SignedIntent::new(bytes, signature, node.belonging.node());
    let id = intent.id.to_string();
    let sent = node.outbox.send::<Runtime>(intent, signed, WAIT).await;
    let delivery = sent.map_err(|full| Problem::busy(full.to_string()))?;
    Ok(Json(Sent { intent: id, how: delivery.into() }))
}

pub(crate) async fn launch(
    State(node): Shared,
    Path(plan): Path<String>,
    headers: HeaderMap,
    Json(launch): Json<Launch>,
) -> Result<Json<Sent>, Problem> {
    let plan: PlanId = parse("plan", &plan)?;
    let site: SiteId = parse("site", &launch.site)?;
    let directory = node.consensus.view().borrow().state.directory.clone();
    let known = directory.plans.get(&plan);
    let priority = Priority::of(known.ok_or_else(|| Problem::plan_unknown(&plan))?.level);
    let version =
        directory.plan_hash(&plan).ok().flatten().ok_or_else(|| Problem::plan_unknown(&plan))?;
    let window_ms = window(launch.not_after_s)?;
    let body = IntentBody::Launch { plan, version };
    send(&node, &headers, site, (body, launch.mode, priority), (window_ms, 1)).await
}

/// A page outside any plan. Mandatory mode; there is no default.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PageOrder {
    pub(crate) audio: String,
    pub(crate) repeat: u32,
    pub(crate) mode: Mode,
    /// Seconds until an order that has not arrived is void.
    pub(crate) not_after_s: Option<u64>,
}

pub(crate) async fn page(
    State(node): Shared,
    Path(zone): Path<String>,
    headers: HeaderMap,
    Json(order): Json<PageOrder>,
) -> Result<Json<Sent>, Problem> {
    let (zone, audio): (ZoneId, AudioId) = (parse("zone", &zone)?, parse("audio", &order.audio)?);
    let directory = node.consensus.view().borrow().state.directory.clone();
    let home = directory.zones.get(&zone).map(|known| known.site.clone());
    let home = home.ok_or_else(|| Problem::zone_unknown(&zone))?;
    let window_ms = window(order.not_after_s)?;
    let body = IntentBody::Page { zone, audio, repeat: order.repeat };
    send(&node, &headers, home, (body, order.mode, Priority::Notice), (window_ms, 1)).await
}

/// About a run: which site's, and which mode it was launched in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) site: String,
    pub(crate) mode: Mode,
    /// For an answer: which question, and yes or no.
    pub(crate) step: Option<String>,
    pub(crate) yes: Option<bool>,
    /// For one more attempt: the zone, or else the person whom it reaches, and the
    /// number it would have.
    #[serde(default)]
    pub(crate) person: Option<String>,
    pub(crate) zone: Option<String>,
    /// Or the number of a conference's room.
    #[serde(default)]
    pub(crate) conference: Option<String>,
    pub(crate) attempt: Option<u16>,
}

impl About {
    /// Nothing but where; the mode is the caller's to say.
    pub(crate) fn of(site: String) -> Self {
        let (mode, person, zone, conference) = (Mode::Test, None, None, None);
        Self { site, mode, step: None, yes: None, person, zone, conference, attempt: None }
    }
}

type Acted = Result<Json<Sent>, Problem>;
/// What every request about a run carries.
type OfRun = (Shared, Path<String>, HeaderMap, Json<About>);

/// Sends what `body` makes of the run to the run's site.
async fn act(
    (State(node), Path(activation), headers, Json(about)): OfRun,
    priority: Priority,
    body: impl FnOnce(ActivationId, &About) -> Result<(IntentBody, u16), Problem>,
) -> Acted {
    let (body, attempt) = body(parse("activation", &activation)?, &about)?;
    let what = (body, about.mode, priority);
    send(&node, &headers, parse("site", &about.site)?, what, (Window::Page.ms(), attempt)).await
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::bad_request(format!("缺少 {name} / {name} is missing; give it")))
}

fn step(about: &About) -> Result<StepId, Problem> {
    parse("step", &required(about.step.clone(), "step")?)
}

pub(crate) async fn abort(
    node: Shared,
    activation: Path<String>,
    headers: HeaderMap,
    about: Json<About>,
) -> Acted {
    let body = |activation, _: &About| Ok((IntentBody::Abort { activation }, 1));
    act((node, activation, headers, about), Priority::Alert, body).await
}

pub(crate) async fn confirm(
    node: Shared,
    activation: Path<String>,
    headers: HeaderMap,
    about: Json<About>,
) -> Acted {
    let body = |activation, about: &About| {
        let (step, yes) = (step(about)?, required(about.yes, "yes")?);
        Ok((IntentBody::Confirm { activation, step, yes }, 1))
    };
    act((node, activation, headers, about), Priority::Alert, body).await
}

pub(crate) async fn repeat(
    node: Shared,
    activation: Path<String>,
    headers: HeaderMap,
    about: Json<About>,
) -> Acted {
    let body = |activation, about: &About| {
        let target = match (&about.person, &about.conference) {
            (Some(person), _) => Target::Person(parse("person", person)?),
            (None, Some(room)) => Target::Conference(parse("number", room)?),
            (None, None) => Target::Zone(parse("zone", &required(about.zone.clone(), "zone")?)?),
        };
        let step = step(about)?;
        let attempt = required(about.attempt, "attempt")?;
        Ok((IntentBody::Repeat { activation, step, target }, attempt))
    };
    act((node, activation, headers, about), Priority::Evacuation, body).await
}

pub(crate) async fn delivery(
    State(node): Shared,
    Path(intent): Path<String>,
) -> Result<Json<How>, Problem> {
    let id: IntentId = parse("intent", &intent)?;
    let delivery = node.outbox.delivery(&id);
    delivery.map(|delivery| Json(delivery.into())).ok_or_else(Problem::intent_unknown)
}

/// What this node's site runs.
pub(crate) async fn activations(State(node): Shared) -> Json<Picture> {
    Json(node.site.view().borrow().picture.clone())
}

/// What this node knows of every site, from the facts that reached it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) head: String,
    pub(crate) kept: String,
    pub(crate) kept_at_two: u64,
    pub(crate) unrecorded: bool,
    pub(crate) forks: Vec<String>,
    pub(crate) heads: BTreeMap<String, String>,
}

pub(crate) async fn kept(State(node): Shared) -> Json<Kept> {
    let view = node.site.view().borrow().clone();
    let heads = node.consensus.view().borrow().state.heads.clone();
    Json(Kept {
        head: view.head.id.to_string(),
        kept: format!("{:?}", view.kept),
        kept_at_two: view.kept_at_two,
        unrecorded: view.unrecorded,
        forks: view.forks.iter().map(ToString::to_string).collect(),
        heads: heads.iter().map(|(node, head)| (node.to_string(), head.id.to_string())).collect(),
    })
}
