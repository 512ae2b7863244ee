//! The worker alone, for the tests of `weir-media`. The product starts it as
//! `weir media-worker` and ships no other binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_media_worker::run()
}
