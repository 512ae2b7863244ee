//! A byte stream cut into messages (RFC 3261 §18.3, RFC 5626 §3.5.1). Refuses
//! to wait for what is too large, and to go on where it lost its place.

use super::head::{BODY_MAX, HEAD_MAX, Head};
use super::message::content_length;

/// What the stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framed {
    Message(Vec<u8>),
    /// A double line end, which is answered with a single one.
    KeepAlive,
    /// Not even its end can be told; what there is may be answered, then the
    /// connection is closed.
    Broken(Vec<u8>),
    /// More bytes are needed.
    Wait,
}

#[derive(Debug, Default)]
pub(super) struct Framer {
    bytes: Vec<u8>,
    /// No head ends before here.
    searched: usize,
    /// Where the message ends whose head was read.
    whole: Option<usize>,
    #[cfg(test)]
    pub(super) heads_read: usize,
}

impl Framer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_midway(&self) -> bool {
        !self.bytes.is_empty()
    }

    pub(super) fn next(&mut self) -> Framed {
        // The head is read once, however small the pieces its body comes in.
        if let Some(whole) = self.whole {
            return self.body(whole);
        }
        if self.bytes.starts_with(b"\r\n\r\n") {
            self.take(4);
            return Framed::KeepAlive;
        }
        let blank = self.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if blank == self.bytes.len() && blank < 4 {
            return Framed::Wait;
        }
        self.take(blank);
        let Some(end) = self.head_end() else {
            if self.bytes.len() <= HEAD_MAX {
                return Framed::Wait;
            }
            return Framed::Broken(std::mem::take(&mut self.bytes));
        };
        let head = self.bytes.get(..end).unwrap_or_default();
        #[cfg(test)]
        {
            self.heads_read += 1;
        }
        let length = Head::read(head).map(|(head, _)| content_length(&head));
        match length {
            // Without a length there is no body: a stream has no other end to it.
            Some(Ok(length)) if length.unwrap_or(0) <= BODY_MAX && end <= HEAD_MAX => {
                self.body(end + length.unwrap_or(0))
            }
            _ => Framed::Broken(self.take(end)),
        }
    }

    fn body(&mut self, whole: usize) -> Framed {
        if self.bytes.len() < whole {
            self.whole = Some(whole);
            return Framed::Wait;
        }
        Framed::Message(self.take(whole))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        if count > 0 {
            (self.searched, self.whole) = (0, None);
        }
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Where the body begins.
    fn head_end(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let mut at = from;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let feed = at + rest.iter().position(|b| *b == b'\n')?;
            match self.bytes.get(feed + 1..) {
                Some([b'\n', ..]) => return Some(feed + 2),
                Some([b'\r', b'\n', ..]) => return Some(feed + 3),
                _ => {}
            }
            self.searched = feed;
            at = feed + 1;
        }
        None
    }
}
