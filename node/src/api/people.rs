//! People's passwords, set by the local administrator. The password comes once,
//! over the Unix socket, and goes no further than its hash.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_model::decision::{Decision, Outcome};
use weir_model::id::PersonId;

use super::{Problem, Shared, decide};
use crate::web::{Password, Unchecked};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewPassword {
    pub(crate) password: Password,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PasswordSet {
    pub(crate) index: u64,
}

pub(crate) async fn set_password(
    State(node): Shared,
    Path(person): Path<String>,
    headers: HeaderMap,
    Json(new): Json<NewPassword>,
) -> Result<Json<PasswordSet>, Problem> {
    let unknown = || Problem::person_unknown(&person);
    let id: PersonId = person.parse().map_err(|_| unknown())?;
    let known = node.consensus.view().borrow().state.directory.people.contains_key(&id);
    if !known {
        return Err(unknown());
    }
    if !new.password.is_long_enough() {
        return Err(Problem::password_length());
    }
    let phc = node.passwords.hash(new.password).await.map_err(|error| match error {
        Unchecked::Busy => Problem::busy(error.to_string()),
        Unchecked::Failed(_) => Problem::internal(error.to_string()),
    })?;
    match decide(&node, &headers, Decision::SetPassword { person: id, phc }).await? {
        (index, Outcome::PasswordSet) => Ok(Json(PasswordSet { index })),
        (_, other) => Err(Problem::internal(format!("{other:?}"))),
    }
}
