//! One picture as a JPEG that fits: the quality goes down until it does, and up
//! again slowly. It refuses pictures that fit at no quality.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use crate::chain::{Running, linked, made};
use crate::wrong::Wrong;

const BEST: i32 = 85;
const WORST: i32 = 10;
const DOWN: i32 = 15;
const UP: i32 = 5;
/// Encoding a picture takes a few milliseconds.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(1);

pub(super) struct Jpeg {
    _pipeline: Running,
    source: AppSrc,
    encoder: gst::Element,
    sink: AppSink,
    most_bytes: usize,
    quality: i32,
}

impl Jpeg {
    pub(super) fn start(most_bytes: usize) -> Result<Self, Wrong> {
        let pipeline = Running::new();
        let source = AppSrc::builder().format(gst::Format::Time).build();
        let encoder = made("jpegenc")?;
        let sink = AppSink::builder().sync(false).max_buffers(2).build();
        pipeline.add([source.upcast_ref(), &encoder, sink.upcast_ref()])?;
        linked(gst::Element::link_many([source.upcast_ref(), &encoder, sink.upcast_ref()]))?;
        pipeline.play()?;
        Ok(Self { _pipeline: pipeline, source, encoder, sink, most_bytes, quality: BEST })
    }

    pub(super) fn of(&mut self, picture: &gst::Sample) -> Option<Vec<u8>> {
        self.quality = (self.quality + UP).min(BEST);
        loop {
            self.encoder.set_property("quality", self.quality);
            self.source.push_sample(picture).ok()?;
            let made = self.sink.try_pull_sample(PATIENCE)?;
            let bytes = made.buffer()?.map_readable().ok()?;
            if bytes.len() <= self.most_bytes {
                return Some(bytes.to_vec());
            }
            if self.quality <= WORST {
                return None;
            }
            self.quality = (self.quality - DOWN).max(WORST);
        }
    }
}
