//! Where a number leads, by this node's copy of the directory, and what a call
//! leaves in the journal. It refuses to ring another site's telephones itself, to
//! believe a site about numbers that are not its own, and to lead another site's
//! caller anywhere but to telephones of this one.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use weir_consensus::disk::RocksDisk;
use weir_consensus::site::Site;
use weir_consensus::store::AppliedView;
use weir_media::exchange::{Declined, Dial, Group, Led, News, Origin, Route, Router};
use weir_model::directory::{Dialled, Directory, ExtensionKind};
use weir_model::id::{Extension, NodeId, SiteId};
use weir_model::state::State;

/// How long a telephone rings before its caller hears that nobody answers.
const RING_MS: u64 = 60_000;
/// The duty room is rung for longer: somebody will come.
const DUTY_RING_MS: u64 = 90_000;
/// An emergency call rings the next group as well after so long.
const EMERGENCY_RING_MS: u64 = 12_000;
/// Telephones that an emergency call begins to ring at once.
const TOGETHER: usize = 16;

/// Asks the directory as it is agreed on at the moment of each call.
pub(crate) fn router(agreed: watch::Receiver<Arc<AppliedView>>, site: SiteId) -> Router {
    Arc::new(move |origin, dialled| {
        let state = agreed.borrow().state.clone();
        let (number, route, at) = match origin {
            Origin::Here { number } => {
                if let Dialled::Room { number: room, .. } = state.directory.route(&site, dialled) {
                    // Nobody can say who calls through a line.
                    if comes_in(&state.directory, number) {
                        return Err(declined(
                            403,
                            "外线不能拨入会议，请由会议呼叫您 / nobody enters a room from outside; \
                             have the conference call you",
                        ));
                    }
                    return Ok(Led::Room { number: room.to_string() });
                }
                (number, route(&state.directory, &site, number, dialled)?, None)
            }
            Origin::Site { node, number } => {
                let at = vouched(&state, &site, node, number)?;
                (number, route_in(&state.directory, &site, number, dialled)?, Some(at))
            }
        };
        Ok(Led::Call { route, from_name: name_of(&state.directory, number), at })
    })
}

fn declined(code: u16, words: &str) -> Declined {
    Declined { code, words: words.into() }
}

/// The site of the node that brings a call, if the caller's number is that site's.
fn vouched(state: &State, site: &SiteId, node: NodeId, number: &str) -> Result<SiteId, Declined> {
    let refused = || {
        declined(
            403,
            "主叫号码不属于来话站点，请核对通讯录 / the caller's number is not of the site that it \
             comes from; check the directory",
        )
    };
    let at = state.members.get(&node).map(|member| &member.site).filter(|at| *at != site);
    let of = state.directory.extensions.get(number).map(|extension| &extension.site);
    match (at, of) {
        (Some(at), Some(of)) if at == of => Ok(at.clone()),
        _ => Err(refused()),
    }
}

/// Where another site's caller is led: to telephones of this site.
fn route_in(
    directory: &Directory,
    site: &SiteId,
    from: &str,
    dialled: &str,
) -> Result<Route, Declined> {
    match directory.route(site, dialled) {
        Dialled::Local(number) if comes_in(directory, number.as_str()) => Err(declined(
            403,
            "跨站来话只能拨本站话机 / another site's caller reaches telephones of this site only",
        )),
        Dialled::Local(_) | Dialled::DutyRoom { .. } | Dialled::Unknown => {
            route(directory, site, from, dialled)
        }
        Dialled::Elsewhere { .. } => Err(declined(
            482,
            "该号码不在本站，请核对通讯录版本 / the number is not of this site; compare the \
             directories of both",
        )),
        Dialled::Emergency { .. }
        | Dialled::Outside { .. }
        | Dialled::Room { .. }
        | Dialled::Zone(_) => Err(declined(
            403,
            "跨站来话只能拨本站话机 / another site's caller reaches telephones of this site only",
        )),
    }
}

fn route(
    directory: &Directory,
    site: &SiteId,
    from: &str,
    dialled: &str,
) -> Result<Route, Declined> {
    let plain = |numbers: &[Extension], ring_ms| Group {
        // Nobody is connected with himself.
        numbers: numbers.iter().filter(|n| n.as_str() != from).map(direct).collect(),
        ring_ms,
    };
    let groups = match directory.route(site, dialled) {
        Dialled::Emergency { groups } => {
            // In portions, so that those who are not there do not keep out the rest.
            let groups = groups.iter().flat_map(|group| group.chunks(TOGETHER));
            let groups = groups.map(|group| plain(group, EMERGENCY_RING_MS));
            let mut groups: Vec<Group> = groups.filter(|group| !group.numbers.is_empty()).collect();
            if let Some(last) = groups.last_mut() {
                last.ring_ms = RING_MS;
            }
            return Ok(Route { groups, emergency: true });
        }
        Dialled::DutyRoom { numbers } => vec![plain(&numbers, DUTY_RING_MS)],
        Dialled::Local(number) => vec![Group { numbers: vec![direct(&number)], ring_ms: RING_MS }],
        Dialled::Outside { .. } if comes_in(directory, from) => {
            return Err(Declined {
                code: 403,
                words: "外线来话不能再拨外线 / a call from outside is not led outside again".into(),
            });
        }
        // One line after the other.
        Dialled::Outside { number, trunks } => trunks
            .iter()
            .map(|trunk| Group {
                numbers: vec![Dial {
                    number: trunk.to_string(),
                    dial: Some(number.clone()),
                    at: None,
                }],
                ring_ms: RING_MS,
            })
            .collect(),
        Dialled::Elsewhere { site, number } => {
            // Its duty room is rung for longer there, too.
            let known = directory.extensions.contains_key(&number);
            let ring_ms = if known { RING_MS } else { DUTY_RING_MS };
            let dial = Dial { number: number.to_string(), dial: None, at: Some(site) };
            vec![Group { numbers: vec![dial], ring_ms }]
        }
        Dialled::Zone(zone) => {
            return Err(Declined {
                code: 403,
                words: format!(
                    "{zone} 是广播区，请从控制台广播 / {zone} is a zone; page it from the console"
                ),
            });
        }
        // The router has led to rooms before.
        Dialled::Room { .. } | Dialled::Unknown => Vec::new(),
    };
    let groups: Vec<Group> = groups.into_iter().filter(|group| !group.numbers.is_empty()).collect();
    match groups.is_empty() {
        true => Err(Declined {
            code: 404,
            words: "没有这个号码，请核对 / there is no such number; check it".into(),
        }),
        false => Ok(Route { groups, emergency: false }),
    }
}

/// Whether a number is a way in from other networks.
fn comes_in(directory: &Directory, number: &str) -> bool {
    let kind = directory.extensions.get(number).map(|one| one.kind);
    matches!(kind, Some(ExtensionKind::Trunk | ExtensionKind::Gateway))
}

/// Whose telephone it is, for the display of the one who is called.
fn name_of(directory: &Directory, number: &str) -> String {
    let owner = directory.extensions.get(number).and_then(|one| one.owner.as_ref());
    let person = owner.and_then(|owner| directory.people.get(owner));
    person.map(|person| person.name.clone()).unwrap_or_default()
}

fn direct(number: &Extension) -> Dial {
    Dial { number: number.to_string(), dial: None, at: None }
}

/// Writes down what calls leave; a call never waits for the journal. What finds
/// no room there is in the log.
pub(crate) async fn record(mut news: mpsc::Receiver<News>, site: Site<RocksDisk>) {
    while let Some(one) = news.recv().await {
        let call = one.call;
        if let Err(error) = site.record_call(one.fact()) {
            tracing::warn!(%call, %error, "a call's fact found no room in the journal");
        }
    }
}
