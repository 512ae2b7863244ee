//! What a signed-in person may read: everything that screens show. The answers
//! are made when they are asked for, so that a click is followed by its effect.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::Web;
use super::session::Session;
use super::view::board::SiteBoard;
use super::view::calls::Calls;
use super::view::conferences::ConferenceLine;
use super::view::overview::{self, Overview};
use super::view::people::SitePeople;
use super::view::plans::{self, AudioLine, PlanLine};
use super::view::zones::{self, ZoneLine};

type Asked = State<Arc<Web>>;

pub(super) async fn overview(State(web): Asked) -> Json<Overview> {
    let reach = overview::reach(&web.node, &web.listening);
    Json(overview::overview(&web.node, &reach))
}

pub(super) async fn boards(State(web): Asked) -> Json<Vec<SiteBoard>> {
    Json(web.boards(&overview::reach(&web.node, &web.listening)))
}

pub(super) async fn zones(State(web): Asked) -> Json<Vec<ZoneLine>> {
    Json(zones::zones(&web.directory(), &web.seen_now(), &web.wired))
}

pub(super) async fn calls(State(web): Asked) -> Json<Calls> {
    Json(web.calls(&web.seen_now()))
}

pub(super) async fn people(State(web): Asked) -> Json<Vec<SitePeople>> {
    Json(web.people(&web.seen_now()))
}

pub(super) async fn conferences(State(web): Asked) -> Json<Vec<ConferenceLine>> {
    Json(web.conferences(&web.seen_now()))
}

pub(super) async fn plans(
    State(web): Asked,
    Extension(session): Extension<Session>,
) -> Json<Vec<PlanLine>> {
    Json(plans::plans(&web.directory(), &session.person, &web.wired))
}

pub(super) async fn audio(State(web): Asked) -> Json<Vec<AudioLine>> {
    Json(plans::audio(&web.directory(), &web.node.config.site, &web.wired))
}
