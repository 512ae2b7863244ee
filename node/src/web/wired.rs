//! What other parts of the node tell the screens: loudspeakers and telephones as
//! telephony knows them, sounds as the nodes say they hold them. It is asked often and must
//! not wait; what is not known here is said to be unknown.

use std::sync::Arc;

use weir_media::SpeakerState;
use weir_model::decision::Member;
use weir_model::directory::Sound;
use weir_model::id::{AudioId, Extension, SiteId, SpeakerId};

use crate::api::sounds;
use crate::node::Node;

/// One loudspeaker of this site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpeakerSight {
    pub(crate) registered: bool,
    /// `idle`, `calling`, `ringing`, `answered`, `playing`, `receiving`, `failed`.
    pub(crate) state: &'static str,
}

/// A sound as it lies ready at a site, as far as this node knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundSight {
    pub(crate) ready: bool,
    pub(crate) ms: Option<u64>,
}

type Asked<A, B, T> = Box<dyn Fn(&A, &B) -> T + Send + Sync>;

/// See the module.
pub(crate) struct Wired {
    /// `None`: not known here.
    pub(crate) speaker: Asked<SiteId, SpeakerId, Option<SpeakerSight>>,
    pub(crate) sound: Asked<SiteId, AudioId, SoundSight>,
    /// Whether a telephone is registered; `None`: not known here.
    pub(crate) phone: Asked<SiteId, Extension, Option<bool>>,
}

impl Wired {
    pub(crate) fn to(node: &Arc<Node>) -> Self {
        let (ours, staging, phones) = (node.clone(), node.clone(), node.clone());
        Self {
            speaker: Box::new(move |site, speaker| sight(&ours, site, speaker)),
            sound: Box::new(move |site, audio| sound(&staging, site, audio)),
            phone: Box::new(move |site, number| phone(&phones, site, number)),
        }
    }
}

fn phone(node: &Node, site: &SiteId, number: &Extension) -> Option<bool> {
    let telephony = node.telephony.as_ref().filter(|_| *site == node.config.site)?;
    Some(telephony.sip.registered(number.as_str()))
}

/// Registrations and calls are known at the device's own site only.
fn sight(node: &Node, site: &SiteId, speaker: &SpeakerId) -> Option<SpeakerSight> {
    let telephony = node.telephony.as_ref().filter(|_| *site == node.config.site)?;
    let directory = node.consensus.view().borrow().state.directory.clone();
    let (zone, known) = directory.zones_of(site).find_map(|zone| {
        zone.speakers.iter().find(|one| one.id == *speaker).map(|one| (&zone.id, one))
    })?;
    let zones = telephony.pager.picture().borrow().clone();
    let page = zones.iter().find(|one| one.zone == *zone).and_then(|one| one.running.as_ref());
    let called = page.and_then(|page| page.speakers.iter().find(|one| one.id == *speaker));
    let state = match called.map(|one| one.state) {
        None | Some(SpeakerState::Idle | SpeakerState::Played) => "idle",
        Some(SpeakerState::Calling) => "calling",
        Some(SpeakerState::Ringing) => "ringing",
        Some(SpeakerState::Answered) => "answered",
        Some(SpeakerState::Playing) => "playing",
        Some(SpeakerState::Receiving) => "receiving",
        Some(SpeakerState::Failed { .. }) => "failed",
    };
    Some(SpeakerSight { registered: telephony.sip.registered(known.extension.as_str()), state })
}

/// Ready where every node of the site says that it holds every sound of the
/// directory as it is now.
fn sound(node: &Node, site: &SiteId, audio: &AudioId) -> SoundSight {
    let state = node.consensus.view().borrow().state.clone();
    let said = sounds::staged(node);
    let mut nodes = state.members.values().filter(|member| member.site == *site).peekable();
    let there = nodes.peek().is_some();
    let holds = |member: &Member| {
        let said = said.get(&member.id);
        said.is_some_and(|said| said.directory >= state.directory.version && said.have == said.of)
    };
    let source = state.directory.source(&Sound::Audio(audio.clone()));
    let rendering = source.and_then(|source| state.renderings.get(&source.hash()).cloned());
    let ready = rendering.is_some() && there && nodes.all(holds);
    SoundSight { ready, ms: rendering.map(|rendering| u64::from(rendering.ms)) }
}
