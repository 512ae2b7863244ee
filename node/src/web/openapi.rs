//! The description of the API (OpenAPI 3.1). It is kept by hand, and never says
//! more or less than the table of routes: a path that is not served is left out
//! of what is published, one that is not described is named all the same.

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::routes::Route;

const KEPT: &str = include_str!("openapi.json");
const SELF: &str = "/api/v1/openapi.json";

/// # Errors
/// When the kept description is no JSON object.
pub(super) fn document(routes: impl Iterator<Item = Route>) -> serde_json::Result<Bytes> {
    let mut document: Map<String, Value> = serde_json::from_str(KEPT)?;
    let mut described = match document.remove("paths") {
        Some(Value::Object(paths)) => paths,
        _ => Map::new(),
    };
    let mut paths = Map::new();
    for route in routes {
        let mut said = match described.remove(route.path) {
            Some(Value::Object(said)) => said,
            _ => Map::new(),
        };
        let mut methods = Map::new();
        // What holds for all methods of the path.
        methods.extend(said.remove("parameters").map(|all| ("parameters".to_owned(), all)));
        for method in route.methods {
            let known = said.remove(*method).unwrap_or_else(|| {
                tracing::warn!(path = route.path, method, "openapi.json does not describe this");
                json!({"responses": {"default": {"description": "not described"}}})
            });
            methods.insert((*method).to_owned(), known);
        }
        for method in said.keys() {
            tracing::warn!(path = route.path, method, "openapi.json describes what is not served");
        }
        paths.insert(route.path.to_owned(), Value::Object(methods));
    }
    paths.extend(described.remove(SELF).map(|own| (SELF.to_owned(), own)));
    for path in described.keys() {
        tracing::warn!(path, "openapi.json describes what is not served");
    }
    document.insert("paths".into(), Value::Object(paths));
    serde_json::to_vec(&document).map(Bytes::from)
}
