//! What every request passes before a handler sees it: it is a browser's own
//! and no other site's, somebody is signed in, its body is whole and short. And
//! what every answer gets on its way out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Web;
use crate::api::Problem;

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(20);
const BODY_BYTES: usize = 64 << 10;
/// A directory change set and room, as on the Unix socket.
const DIRECTORY_BYTES: usize = 4 << 20;

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
                   frame-ancestors 'none'";

/// Another site's page must not act in the name of who is signed in here. The
/// cookie is `SameSite=Strict`; this is the second lock. Programs that send
/// neither header have no cookie of anybody's either.
fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let host = text("host").unwrap_or_default();
    text("origin").is_none_or(|origin| {
        origin.strip_prefix("https://").is_some_and(|from| from.eq_ignore_ascii_case(host))
    })
}

pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if is_own(request.method(), request.headers()) {
        next.run(request).await
    } else {
        Problem::other_origin().into_response()
    }
}

/// Lets through who is signed in and holds a role, and writes down for whom.
pub(super) async fn signed_in(
    State(web): State<Arc<Web>>,
    mut request: Request,
    next: Next,
) -> Response {
    let state = web.node.consensus.view().borrow().state.clone();
    let Some(session) = web.sessions.of(request.headers(), &state) else {
        return Problem::not_signed_in().into_response();
    };
    let known = state.directory.people.get(&session.person);
    if known.is_none_or(|person| person.roles.is_empty()) {
        return Problem::no_role(&session.person).into_response();
    }
    let Ok(person) = HeaderValue::from_str(session.person.as_str()) else {
        return Problem::not_signed_in().into_response();
    };
    // Replaces whatever the browser sent: nobody speaks for another.
    request.headers_mut().insert("weir-as", person);
    request.extensions_mut().insert(session);
    next.run(request).await
}

/// Reads the body to its end, so that no handler waits for a slow one.
pub(super) async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let most = match parts.uri.path() {
        "/api/v1/directory" => DIRECTORY_BYTES,
        _ => BODY_BYTES,
    };
    let body = match timeout(BODY, to_bytes(body, most)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let long = std::error::Error::source(&error)
                .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
            let problem = if long { Problem::too_large(most) } else { Problem::body_broken() };
            return closing(problem);
        }
        Err(_) => return closing(Problem::body_slow()),
    };
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// What is left of the body will not be read.
fn closing(problem: Problem) -> Response {
    ([(header::CONNECTION, "close")], problem).into_response()
}

/// What browsers are told about every answer.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}
