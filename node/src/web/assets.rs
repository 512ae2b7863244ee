//! The console's files, carried in the program: a site that is cut off has
//! nowhere to load them from. Files with a hash in their name never change;
//! everything else is asked about each time.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use weir_model::id::Hash;

use crate::api::Problem;

/// Name and content, as the build found them.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));
const PLACEHOLDER: &[u8] = include_bytes!("placeholder.html");
const INDEX: &str = "index.html";

struct Asset {
    kind: &'static str,
    content: &'static [u8],
    etag: String,
    hashed: bool,
}

static ASSETS: LazyLock<Arc<BTreeMap<&'static str, Asset>>> = LazyLock::new(|| {
    let own = FILES.iter().copied();
    let placeholder = FILES.iter().all(|(name, _)| *name != INDEX);
    let all = own.chain(placeholder.then_some((INDEX, PLACEHOLDER)));
    let assets = all.map(|(name, content)| {
        let etag = format!("\"{}\"", Hash::of(&[content]).short());
        (name, Asset { kind: kind(name), content, etag, hashed: is_hashed(name) })
    });
    Arc::new(assets.collect())
});

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// As bundlers name files whose content never changes: `assets/main-3fA9x0Qz.js`.
fn is_hashed(name: &str) -> bool {
    let Some(file) = name.strip_prefix("assets/") else { return false };
    let Some((stem, _)) = file.rsplit_once('.') else { return false };
    let hash = stem.rsplit_once(['-', '.']).map_or("", |(_, hash)| hash);
    hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A file of the console; anything unknown is a problem, never the front page.
pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let name = if path.is_empty() { INDEX } else { path };
    let Some(asset) = ASSETS.get(name) else {
        return Problem::nothing_here().into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::method().into_response();
    }
    let cache = match asset.hashed {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, cache),
        (header::ETAG, asset.etag.as_str()),
    ];
    let held = request.headers().get(header::IF_NONE_MATCH);
    if held.is_some_and(|held| held.as_bytes() == asset.etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.content).into_response()
}
