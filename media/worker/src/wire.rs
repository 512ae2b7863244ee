//! What goes over the pipe: one JSON object a line. It refuses lines that are
//! longer than any request can be and fields that it does not know.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use weir_model::directory::Codec;

use crate::job::Done;
use crate::wrong::Wrong;

/// Longest line in bytes: two paths and a few words.
const LINE_MAX: u64 = 16 * 1024;

/// Bring `input` to loudness and codecs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) id: u64,
    /// One sound in a file.
    pub(crate) input: PathBuf,
    /// A folder that is there; one file for each codec is put into it, named
    /// like the codec, bare RTP payload.
    pub(crate) output: PathBuf,
    pub(crate) codecs: Vec<Codec>,
}

/// The answer to the request with this id; 0 where it could not be read.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    id: u64,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Ok(Done),
    Error { code: &'static str, zh: String, en: String },
}

impl Answer {
    pub(crate) fn to(request: &Request, outcome: Result<Done, Wrong>) -> Self {
        let body = match outcome {
            Ok(done) => Body::Ok(done),
            Err(wrong) => error(&wrong),
        };
        Self { id: request.id, body }
    }

    pub(crate) fn unread(why: &serde_json::Error) -> Self {
        Self { id: 0, body: error(&Wrong::Request(why.to_string())) }
    }
}

fn error(wrong: &Wrong) -> Body {
    let said = wrong.said();
    Body::Error { code: wrong.code(), zh: said.zh, en: said.en }
}

pub(crate) enum Line {
    Whole(Vec<u8>),
    TooLong,
    End,
}

pub(crate) fn read_line(input: &mut impl BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    input.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(match line.last() {
        None => Line::End,
        Some(b'\n') => Line::Whole(line),
        Some(_) if line.len() as u64 == LINE_MAX => Line::TooLong,
        // The writer died in the middle.
        Some(_) => Line::End,
    })
}
