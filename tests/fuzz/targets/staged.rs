//! A staged sound, as another node ships it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(staged) = weir_media::audio::parse(&bytes.to_vec().into()) {
        for clip in staged.clips.values() {
            assert!(clip.frame(clip.frames()).is_none());
        }
    }
});
