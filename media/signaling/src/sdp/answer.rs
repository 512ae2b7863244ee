//! What an answer makes of an offer (RFC 3264 §6). Refuses to believe an answer
//! that takes what was not offered.

use super::read::read_knowing;
use super::{Audio, SdpError, Session};

/// Reads the answer to an offer of `offered`, and holds it to that.
///
/// # Errors
/// As [`read`](super::read), and when nothing offered is left.
pub fn read_answer(text: &str, offered: &Audio) -> Result<Session, SdpError> {
    let session = read_knowing(text, &offered.formats)?;
    let audio = agree(offered, &session.audio)?;
    Ok(Session { audio, ..session })
}

/// What is left of `answer` when it answers `offered`: formats by kind and clock
/// with the answerer's numbers, and no direction that the offer leaves no room
/// for.
///
/// # Errors
/// When no voice format is left.
pub fn agree(offered: &Audio, answer: &Audio) -> Result<Audio, SdpError> {
    let all = answer.formats.iter();
    let formats: Vec<_> = all.filter(|format| offered.like(format).is_some()).cloned().collect();
    if !formats.iter().any(|format| format.kind.is_voice()) {
        return Err(SdpError::NoFormat);
    }
    let direction = answer.direction.answering(offered.direction);
    Ok(Audio { formats, direction, ..answer.clone() })
}
