//! The camera's end: RTSP over TCP, H.264 taken out of RTP. It refuses other
//! codecs, sound, and to wait for a camera that is silent: it is asked whether
//! something went wrong, and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};

use super::order::Job;
use super::units::UNIT_MAX;
use super::{Event, State};
use crate::chain::{Running, linked, made};
use crate::wrong::Wrong;

/// How long packets may be waited for that came out of order; over TCP none are.
const LATENCY_MS: u32 = 50;
/// A camera that does not answer a connection or a request, in microseconds.
const PATIENCE_US: u64 = 5_000_000;

pub(super) struct Source {
    pipeline: Running,
    depay: gst::Element,
    offers: Arc<AtomicU8>,
}

/// What the camera's description offers.
const UNKNOWN: u8 = 0;
const OTHERS: u8 = 1;
const H264: u8 = 2;

impl Source {
    pub(super) fn start(job: &Job, events: SyncSender<Event>) -> Result<Self, Wrong> {
        let pipeline = Running::new();
        let (source, depay) = (made("rtspsrc")?, made("rtph264depay")?);
        source.set_property("location", job.location());
        source.set_property("user-agent", "Weir");
        source.set_property_from_str("protocols", "tcp");
        source.set_property("latency", LATENCY_MS);
        source.set_property("tcp-timeout", PATIENCE_US);
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        let sink = AppSink::builder().caps(&caps).sync(false).max_buffers(8).build();
        pipeline.add([&source, &depay, sink.upcast_ref()])?;
        linked(depay.link(&sink))?;
        let offers = select(&source);
        let entry = depay.static_pad("sink").ok_or(Wrong::Missing("rtph264depay"))?;
        source.connect_pad_added(move |_, pad| {
            if !entry.is_linked() {
                let _ = pad.link(&entry);
            }
        });
        hand_over(&sink, &pipeline, events);
        pipeline.play()?;
        Ok(Self { pipeline, depay, offers })
    }

    /// Cameras that know RTCP feedback (RFC 4585) make one; others go on.
    pub(super) fn ask_key(&self) {
        if let Some(pad) = self.depay.static_pad("sink") {
            pad.push_event(key_unit());
        }
    }

    /// Why no more can be expected of it.
    pub(super) fn trouble(&self) -> Option<(State, String)> {
        let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
        let message = self.pipeline.0.bus()?.pop_filtered(&kinds)?;
        let gst::MessageView::Error(error) = message.view() else {
            return Some((State::Unreachable, "the camera ended the stream".into()));
        };
        let error = error.error();
        let state = match error.kind::<gst::ResourceError>() {
            _ if self.offers.load(Ordering::Relaxed) == OTHERS => State::Unsupported,
            Some(gst::ResourceError::NotAuthorized) => State::Unauthorized,
            Some(gst::ResourceError::NotFound) => State::NoStream,
            _ => State::Unreachable,
        };
        Some((state, error.message().to_owned()))
    }
}

/// The first H.264 and nothing else is asked for.
fn select(source: &gst::Element) -> Arc<AtomicU8> {
    let offers = Arc::new(AtomicU8::new(UNKNOWN));
    let seen = offers.clone();
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let first = caps.as_ref().and_then(|caps| caps.structure(0));
        let is = |name: &str, what: &str| {
            first.is_some_and(|first| first.get::<&str>(name).is_ok_and(|is| is == what))
        };
        let takes = is("media", "video")
            && is("encoding-name", "H264")
            && seen.swap(H264, Ordering::Relaxed) != H264;
        if !takes {
            let _ = seen.compare_exchange(UNKNOWN, OTHERS, Ordering::Relaxed, Ordering::Relaxed);
        }
        Some(takes.to_value())
    });
    offers
}

pub(super) fn key_unit() -> gst::Event {
    let asks = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
    gst::event::CustomUpstream::new(asks)
}

fn hand_over(sink: &AppSink, pipeline: &Running, events: SyncSender<Event>) {
    let mut after_loss = false;
    let base = pipeline.0.downgrade();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let base = base.upgrade().and_then(|pipeline| pipeline.base_time());
        let (Some(buffer), Some(base)) = (sample.buffer(), base) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let sent = running_ns(&sample).filter(|_| bytes.len() <= UNIT_MAX).is_some_and(|running| {
            let (at_ns, bytes) = (base.nseconds() + running, bytes.to_vec());
            events.try_send(Event::Camera { at_ns, bytes, after_loss }).is_ok()
        });
        after_loss = !sent;
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

/// When a sample was taken, from the pipeline's beginning.
pub(super) fn running_ns(sample: &gst::Sample) -> Option<u64> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    Some(segment.to_running_time(sample.buffer()?.pts())?.nseconds())
}
