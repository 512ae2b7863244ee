//! What a worker says: a head of 32 bytes and a body (its `outlet` has the
//! layout). It refuses heads that are not ours and lengths beyond any picture's,
//! before a byte of memory is asked for.

use bytes::Bytes;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::state::State;

pub(super) const HEAD: usize = 32;
/// Largest picture that a worker passes on.
const PICTURE_MAX: u32 = 2 << 20;
const STATE_MAX: u32 = 8 << 10;
/// Most that is kept of what GStreamer said.
const WHY_MAX: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    Delta,
    Still,
    State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) len: u32,
    pub(super) order: u32,
    pub(super) taken_ns: u64,
    pub(super) taken_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) head: Head,
    pub(super) body: Bytes,
}

/// The body of a state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub(super) state: State,
    pub(super) why: String,
    pub(super) source_bps: u64,
    pub(super) lost: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("no frame of ours")]
    Foreign,
    #[error("a frame of {0} bytes")]
    TooLong(u32),
    #[error("no state: {0}")]
    State(#[from] serde_json::Error),
    #[error(transparent)]
    Pipe(#[from] std::io::Error),
}

impl Head {
    pub(super) fn parse(bytes: &[u8; HEAD]) -> Result<Self, FrameError> {
        let [b'W', b'c', 1, kind, rest @ ..] = bytes else { return Err(FrameError::Foreign) };
        let (kind, most) = match kind {
            1 => (Kind::Key, PICTURE_MAX),
            2 => (Kind::Delta, PICTURE_MAX),
            3 => (Kind::Still, PICTURE_MAX),
            9 => (Kind::State, STATE_MAX),
            _ => return Err(FrameError::Foreign),
        };
        let (head, zeros) = rest.split_at(24);
        if zeros != [0; 4] {
            return Err(FrameError::Foreign);
        }
        let number = |from: usize, to: usize| {
            let bytes = head.get(from..to).unwrap_or_default();
            bytes.iter().fold(0_u64, |number, &byte| (number << 8) | u64::from(byte))
        };
        let (len, order) = (number(0, 4) as u32, number(4, 8) as u32);
        if len > most || len == 0 {
            return Err(FrameError::TooLong(len));
        }
        Ok(Self { kind, len, order, taken_ns: number(8, 16), taken_ms: number(16, 24) })
    }
}

impl Report {
    pub(super) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        let mut report: Self = serde_json::from_slice(body)?;
        report.why = report.why.chars().filter(|c| !c.is_control()).take(WHY_MAX).collect();
        Ok(report)
    }
}

pub(super) async fn read(input: &mut (impl AsyncRead + Unpin)) -> Result<Frame, FrameError> {
    let mut head = [0; HEAD];
    input.read_exact(&mut head).await?;
    let head = Head::parse(&head)?;
    let mut body = vec![0; head.len as usize];
    input.read_exact(&mut body).await?;
    Ok(Frame { head, body: body.into() })
}
