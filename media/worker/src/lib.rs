//! The process that GStreamer runs in. Its first line of input says what it is
//! for. A camera's worker pulls one camera and hands on its picture (see
//! `camera`). Any other reads one request a line, brings the named sound to one
//! loudness and to the wanted codecs, and answers with one line. A pipeline that
//! aborts takes this process down and nothing else; whoever started it starts
//! another.
//!
//! Of sounds it refuses anything but one regular file in, a few small files out:
//! no address is ever opened, no list of other files is followed, no device played
//! (see `fence`), and nothing is written over. Of cameras, anything but the one
//! address that it was told, and any file.

mod camera;
mod chain;
mod fence;
mod job;
mod level;
mod wire;
mod wrong;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use camera::Opening;
use wire::{Answer, Line, Request};

/// Serves until the input ends.
pub fn run() -> ExitCode {
    if let Err(error) = fence::start() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    match read_first().and_then(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the pipe to the node broke: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read_first() -> io::Result<Line> {
    wire::read_line(&mut io::stdin().lock())
}

fn work(first: Line) -> io::Result<()> {
    if let Line::Whole(line) = &first
        && let Ok(opening) = serde_json::from_slice::<Opening>(line)
    {
        return film(opening);
    }
    serve(first, &mut io::stdin().lock(), &mut io::stdout().lock())
}

fn film(opening: Opening) -> io::Result<()> {
    fence::close(fence::For::Cameras);
    camera::run(opening.camera).map_err(|wrong| io::Error::other(wrong.said().en))
}

fn serve(first: Line, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    fence::close(fence::For::Sounds);
    let mut line = first;
    loop {
        let request = match line {
            Line::End => return Ok(()),
            // Where the next request begins is anyone's guess.
            Line::TooLong => return Err(io::Error::other("a request has no end")),
            Line::Whole(line) => serde_json::from_slice::<Request>(&line),
        };
        let answer = match request {
            Ok(request) => Answer::to(&request, job::carry_out(&request)),
            Err(error) => Answer::unread(&error),
        };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        output.write_all(&bytes)?;
        output.flush()?;
        line = wire::read_line(input)?;
    }
}
