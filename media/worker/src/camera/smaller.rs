//! Less than what the camera sends: decoded, thinned out, scaled down, and made
//! H.264 or JPEG again, in a pipeline of its own that lives as long as the rung.
//! It refuses to enlarge, and to queue up what a slow processor cannot follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::Event;
use super::order::Rung;
use super::outlet::Kind;
use super::source::{key_unit, running_ns};
use super::still::Jpeg;
use super::units::Unit;
use crate::chain::{Running, linked, made};
use crate::wrong::Wrong;

/// Units that may wait for the decoder, beyond those that it begins with.
const WAITING: u64 = 45;
/// Between key frames that nobody asked for.
const KEY_EVERY_S: u32 = 5;
/// How unevenly bits may be spent, in milliseconds of the bit rate: a key frame
/// longer than this would wait in every queue of a thin link.
const BUFFER_MS: u32 = 500;

/// Cameras are not punctual.
const EARLY_NS: u64 = 40_000_000;

pub(super) struct Smaller {
    pipeline: Running,
    source: AppSrc,
    encoder: Option<gst::Element>,
    rung: Rung,
    /// What is made carries this number.
    order: Arc<AtomicU32>,
    gate: Arc<Gate>,
    most: u64,
    /// Units were left out: what follows cannot be decoded.
    behind: bool,
}

/// Which decoded pictures go on, by time.
struct Gate {
    step_ns: u64,
    next_ns: AtomicU64,
    /// The next one goes on whatever its time.
    now: AtomicBool,
}

impl Gate {
    fn opens(&self, at_ns: u64) -> bool {
        let next_ns = self.next_ns.load(Ordering::Relaxed);
        let now = self.now.swap(false, Ordering::Relaxed);
        if !now && at_ns + (self.step_ns / 2).min(EARLY_NS) < next_ns {
            return false;
        }
        let following = if at_ns > next_ns + self.step_ns || now { at_ns } else { next_ns };
        self.next_ns.store(following + self.step_ns, Ordering::Relaxed);
        true
    }
}

impl Smaller {
    /// Begins with the pictures since the last key frame, and shows the newest.
    pub(super) fn start(
        rung: Rung,
        order: u32,
        group: &[Unit],
        events: SyncSender<Event>,
    ) -> Result<Self, Wrong> {
        let (height, step_ns) = match rung {
            Rung::Original {} => return Err(Wrong::Request("nothing to make".into())),
            Rung::Video { height, fps, .. } => (height, 1_000_000_000 / u64::from(fps.max(1))),
            Rung::Still { height, every_ms, .. } => (height, u64::from(every_ms) * 1_000_000),
        };
        let next_ns = AtomicU64::new(group.last().map_or(0, |unit| unit.at_ns));
        let gate = Arc::new(Gate { step_ns, next_ns, now: AtomicBool::new(false) });
        let order = Arc::new(AtomicU32::new(order));
        let pipeline = Running::new();
        let source = AppSrc::builder().caps(&camera_caps(rung)).format(gst::Format::Time).build();
        source.set_max_bytes(0);
        let decoder = made("avdec_h264")?;
        // One a core would hold back as many pictures.
        decoder.set_property("max-threads", 1_i32);
        let (convert, scale) = (made("videoconvert")?, made("videoscale")?);
        let (tail, encoder) = tail(rung)?;
        let sink = AppSink::builder().caps(&picture_caps(rung, height)).sync(false).build();
        sink.set_max_buffers(8);
        let mut all = vec![source.upcast_ref(), &decoder, &convert, &scale];
        all.extend(&tail);
        all.push(sink.upcast_ref());
        pipeline.add(all.iter().copied())?;
        linked(gst::Element::link_many(all))?;
        thin_out(&decoder, gate.clone())?;
        hand_over(&sink, rung, order.clone(), events)?;
        pipeline.play()?;
        let most = WAITING + group.len() as u64;
        let mut this = Self { pipeline, source, encoder, rung, order, gate, most, behind: true };
        for unit in group {
            this.feed(unit)?;
        }
        Ok(this)
    }

    pub(super) fn feed(&mut self, unit: &Unit) -> Result<(), Wrong> {
        let waits = self.source.current_level_buffers() >= self.most;
        self.behind = waits || (self.behind && !unit.key);
        if self.behind {
            return Ok(());
        }
        let mut buffer = gst::Buffer::from_slice(unit.bytes.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(unit.at_ns));
            if !unit.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        let pushed = self.source.push_buffer(buffer);
        pushed.map(|_| ()).map_err(|error| Wrong::Pipeline(error.to_string()))
    }

    /// Another bit rate, and nothing else, needs no new pipeline.
    pub(super) fn becomes(&mut self, rung: Rung, order: u32) -> bool {
        match (self.rung, rung, &self.encoder) {
            (
                Rung::Video { height, fps, .. },
                Rung::Video { height: same_height, fps: same_fps, kbit_s },
                Some(encoder),
            ) if (height, fps) == (same_height, same_fps) => {
                encoder.set_property("bitrate", kbit_s);
                self.order.store(order, Ordering::Relaxed);
                self.rung = rung;
                true
            }
            _ => false,
        }
    }

    pub(super) fn order(&self) -> u32 {
        self.order.load(Ordering::Relaxed)
    }

    pub(super) fn ask_key(&self) {
        match self.encoder.as_ref().and_then(|encoder| encoder.static_pad("src")) {
            Some(pad) => {
                pad.send_event(key_unit());
            }
            None => self.gate.now.store(true, Ordering::Relaxed),
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let message = self.pipeline.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        Some(error.error().message().to_owned())
    }
}

/// The rate of pictures is what the encoder may count with: the decoder passes on
/// what stands here, and the gate holds it.
fn camera_caps(rung: Rung) -> gst::Caps {
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au");
    match rung {
        Rung::Video { fps, .. } => {
            caps.field("framerate", gst::Fraction::new(i32::from(fps), 1)).build()
        }
        _ => caps.build(),
    }
}

/// No larger than that, even numbers, square pixels.
fn raw_caps(height: u16) -> gst::Caps {
    let height = i32::from(height) & !1;
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("height", gst::IntRange::with_step(16, height, 2))
        .field("width", gst::IntRange::with_step(16, height * 4, 2))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .build()
}

fn picture_caps(rung: Rung, height: u16) -> gst::Caps {
    match rung {
        Rung::Video { .. } => gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .field("profile", "constrained-baseline")
            .build(),
        _ => raw_caps(height),
    }
}

fn tail(rung: Rung) -> Result<(Vec<gst::Element>, Option<gst::Element>), Wrong> {
    let Rung::Video { height, kbit_s, fps } = rung else { return Ok((Vec::new(), None)) };
    let filter = made("capsfilter")?;
    filter.set_property("caps", raw_caps(height));
    let encoder = made("x264enc")?;
    encoder.set_property_from_str("tune", "zerolatency");
    encoder.set_property_from_str("speed-preset", "veryfast");
    encoder.set_property("bitrate", kbit_s);
    encoder.set_property("vbv-buf-capacity", BUFFER_MS);
    encoder.set_property("key-int-max", u32::from(fps) * KEY_EVERY_S);
    encoder.set_property("bframes", 0_u32);
    encoder.set_property("threads", 1_u32);
    encoder.set_property("aud", false);
    // Key frames come by the clock and when asked for, not with every lightning.
    encoder.set_property("option-string", "scenecut=0");
    Ok((vec![filter, encoder.clone()], Some(encoder)))
}

fn thin_out(decoder: &gst::Element, gate: Arc<Gate>) -> Result<(), Wrong> {
    let pad = decoder.static_pad("src").ok_or(Wrong::Missing("avdec_h264"))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let at = info.buffer().and_then(|buffer| buffer.pts());
        match at.is_some_and(|at| gate.opens(at.nseconds())) {
            true => gst::PadProbeReturn::Ok,
            false => gst::PadProbeReturn::Drop,
        }
    });
    Ok(())
}

fn hand_over(
    sink: &AppSink,
    rung: Rung,
    order: Arc<AtomicU32>,
    events: SyncSender<Event>,
) -> Result<(), Wrong> {
    let mut jpeg = match rung {
        Rung::Still { most_bytes, .. } => Some(Jpeg::start(most_bytes as usize)?),
        _ => None,
    };
    let mut after_loss = false;
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let (Some(at_ns), Some(buffer)) = (running_ns(&sample), sample.buffer()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let made = match &mut jpeg {
            Some(jpeg) => jpeg.of(&sample).map(|bytes| (Kind::Still, bytes)),
            None => {
                let delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                let kind = if delta { Kind::Delta } else { Kind::Key };
                buffer.map_readable().ok().map(|bytes| (kind, bytes.to_vec()))
            }
        };
        if let Some((kind, bytes)) = made {
            let order = order.load(Ordering::Relaxed);
            let event = Event::Made { kind, order, at_ns, bytes, after_loss };
            after_loss = events.try_send(event).is_err();
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    Ok(())
}
