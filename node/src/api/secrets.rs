//! Passwords of devices: made here, shown once, kept only as hashes. It refuses
//! to show one again, and to overwrite one that was not named.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_media::secret;
use weir_model::decision::Decision;
use weir_model::directory::{Directory, Endpoint};
use weir_model::id::{Extension, SiteId};
use weir_model::state::{SECRETS_AT_ONCE, SipSecret, State as Agreed};

use super::{Problem, Shared, decide};
use crate::edge;

/// Which numbers get a new password.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Every device of the site that has none yet.
    pub(crate) site: Option<String>,
    /// These, whether or not they have one.
    #[serde(default)]
    pub(crate) numbers: Vec<String>,
}

/// What a device is set up with. Shown once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) number: String,
    pub(crate) password: String,
}

pub(super) async fn make(
    State(node): Shared,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Vec<Made>>, Problem> {
    let numbers = {
        let view = node.consensus.view().borrow().clone();
        choose(&view.state, &wanted)?
    };
    let mut made = Vec::new();
    let mut secrets = Vec::new();
    for number in numbers {
        let dice = edge::mint().map_err(|_| Problem::no_randomness())?;
        let password = secret::password(dice);
        let (md5, sha256) = secret::hashes(number.as_str(), &password);
        secrets.push((number.clone(), SipSecret { md5, sha256 }));
        made.push(Made { number: number.into(), password });
    }
    if !secrets.is_empty() {
        // Passwords are new each time, so no answer to an earlier request is theirs.
        let mut headers = headers;
        headers.remove("idempotency-key");
        decide(&node, &headers, Decision::Secrets { secrets }).await?;
    }
    Ok(Json(made))
}

fn choose(agreed: &Agreed, wanted: &Wanted) -> Result<BTreeSet<Extension>, Problem> {
    let bad = |what: &str| {
        Problem::bad_request(format!(
            "{what} 不是目录中的设备号码或站点 / {what} is no device's number or site of the directory"
        ))
    };
    let directory = &agreed.directory;
    let mut numbers = BTreeSet::new();
    if let Some(site) = &wanted.site {
        let site: SiteId = site.parse().map_err(|_| bad(site))?;
        if !directory.sites.contains_key(&site) {
            return Err(bad(site.as_str()));
        }
        let all = devices(directory, &site);
        numbers.extend(all.into_iter().filter(|number| !agreed.secrets.contains_key(number)));
    }
    for number in &wanted.numbers {
        let named: Extension = number.parse().map_err(|_| bad(number))?;
        match directory.endpoint(&named) {
            Some(Endpoint::Phone(_) | Endpoint::Speaker(..)) => drop(numbers.insert(named)),
            Some(Endpoint::Zone(_)) | None => return Err(bad(number)),
        }
    }
    match numbers.len() > SECRETS_AT_ONCE {
        true => Err(bad("> 1024")),
        false => Ok(numbers),
    }
}

/// Every device of a site: telephones and loudspeakers.
pub(crate) fn devices(directory: &Directory, site: &SiteId) -> Vec<Extension> {
    let phones = directory.extensions.values().filter(|phone| phone.site == *site);
    let speakers = directory.zones_of(site).flat_map(|zone| &zone.speakers);
    let phones = phones.map(|phone| phone.number.clone());
    phones.chain(speakers.map(|speaker| speaker.extension.clone())).collect()
}
