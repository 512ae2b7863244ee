//! What the node tells a camera's worker: first which camera, then orders, one
//! JSON object a line. It refuses values that no picture can have; the password
//! goes no further than the camera.

use serde::Deserialize;

use crate::wrong::Wrong;

/// The first line, where it is about a camera.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    pub(crate) camera: Job,
}

/// Not `Debug`: nobody prints a password by mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// `rtsp://host[:port]/path`, without a name and a password.
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// A camera that sent nothing for so long is lost.
    pub(super) silent_ms: u32,
    pub(super) order: u32,
    pub(super) rung: Rung,
}

/// What is made of the camera's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Rung {
    /// As the camera sends it.
    Original {},
    /// H.264 of at most that height.
    Video { height: u16, kbit_s: u32, fps: u8 },
    /// A JPEG now and then.
    Still { height: u16, every_ms: u32, most_bytes: u32 },
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Order {
    /// What is made from now on carries this number.
    Rung { order: u32, rung: Rung },
    /// A key frame as soon as can be.
    Key {},
}

impl Job {
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let place = self.url.strip_prefix("rtsp://").unwrap_or_default();
        let host = place.split('/').next().unwrap_or_default();
        if host.is_empty() || host.contains('@') {
            return Err(Wrong::Request("url: rtsp://host/path, no password in it".into()));
        }
        if !(500..=60_000).contains(&self.silent_ms) {
            return Err(Wrong::Request("silent_ms: 500 to 60000".into()));
        }
        self.rung.check()
    }
}

impl Job {
    /// The address with name and password in it: `rtspsrc` tries these once, but
    /// those that are its properties eight times over, and cameras lock an account
    /// after fewer.
    pub(super) fn location(&self) -> String {
        let place = self.url.strip_prefix("rtsp://").unwrap_or(&self.url);
        match (&self.user, &self.password) {
            (Some(user), password) => {
                let password = password.as_deref().unwrap_or_default();
                format!("rtsp://{}:{}@{place}", escaped(user), escaped(password))
            }
            (None, _) => format!("rtsp://{place}"),
        }
    }
}

/// RFC 3986 §2.1.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

impl Rung {
    pub(super) fn check(self) -> Result<(), Wrong> {
        let height = |height: u16| (90..=2_160).contains(&height);
        let sound = match self {
            Self::Original {} => true,
            Self::Video { height: h, kbit_s, fps } => {
                height(h) && (16..=20_000).contains(&kbit_s) && (1..=60).contains(&fps)
            }
            Self::Still { height: h, every_ms, most_bytes } => {
                height(h)
                    && (200..=600_000).contains(&every_ms)
                    && (2_000..=1_000_000).contains(&most_bytes)
            }
        };
        if sound { Ok(()) } else { Err(Wrong::Request(format!("no such rung: {self:?}"))) }
    }
}
