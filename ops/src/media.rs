//! Telephones, loudspeakers and sounds as Prometheus sees them.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// A word for a label, and how often.
pub type Counted = (&'static str, u64);

/// SIP and paging at this node; every number but `registrations` and
/// `calls_under_way` only grows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaReading {
    pub registrations: u64,
    pub calls_under_way: u64,
    /// SIP requests, by method.
    pub requests: Vec<Counted>,
    /// SIP messages that were not served, by reason.
    pub refused: Vec<Counted>,
    /// Calls to devices, by outcome.
    pub calls: Vec<Counted>,
    /// Pages, by result.
    pub pages: Vec<Counted>,
    pub speakers_receiving: u64,
    pub packets_sent: u64,
    /// Left out because the node was held up.
    pub frames_late: u64,
    pub between: BetweenReading,
}

/// Calls and conferences between sites; `calls`, `trunks`, `conferences` and
/// `members` are of now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BetweenReading {
    pub calls: u64,
    pub trunks: u64,
    pub conferences: u64,
    /// Who is in them and heard here.
    pub members: u64,
    /// Frames of voice, by what became of them.
    pub frames: Vec<Counted>,
    /// In datagrams between sites, by direction.
    pub bytes: Vec<Counted>,
}

/// Sounds that the directory names, and how many lie here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoundsReading {
    pub have: u64,
    pub of: u64,
}

pub(crate) fn sounds(registry: &Registry, sounds: SoundsReading) -> Result<(), prometheus::Error> {
    gauge(registry, "weir_sounds", "Sounds that the directory names.", sounds.of)?;
    gauge(registry, "weir_sounds_staged", "Of them, those that lie at this node.", sounds.have)
}

pub(crate) fn media(registry: &Registry, media: &MediaReading) -> Result<(), prometheus::Error> {
    gauge(registry, "weir_sip_registrations", "Devices registered.", media.registrations)?;
    gauge(registry, "weir_sip_calls", "Calls under way.", media.calls_under_way)?;
    by_word(registry, "weir_sip_requests_total", "SIP requests.", "method", &media.requests)?;
    let help = "SIP messages not served.";
    by_word(registry, "weir_sip_refused_total", help, "reason", &media.refused)?;
    let help = "Calls to devices, by outcome.";
    by_word(registry, "weir_sip_calls_total", help, "outcome", &media.calls)?;
    by_word(registry, "weir_pages_total", "Pages, by result.", "result", &media.pages)?;
    let help = "Calls whose receiver reports proved that sound arrives.";
    count(registry, "weir_page_receiving_total", help, media.speakers_receiving)?;
    count(registry, "weir_rtp_packets_total", "RTP packets sent.", media.packets_sent)?;
    let help = "Frames of sound left out because the node was held up.";
    count(registry, "weir_rtp_late_frames_total", help, media.frames_late)?;
    between(registry, &media.between)
}

fn between(registry: &Registry, between: &BetweenReading) -> Result<(), prometheus::Error> {
    gauge(registry, "weir_between_calls", "Calls to and from other sites.", between.calls)?;
    gauge(registry, "weir_trunks", "Ways of voice to other sites.", between.trunks)?;
    gauge(registry, "weir_conferences", "Conferences of this site.", between.conferences)?;
    let help = "People in them who are heard here.";
    gauge(registry, "weir_conference_members", help, between.members)?;
    let help = "Frames of voice between sites.";
    by_word(registry, "weir_trunk_frames_total", help, "fate", &between.frames)?;
    let help = "Voice between sites, in bytes.";
    by_word(registry, "weir_trunk_bytes_total", help, "direction", &between.bytes)
}

fn gauge(registry: &Registry, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(Box::new(gauge))
}

fn count(registry: &Registry, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    counter.inc_by(value);
    registry.register(Box::new(counter))
}

fn by_word(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
    counted: &[Counted],
) -> Result<(), prometheus::Error> {
    let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
    for (word, value) in counted {
        counter.with_label_values(&[word]).inc_by(*value);
    }
    registry.register(Box::new(counter))
}
