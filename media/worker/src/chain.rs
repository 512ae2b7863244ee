//! Pipelines: a file to samples, samples through a converter or an encoder. Each
//! is pulled to its end with a patience: refuses to wait for a pipeline that
//! does not move, and to take in more than the longest sound.

use std::path::Path;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use crate::fence;
use crate::job::LENGTH_MAX_S;
use crate::wrong::Wrong;

/// Rate of wideband speech, in samples a second; narrowband is derived from it.
pub(crate) const WIDE: u32 = 16_000;
pub(crate) const NARROW: u32 = 8_000;

/// How long nothing may move.
const STALL: Duration = Duration::from_secs(10);
/// How long all of one pipeline may take: ten minutes decode in a few seconds.
const WHOLE: Duration = Duration::from_secs(40);
/// How often errors are looked for while nothing comes.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Best of audioresample.
const QUALITY: i32 = 10;
/// Samples a buffer when feeding: a tenth of a second of wideband.
const FEED: usize = 1_600;

/// Every sample of the first sound in the file: mono, [`WIDE`].
pub(crate) fn decode(path: &Path) -> Result<Vec<f32>, Wrong> {
    let samples = decode_by(path, Reading::Pulled)?;
    // Of a WAV with an odd number of bytes, wavparse 1.22 makes nothing at all
    // when it may pull; pushed, it reads every byte. Others need to pull, as a
    // file whose table of contents stands at its end.
    if samples.is_empty() { decode_by(path, Reading::Pushed) } else { Ok(samples) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Pulled,
    Pushed,
}

fn decode_by(path: &Path, reading: Reading) -> Result<Vec<f32>, Wrong> {
    let pipeline = Running::new();
    let source = made("filesrc")?;
    source.set_property("location", path);
    let decoder = made("decodebin")?;
    let (convert, resample) = (made("audioconvert")?, resampler()?);
    let sink = sink(&raw("F32LE", WIDE));
    pipeline.add([&source, &decoder, &convert, &resample, sink.upcast_ref()])?;
    if reading == Reading::Pushed {
        let queue = made("queue")?;
        pipeline.add([&queue])?;
        linked(gst::Element::link_many([&source, &queue, &decoder]))?;
    } else {
        linked(source.link(&decoder))?;
    }
    linked(gst::Element::link_many([&convert, &resample, sink.upcast_ref()]))?;
    let entry = convert.static_pad("sink").ok_or(Wrong::Missing("audioconvert"))?;
    decoder.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let sound = caps.structure(0).is_some_and(|first| first.name() == "audio/x-raw");
        // Of several sounds the first; a picture on the cover leads nowhere.
        if sound && !entry.is_linked() {
            let _ = pad.link(&entry);
        }
    });
    pipeline.play()?;
    let most = LENGTH_MAX_S as usize * WIDE as usize * size_of::<f32>();
    let (bytes, says) = pipeline.pull(&sink, most)?;
    let samples = floats(&bytes);
    whole(&samples, says)?;
    Ok(samples)
}

/// Down to [`NARROW`].
pub(crate) fn narrowed(samples: &[f32]) -> Result<Vec<f32>, Wrong> {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let feed = Feed { bytes, caps: raw("F32LE", WIDE), rate: WIDE, width: size_of::<f32>() };
    let bytes = through(feed, &[made("audioconvert")?, resampler()?], &raw("F32LE", NARROW))?;
    Ok(floats(&bytes))
}

/// Through the encoder of that name, whose output has these caps.
pub(crate) fn encoded(
    samples: &[i16],
    rate: u32,
    encoder: &'static str,
    caps: &str,
) -> Result<Vec<u8>, Wrong> {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let feed = Feed { bytes, caps: raw("S16LE", rate), rate, width: size_of::<i16>() };
    through(feed, &[made(encoder)?], &gst::Caps::builder(caps).build())
}

struct Feed {
    bytes: Vec<u8>,
    caps: gst::Caps,
    rate: u32,
    /// Bytes a sample.
    width: usize,
}

fn through(feed: Feed, steps: &[gst::Element], caps: &gst::Caps) -> Result<Vec<u8>, Wrong> {
    let pipeline = Running::new();
    let source = AppSrc::builder().caps(&feed.caps).format(gst::Format::Time).build();
    let sink = sink(caps);
    let mut all = vec![source.upcast_ref::<gst::Element>()];
    all.extend(steps);
    all.push(sink.upcast_ref());
    pipeline.add(all.iter().copied())?;
    linked(gst::Element::link_many(all))?;
    pipeline.play()?;
    // All of it waits in the source: bounded by the longest sound.
    for (at, part) in feed.bytes.chunks(FEED * feed.width).enumerate() {
        let mut buffer = gst::Buffer::from_slice(part.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            let time = |samples: usize| {
                gst::ClockTime::SECOND.mul_div_floor(samples as u64, u64::from(feed.rate))
            };
            buffer.set_pts(time(at * FEED));
            buffer.set_duration(time(part.len() / feed.width));
        }
        source.push_buffer(buffer).map_err(|error| Wrong::Pipeline(error.to_string()))?;
    }
    source.end_of_stream().map_err(|error| Wrong::Pipeline(error.to_string()))?;
    Ok(pipeline.pull(&sink, feed.bytes.len() * 2)?.0)
}

/// A pipeline that stops when it is dropped.
pub(crate) struct Running(pub(crate) gst::Pipeline);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

impl Running {
    pub(crate) fn new() -> Self {
        Self(gst::Pipeline::new())
    }

    pub(crate) fn add<'a>(
        &self,
        elements: impl IntoIterator<Item = &'a gst::Element>,
    ) -> Result<(), Wrong> {
        self.0.add_many(elements).map_err(|error| Wrong::Pipeline(error.to_string()))
    }

    pub(crate) fn play(&self) -> Result<(), Wrong> {
        match self.0.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.trouble(false).unwrap_or(Wrong::Pipeline(error.to_string()))),
        }
    }

    /// Everything up to the end, at most `most` bytes, and how long the format
    /// says that it is.
    fn pull(
        &self,
        sink: &AppSink,
        most: usize,
    ) -> Result<(Vec<u8>, Option<gst::ClockTime>), Wrong> {
        let started = Instant::now();
        let (mut moved, mut bytes, mut says) = (started, Vec::new(), None);
        loop {
            // Asked first: an error is told before the end that it causes.
            let ended = sink.is_eos();
            if let Some(sample) = sink.try_pull_sample(LOOK) {
                let buffer = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
                bytes.extend_from_slice(buffer.as_deref().unwrap_or_default());
                moved = Instant::now();
            } else if let Some(wrong) = self.trouble(!bytes.is_empty()) {
                return Err(wrong);
            } else if ended {
                return Ok((bytes, says));
            }
            says = self.0.query_duration::<gst::ClockTime>().or(says);
            if bytes.len() > most {
                return Err(Wrong::TooLong);
            }
            if moved.elapsed() > STALL || started.elapsed() > WHOLE {
                return Err(Wrong::Stalled(moved.elapsed().as_secs().max(1)));
            }
        }
    }

    /// The first error on the bus; `begun`: after some sound had come.
    fn trouble(&self, begun: bool) -> Option<Wrong> {
        let message = self.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        let gst::MessageView::Error(error) = message.view() else { return None };
        let error = error.error();
        if let Some(element) = fence::missing() {
            return Some(Wrong::Missing(element));
        }
        let why = error.message().to_owned();
        Some(if begun { Wrong::Damaged(why) } else { Wrong::NotAudio(why) })
    }
}

/// A format that claims much more than there was lost its end on the way. Some
/// only estimate, so it takes a fifth and two seconds to be sure.
fn whole(samples: &[f32], says: Option<gst::ClockTime>) -> Result<(), Wrong> {
    let has_ms = samples.len() as u64 * 1_000 / u64::from(WIDE);
    let says_ms = says.map_or(0, gst::ClockTime::mseconds);
    if has_ms + 2_000 < says_ms && has_ms < says_ms / 5 * 4 {
        return Err(Wrong::CutShort { says_ms, has_ms });
    }
    Ok(())
}

pub(crate) fn made(name: &'static str) -> Result<gst::Element, Wrong> {
    gst::ElementFactory::make(name).build().map_err(|_| Wrong::Missing(name))
}

fn resampler() -> Result<gst::Element, Wrong> {
    let resampler = made("audioresample")?;
    resampler.set_property("quality", QUALITY);
    Ok(resampler)
}

fn sink(caps: &gst::Caps) -> AppSink {
    // A few buffers ahead, not the whole file.
    AppSink::builder().caps(caps).sync(false).max_buffers(64).build()
}

fn raw(format: &str, rate: u32) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", format)
        .field("rate", rate.cast_signed())
        .field("channels", 1_i32)
        .field("layout", "interleaved")
        .build()
}

pub(crate) fn linked(outcome: Result<(), gst::glib::BoolError>) -> Result<(), Wrong> {
    outcome.map_err(|error| Wrong::Pipeline(error.to_string()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    // Some formats can say "infinite"; a loudspeaker cannot.
    let clean = |sample: f32| if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 };
    bytes.as_chunks().0.iter().map(|bytes| clean(f32::from_le_bytes(*bytes))).collect()
}
