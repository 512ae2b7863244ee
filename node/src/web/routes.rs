//! Every path of the HTTPS side, once: the table makes the router, and the
//! published description is held against it when the node starts.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};

use super::{Web, WebState, acts, assets, events, guard, openapi, reading, signing};
use crate::api::{self, Problem, board, cluster, directory, journal, plans};

pub(super) struct Route {
    pub(super) path: &'static str,
    /// In small letters, as OpenAPI has them.
    pub(super) methods: &'static [&'static str],
    handlers: MethodRouter<WebState>,
}

fn route(
    path: &'static str,
    methods: &'static [&'static str],
    handlers: MethodRouter<WebState>,
) -> Route {
    Route { path, methods, handlers }
}

const GET: &[&str] = &["get"];
const POST: &[&str] = &["post"];
const DELETE: &[&str] = &["delete"];
const BOTH: &[&str] = &["get", "post"];

/// For whoever comes.
fn open() -> Vec<Route> {
    let session = get(signing::show).post(signing::sign_in).delete(signing::sign_out);
    vec![route("/api/v1/session", &["get", "post", "delete"], session)]
}

/// For whoever is signed in.
fn signed_in() -> Vec<Route> {
    let mut routes = vec![
        route("/api/v1/events", GET, get(events::stream)),
        route("/api/v1/overview", GET, get(reading::overview)),
        route("/api/v1/boards", GET, get(reading::boards)),
        route("/api/v1/zones", GET, get(reading::zones)),
        route("/api/v1/calls", GET, get(reading::calls)),
        route("/api/v1/people", GET, get(reading::people)),
        route("/api/v1/conferences", GET, get(reading::conferences)),
        route("/api/v1/plans", GET, get(reading::plans)),
        route("/api/v1/audio", GET, get(reading::audio)),
        route("/api/v1/status", GET, get(cluster::status)),
        route("/api/v1/members", GET, get(cluster::members)),
        route("/api/v1/activations", GET, get(plans::activations)),
        route("/api/v1/kept", GET, get(plans::kept)),
        route("/api/v1/intents/{intent}", GET, get(plans::delivery)),
        route("/api/v1/journal", BOTH, get(journal::tail).post(journal::note)),
        route("/api/v1/journal/notes", POST, post(journal::note)),
        route("/api/v1/journal/export", GET, get(journal::export)),
        route("/api/v1/journal/verify", POST, post(journal::verify)),
        route("/api/v1/board", BOTH, get(board::list).post(board::set)),
        route("/api/v1/directory", BOTH, get(directory::show).post(acts::edit_directory)),
    ];
    routes.extend([
        route("/api/v1/plans/{plan}/launch", POST, post(acts::launch)),
        route("/api/v1/activations/{activation}/abort", POST, post(acts::abort)),
        route("/api/v1/activations/{activation}/confirm", POST, post(acts::confirm)),
        route("/api/v1/activations/{activation}/repeat", POST, post(acts::repeat)),
        route("/api/v1/zones/{zone}/page", POST, post(acts::page)),
        route("/api/v1/zones/{zone}/stop", POST, post(acts::stop)),
        route("/api/v1/calls/{call}", DELETE, delete(acts::end_call)),
        route("/api/v1/calls/{call}/seen", POST, post(acts::seen_call)),
        route("/api/v1/conferences/{room}/orders", POST, post(acts::order_conference)),
    ]);
    routes
}

fn router(routes: Vec<Route>) -> Router<WebState> {
    let with = |all: Router<WebState>, one: Route| all.route(one.path, one.handlers);
    routes.into_iter().fold(Router::new(), with)
}

/// # Errors
/// When the description is no JSON.
pub(super) fn app(web: Arc<Web>) -> anyhow::Result<Router> {
    let described = open().into_iter().chain(signed_in());
    let document = openapi::document(described).context("openapi.json is damaged")?;
    let describe = get(move || {
        let kind = (header::CONTENT_TYPE, "application/json");
        let answer = ([kind], document.clone()).into_response();
        std::future::ready(answer)
    });
    let inside = router(signed_in())
        .route_layer(from_fn(guard::whole_body))
        .route_layer(from_fn_with_state(web.clone(), guard::signed_in));
    let outside = router(open()).route_layer(from_fn(guard::whole_body));
    Ok(inside
        .merge(outside)
        .route("/api/v1/openapi.json", describe)
        .fallback(fallback)
        .layer(from_fn(guard::same_origin))
        .layer(map_response(api::everywhere))
        .layer(map_response(guard::headers))
        .with_state(WebState(web)))
}

async fn fallback(request: Request) -> Response {
    match request.uri().path() == "/api" || request.uri().path().starts_with("/api/") {
        true => Problem::nothing_here().into_response(),
        false => assets::serve(request).await,
    }
}
