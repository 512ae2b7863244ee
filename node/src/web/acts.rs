//! What a signed-in person may do. Each act is first held against this node's
//! own directory, so that a person without the right learns so at once and in
//! words; the home site judges again by its own copy.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use weir_model::directory::{Action, Denied, Directory, RoleKind, StepKind};
use weir_model::id::{CallId, PersonId, SiteId};
use weir_model::intent::Mode;

use super::Web;
use super::view::plans::why;
use crate::api::calls::{CallNoted, CallOver};
use crate::api::conferences::{OrderAsked, Ordered};
use crate::api::directory::{Edit, Edited};
use crate::api::plans::{About, Launch, PageOrder, Sent};
use crate::api::{Problem, Shared, author, calls, conferences, directory, plans};
use crate::node::Node;

type Acted = Result<Json<Sent>, Problem>;

fn denied(denied: &Denied) -> Problem {
    Problem::denied(why(denied))
}

fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    let bad = || Problem::bad_request(format!("{what} {text:?} 无效 / is not a {what}"));
    text.parse().map_err(|_| bad())
}

/// Who is signed in, and the directory to judge by.
fn judge(node: &Node, headers: &HeaderMap) -> Result<(PersonId, Arc<Directory>), Problem> {
    let person = author(node, headers)?.person.ok_or_else(Problem::not_signed_in)?;
    Ok((person, node.consensus.view().borrow().state.directory.clone()))
}

fn may(node: &Node, headers: &HeaderMap, action: Action, site: &str) -> Result<(), Problem> {
    let (person, directory) = judge(node, headers)?;
    let site: SiteId = parse("site", site)?;
    directory.best_role(&person, action, &site).map(drop).map_err(|no| denied(&no))
}

pub(super) async fn launch(
    State(node): Shared,
    Path(plan): Path<String>,
    headers: HeaderMap,
    Json(launch): Json<Launch>,
) -> Acted {
    let (person, directory) = judge(&node, &headers)?;
    let (id, site) = (parse("plan", &plan)?, parse("site", &launch.site)?);
    if !directory.plans.contains_key(&id) {
        return Err(Problem::plan_unknown(&id));
    }
    directory.may_start(&person, &id, &site).map_err(|no| denied(&no))?;
    plans::launch(State(node), Path(plan), headers, Json(launch)).await
}

pub(super) async fn abort(
    State(node): Shared,
    run: Path<String>,
    headers: HeaderMap,
    Json(about): Json<About>,
) -> Acted {
    may(&node, &headers, Action::AbortPlan, &about.site)?;
    plans::abort(State(node), run, headers, Json(about)).await
}

pub(super) async fn confirm(
    State(node): Shared,
    run: Path<String>,
    headers: HeaderMap,
    Json(about): Json<About>,
) -> Acted {
    let asked = asked(&node, &run.0, &about);
    may(&node, &headers, Action::Confirm(asked), &about.site)?;
    plans::confirm(State(node), run, headers, Json(about)).await
}

/// Whom a question asks, where this node knows the run; else anybody whom any
/// question may ask, and the home site judges.
fn asked(node: &Node, run: &str, about: &About) -> RoleKind {
    let picture = &node.site.view().borrow().picture.clone();
    let directory = node.consensus.view().borrow().state.directory.clone();
    let run = picture.activations.iter().find(|one| one.id.to_string() == run);
    let plan = run.and_then(|run| directory.plans.get(&run.plan));
    let steps = plan.into_iter().flat_map(|plan| &plan.steps);
    let mut named = steps.filter(|step| Some(step.id.as_str()) == about.step.as_deref());
    match named.next().map(|step| &step.kind) {
        Some(StepKind::Confirm(confirm)) => confirm.by,
        _ => RoleKind::SiteDuty,
    }
}

pub(super) async fn repeat(
    State(node): Shared,
    run: Path<String>,
    headers: HeaderMap,
    Json(about): Json<About>,
) -> Acted {
    may(&node, &headers, Action::Page, &about.site)?;
    plans::repeat(State(node), run, headers, Json(about)).await
}

pub(super) async fn edit_directory(
    State(node): Shared,
    headers: HeaderMap,
    edit: Json<Edit>,
) -> Result<Json<Edited>, Problem> {
    // The directory is everybody's, roles included: who may edit at one site only
    // could give themselves every other.
    let (person, known) = judge(&node, &headers)?;
    known.may_everywhere(&person, Action::EditDirectory).map_err(|no| denied(&no))?;
    directory::edit(State(node), headers, edit).await
}

#[derive(Debug, Deserialize)]
pub(super) struct StopZone {
    mode: Mode,
}

fn may_page(node: &Node, headers: &HeaderMap, zone: &str) -> Result<(), Problem> {
    let (_, directory) = judge(node, headers)?;
    let zone = directory.zones.get(zone).ok_or_else(|| Problem::zone_unknown(&zone))?;
    may(node, headers, Action::Page, zone.site.as_str())
}

/// Pages one zone without a plan.
pub(super) async fn page(
    State(node): Shared,
    Path(zone): Path<String>,
    headers: HeaderMap,
    page: Json<PageOrder>,
) -> Acted {
    may_page(&node, &headers, &zone)?;
    plans::page(State(node), Path(zone), headers, page).await
}

/// Stops what pages one zone: a page by itself as it is, a plan as a whole,
/// because half a plan is nobody's intention.
pub(super) async fn stop(
    State(web): State<Arc<Web>>,
    node: Shared,
    Path(zone): Path<String>,
    headers: HeaderMap,
    Json(stop): Json<StopZone>,
) -> Acted {
    may_page(&node.0, &headers, &zone)?;
    let run = web.paging(&zone, stop.mode).ok_or_else(|| Problem::nothing_plays(&zone))?;
    let (site, activation) = run;
    let about = About { mode: stop.mode, ..About::of(site) };
    plans::abort(node, Path(activation), headers, Json(about)).await
}

/// What needs no order of a commander's, but a dispatcher's or, at the own site, a
/// duty officer's hand: the same right as to a page.
fn may_handle(node: &Node, headers: &HeaderMap, site: &SiteId) -> Result<(), Problem> {
    may(node, headers, Action::Page, site.as_str())
}

/// Ends a call that this node holds.
pub(super) async fn end_call(
    State(node): Shared,
    call: Path<String>,
    headers: HeaderMap,
) -> Result<Json<CallOver>, Problem> {
    may_handle(&node, &headers, &node.config.site)?;
    calls::end(State(node), call, headers).await
}

/// Says for everybody that a missed emergency call was seen.
pub(super) async fn seen_call(
    State(web): State<Arc<Web>>,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Result<Json<CallNoted>, Problem> {
    let unknown = || Problem::call_unknown(&call);
    let id: CallId = call.parse().map_err(|_| unknown())?;
    let site = web.missed_at(id).ok_or_else(unknown)?;
    may_handle(&web.node, &headers, &site)?;
    calls::seen(&web.node, &headers, id).map(Json)
}

/// An order to a conference that this node takes part in.
pub(super) async fn order_conference(
    State(node): Shared,
    room: Path<String>,
    headers: HeaderMap,
    order: Json<OrderAsked>,
) -> Result<Json<Ordered>, Problem> {
    let site = conferences::judged_at(&node, &room.0, &order.0)?;
    may_handle(&node, &headers, &site)?;
    conferences::order(State(node), room, headers, order).await
}
