//! What an effect is, here at the edge: a real page goes to the loudspeakers of
//! its zone, or to a relay box where the site has one instead, a call or a message
//! to a person, a conference to a room; a drill or a test goes to the drill sink,
//! and no packet leaves. It refuses to choose by anything but the order's mode and
//! the node's own file.
use std::sync::Arc;
use std::time::Duration;

use weir_consensus::site::{Effects, Report};
use weir_model::fact::{EffectKey, Target};
use weir_model::home::EffectOrder;
use weir_model::intent::Mode;

use crate::drill::DrillSink;
use crate::people::People;
use crate::relay::Relay;
use crate::rooms::Rooms;
use crate::speakers::Speakers;

/// What drives this site's zones.
pub(crate) enum Devices {
    Speakers(Speakers),
    Relay(Relay),
    /// Orders fail, and say so.
    None,
}

/// See the module.
pub(crate) struct SiteEffects {
    pub(crate) devices: Devices,
    pub(crate) people: People,
    pub(crate) rooms: Rooms,
    pub(crate) drills: Arc<DrillSink>,
}

impl Effects for SiteEffects {
    fn begin(&self, order: EffectOrder, ends_in: Duration, report: Report) {
        if order.mode != Mode::Real {
            return self.drills.begin(order, report);
        }
        let Some((order, report)) = self.rooms.begin(order, ends_in, report) else { return };
        let Some((order, report)) = self.people.begin(order, ends_in, report) else { return };
        match &self.devices {
            Devices::Speakers(speakers) => speakers.begin(order, ends_in, report),
            Devices::Relay(relay) => relay.begin(&order, report),
            Devices::None => self.drills.nothing_there(report),
        }
    }

    fn cease(&self, key: &EffectKey, mode: Mode) {
        if mode != Mode::Real {
            return self.drills.cease(key);
        }
        match key.target {
            Target::Person(_) => return self.people.cease(key),
            Target::Conference(_) => return self.rooms.cease(key),
            Target::Zone(_) => {}
        }
        match &self.devices {
            Devices::Speakers(speakers) => speakers.cease(key),
            Devices::Relay(relay) => relay.cease(key),
            Devices::None => {}
        }
    }

    fn ask(&self, key: EffectKey, mode: Mode, within: Duration, report: Report) {
        // No device knows of a drill, and none is asked.
        if mode != Mode::Real {
            return;
        }
        match key.target {
            Target::Person(_) => return self.people.ask(&key, within, report),
            // Nobody can be asked who has joined in a life that is over.
            Target::Conference(_) => return,
            Target::Zone(_) => {}
        }
        match &self.devices {
            Devices::Speakers(speakers) => speakers.ask(key, within, report),
            Devices::Relay(relay) => relay.ask(&key, within, report),
            Devices::None => {}
        }
    }
}
