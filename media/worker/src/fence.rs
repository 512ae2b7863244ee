//! What GStreamer may do here: open one file, take formats apart, decode audio,
//! encode for loudspeakers. Everything else is taken out of its registry at the
//! start, so that no playlist, manifest or crafted file can make a pipeline
//! reach for the network, a device or another file: there is no element left
//! that could. Refuses to work when something it needs is not installed.

use gstreamer as gst;
use gstreamer::prelude::*;

/// By name: the frame of every pipeline, and the encoders.
const NEEDED: [&str; 15] = [
    "bin",
    "pipeline",
    "filesrc",
    "appsrc",
    "appsink",
    "typefind",
    "decodebin",
    "queue",
    "multiqueue",
    "capsfilter",
    "audioconvert",
    "audioresample",
    "alawenc",
    "mulawenc",
    "avenc_g722",
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum FenceError {
    #[error("GStreamer 无法启动（{0}）/ GStreamer does not start ({0})")]
    Start(String),
}

pub(crate) fn start() -> Result<(), FenceError> {
    gst::init().map_err(|error| FenceError::Start(error.to_string()))?;
    let registry = gst::Registry::get();
    for factory in registry.features(gst::ElementFactory::static_type()) {
        if !factory.downcast_ref::<gst::ElementFactory>().is_some_and(stays) {
            registry.remove_feature(&factory);
        }
    }
    Ok(())
}

/// Which of [`NEEDED`] is not there; asked when something failed, for a reason
/// that a person can act on.
pub(crate) fn missing() -> Option<&'static str> {
    NEEDED.into_iter().find(|name| gst::ElementFactory::find(name).is_none())
}

fn stays(factory: &gst::ElementFactory) -> bool {
    if NEEDED.contains(&factory.name().as_str()) {
        return true;
    }
    let class = factory.metadata("klass").unwrap_or_default();
    let has = |word: &str| class.split('/').any(|part| part == word);
    // An adaptive demuxer fetches what its manifest names; one for the network
    // opens sockets. A source may open anything.
    if has("Adaptive") || has("Network") || has("Source") || has("Sink") || has("Hardware") {
        return false;
    }
    has("Demuxer") || has("Parser") || (has("Decoder") && has("Audio"))
}
