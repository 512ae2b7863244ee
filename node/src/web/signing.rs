//! Signing in and out. An unknown person and a wrong password get the same
//! answer after the same time; a person without any role has nothing to do here
//! and is told so only with the right password.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use weir_model::directory::{Directory, Role};
use weir_model::id::PersonId;
use weir_model::state::Phc;

use super::password::Password;
use super::server::Source;
use super::session::{self, Session};
use super::{Unchecked, Web};
use crate::api::Problem;
use crate::edge;

#[derive(Debug, Deserialize)]
pub(super) struct SignIn {
    person: String,
    password: Password,
}

#[derive(Debug, Serialize)]
struct SessionLine {
    person: String,
    name: String,
    roles: Vec<RoleLine>,
    node: String,
    site: String,
    expires_ms: u64,
}

#[derive(Debug, Serialize)]
struct RoleLine {
    role: weir_model::directory::RoleKind,
    sites: SitesLine,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SitesLine {
    All(&'static str),
    These(Vec<String>),
}

fn role(held: &Role) -> RoleLine {
    use weir_model::directory::Scope;
    let sites = match &held.sites {
        Scope::All => SitesLine::All("all"),
        Scope::Sites(sites) => SitesLine::These(sites.iter().map(ToString::to_string).collect()),
    };
    RoleLine { role: held.role, sites }
}

fn line(web: &Web, directory: &Directory, session: &Session) -> Json<SessionLine> {
    let person = directory.people.get(&session.person);
    Json(SessionLine {
        person: session.person.to_string(),
        name: person.map_or_else(|| session.person.to_string(), |person| person.name.clone()),
        roles: person.map(|one| one.roles.iter().map(role).collect()).unwrap_or_default(),
        node: web.node.config.name.to_string(),
        site: web.node.config.site.to_string(),
        expires_ms: session.expires.0,
    })
}

/// Who was refused, and from where; never with what.
fn refused(person: &PersonId, source: &Source) -> Problem {
    tracing::warn!(%person, from = %source.0, "a sign-in was refused / 登录被拒绝");
    Problem::sign_in_refused()
}

pub(super) async fn sign_in(
    State(web): State<Arc<Web>>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    Json(sign_in): Json<SignIn>,
) -> Result<Response, Problem> {
    // No name of a person: nobody's, and not worth a place in a table.
    let person: PersonId = sign_in.person.parse().map_err(|_| Problem::sign_in_refused())?;
    let begun = web.tries.begin(&person, source.network(), Instant::now());
    let one_try = begun.map_err(|wait| Problem::too_many_tries(wait.as_secs() + 1))?;
    let state = web.node.consensus.view().borrow().state.clone();
    let known = state.directory.people.get(&person);
    let phc = known.and_then(|_| state.passwords.get(&person)).cloned();
    let mark = phc.as_ref().map(Phc::mark);
    let checked = web.node.passwords.check(sign_in.password, phc).await;
    let right = match checked {
        Ok(right) => right,
        Err(error) => {
            web.tries.unknown(one_try);
            return Err(match error {
                Unchecked::Busy => Problem::busy(error.to_string()),
                Unchecked::Failed(_) => Problem::internal(error.to_string()),
            });
        }
    };
    let (Some(known), Some(mark), true) = (known, mark, right) else {
        return Err(refused(&person, &source));
    };
    web.tries.right(one_try);
    if known.roles.is_empty() {
        return Err(Problem::no_role(&person));
    }
    if let Some(before) = web.sessions.of(&headers, &state) {
        web.sessions.end(&before);
    }
    let begun = web.sessions.begin(person, mark);
    let (token, session) = begun.map_err(|edge::NoDice| Problem::no_randomness())?;
    tracing::info!(person = %session.person, from = %source.0, "signed in / 已登录");
    let cookie = [(header::SET_COOKIE, session::cookie(Some(&token)))];
    Ok((cookie, line(&web, &state.directory, &session)).into_response())
}

pub(super) async fn show(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = web.node.consensus.view().borrow().state.clone();
    let session = web.sessions.of(&headers, &state).ok_or_else(Problem::not_signed_in)?;
    Ok(line(&web, &state.directory, &session).into_response())
}

/// Signing out twice is signing out.
pub(super) async fn sign_out(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let state = web.node.consensus.view().borrow().state.clone();
    if let Some(session) = web.sessions.of(&headers, &state) {
        web.sessions.end(&session);
        tracing::info!(person = %session.person, "signed out / 已退出");
    }
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, session::cookie(None))]).into_response()
}
