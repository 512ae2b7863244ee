//! A call that comes in, from a telephone of this site or from another site, until
//! it is known where it leads. It refuses to lead another site's call to a third
//! one, or outside.

use std::net::IpAddr;

use tokio::sync::mpsc;
use weir_signaling::call::Route;

use super::call::Parts;
use super::line::Line;
use super::{Declined, Led, Origin, RoomCall};
use crate::{between, sip};

/// See the module.
#[derive(Debug)]
pub(super) enum Arrival {
    Here(sip::Incoming),
    Far(between::Incoming),
}

/// A caller who is led to telephones.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) line: Line,
    pub(super) from: String,
    pub(super) from_name: String,
    pub(super) dialled: String,
    pub(super) offer: String,
    pub(super) emergency: bool,
    pub(super) max_forwards: u8,
    /// Where its signalling comes from; of another site, our own trunk.
    pub(super) address: IpAddr,
    pub(super) route: Route,
    /// The other site.
    pub(super) at: Option<weir_model::id::SiteId>,
}

/// Not to be put through; the line is to be refused.
pub(super) type Turned = Box<(Line, Declined)>;

impl Arrival {
    pub(super) fn from(&self) -> &str {
        match self {
            Self::Here(incoming) => &incoming.from,
            Self::Far(incoming) => &incoming.from,
        }
    }

    fn to(&self) -> &str {
        match self {
            Self::Here(incoming) => &incoming.to,
            Self::Far(incoming) => &incoming.to,
        }
    }

    fn origin(&self) -> Origin<'_> {
        match self {
            Self::Here(incoming) => Origin::Here { number: &incoming.from },
            Self::Far(incoming) => Origin::Site { node: incoming.node, number: &incoming.from },
        }
    }

    fn turned(self, code: u16, words: &str) -> Turned {
        self.declined(Declined { code, words: words.into() })
    }

    fn declined(self, declined: Declined) -> Turned {
        let line = match self {
            Self::Here(incoming) => Line::Sip(incoming.call),
            Self::Far(incoming) => Line::Far(incoming.call),
        };
        Box::new((line, declined))
    }

    /// Asks where it leads. `None`: to a room, which has it now.
    pub(super) fn lead(self, parts: &Parts) -> Result<Option<Caller>, Turned> {
        let led = match (parts.router)(self.origin(), self.to()) {
            Ok(led) => led,
            Err(declined) => return Err(self.declined(declined)),
        };
        match led {
            Led::Room { number } => self.enter(parts, number).map(|()| None),
            Led::Call { route, from_name, at } => {
                if let Some((code, words)) = self.barred(parts, &route) {
                    return Err(self.turned(code, words));
                }
                Ok(Some(self.caller(route, from_name, at)))
            }
        }
    }

    fn enter(self, parts: &Parts, number: String) -> Result<(), Turned> {
        let incoming = match self {
            Self::Here(incoming) => incoming,
            Self::Far(_) => {
                let words = "请从本站拨入会议 / enter the conference through your own site";
                return Err(self.turned(403, words));
            }
        };
        parts.rooms.try_send(RoomCall { number, incoming }).map_err(|error| {
            let (room, words) = match error {
                mpsc::error::TrySendError::Full(room) => {
                    (room, "会议来话过多，请稍后再拨 / too many callers at once; try again later")
                }
                mpsc::error::TrySendError::Closed(room) => {
                    (room, "本节点没有会议 / this node holds no conferences")
                }
            };
            Self::Here(room.incoming).turned(480, words)
        })
    }

    /// Why it may not go where it is led.
    fn barred(&self, parts: &Parts, route: &Route) -> Option<(u16, &'static str)> {
        let mut dials = route.groups.iter().flat_map(|group| &group.numbers);
        let elsewhere = dials.clone().any(|dial| dial.at.is_some());
        match self {
            Self::Far(_) if elsewhere => {
                Some((482, "跨站来话不能再转第三站 / a call between two sites is led to no third"))
            }
            Self::Far(_) if dials.any(|dial| dial.dial.is_some()) => {
                Some((403, "跨站来话不能拨外线 / another site's call is not led outside"))
            }
            Self::Here(_) if elsewhere && parts.between.is_none() => Some((
                480,
                "本节点尚不能跨站通话，请改用电台或外线 / this node does not call between sites; use \
                 the radio or an outside line",
            )),
            Self::Here(_) | Self::Far(_) => None,
        }
    }

    fn caller(self, route: Route, from_name: String, at: Option<weir_model::id::SiteId>) -> Caller {
        match self {
            Self::Here(incoming) => Caller {
                line: Line::Sip(incoming.call),
                from: incoming.from,
                from_name,
                dialled: incoming.to,
                offer: incoming.offer,
                emergency: route.emergency,
                max_forwards: incoming.max_forwards,
                address: incoming.source.ip(),
                route,
                at,
            },
            Self::Far(incoming) => Caller {
                address: incoming.call.peer(),
                line: Line::Far(incoming.call),
                from: incoming.from,
                // What our own directory calls it says more.
                from_name: if from_name.is_empty() { incoming.from_name } else { from_name },
                dialled: incoming.to,
                offer: incoming.offer,
                emergency: route.emergency || incoming.emergency,
                max_forwards: incoming.max_forwards,
                route,
                at,
            },
        }
    }
}
