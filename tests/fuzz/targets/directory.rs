//! Any text, read as a directory file: it is a directory, or it is refused with
//! at least one mistake named.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_model::directory;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = directory::read(text) {
        assert!(!mistakes.is_empty(), "refused without a reason");
    }
});
