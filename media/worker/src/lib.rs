//! The process that GStreamer runs in. It reads one request a line from its
//! input, brings the named sound to one loudness and to the wanted codecs, and
//! answers with one line. A pipeline that aborts takes this process down and
//! nothing else; whoever started it starts another.
//!
//! It refuses anything but one regular file in, a few small files out: no
//! address is ever opened, no list of other files is followed, no device played
//! (see `fence`), and nothing is written over.

mod chain;
mod fence;
mod job;
mod level;
mod wire;
mod wrong;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use wire::{Answer, Line, Request};

/// Serves requests until the input ends.
pub fn run() -> ExitCode {
    if let Err(error) = fence::start() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the pipe to the node broke: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    loop {
        let request = match wire::read_line(input)? {
            Line::End => return Ok(()),
            // Where the next request begins is anyone's guess.
            Line::TooLong => return Err(io::Error::other("a request has no end")),
            Line::Whole(line) => serde_json::from_slice::<Request>(&line),
        };
        let answer = match request {
            Ok(request) => Answer::to(&request, job::carry_out(&request)),
            Err(error) => Answer::unread(&error),
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()?;
    }
}
