//! What GStreamer may do here. For sounds: open one file, take formats apart,
//! decode audio, encode for loudspeakers. For cameras: speak RTSP, decode and
//! encode H.264, write JPEGs. Everything else is taken out of its registry before
//! the first pipeline, so that no playlist, manifest or crafted file can make one
//! reach for a device or another file, nor a sound for the network: there is no
//! element left that could. Refuses to work when something it needs is not
//! installed.

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

/// By name, all that a camera takes; what `rtspsrc` is made of is among them.
const CAMERAS: [&str; 18] = [
    "bin",
    "pipeline",
    "appsrc",
    "appsink",
    "capsfilter",
    "rtspsrc",
    "rtpbin",
    "rtpsession",
    "rtpssrcdemux",
    "rtpstorage",
    "rtpjitterbuffer",
    "rtpptdemux",
    "rtph264depay",
    "avdec_h264",
    "videoconvert",
    "videoscale",
    "x264enc",
    "jpegenc",
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum FenceError {
    #[error("GStreamer 无法启动（{0}）/ GStreamer does not start ({0})")]
    Start(String),
}

/// What a process is for; never both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Sounds,
    Cameras,
}

/// Done before the first line comes: it takes as long as the rest of a start.
pub(crate) fn start() -> Result<(), FenceError> {
    gst::init().map_err(|error| FenceError::Start(error.to_string()))
}

pub(crate) fn close(purpose: For) {
    let registry = gst::Registry::get();
    for factory in registry.features(gst::ElementFactory::static_type()) {
        let stays =
            factory.downcast_ref::<gst::ElementFactory>().is_some_and(|factory| match purpose {
                For::Sounds => stays(factory),
                For::Cameras => CAMERAS.contains(&factory.name().as_str()),
            });
        if !stays {
            registry.remove_feature(&factory);
        }
    }
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
