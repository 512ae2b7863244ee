//! The door to rsipstack: how URIs and hosts are read. The only file that names
//! it. Refuses to let its types out, so that another reader could stand here.

use rsipstack::sip::{Host, HostWithPort, Scheme, parse_uri};

/// Longest URI looked at, in bytes.
const URI_MAX: usize = 512;

/// What this node wants to know of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uri {
    /// `sip:`; `user` as it was written.
    Sip { user: String, host: String, port: Option<u16> },
    /// `tel:`, its visual separators taken out.
    Tel { number: String },
    /// `sips:` and every other scheme.
    Other,
}

impl Uri {
    /// `None` when it is no URI at all.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > URI_MAX
            || text.bytes().any(|b| b <= b' ' || b == 0x7f || b"<>\"".contains(&b))
        {
            return None;
        }
        let uri = parse_uri(text).ok()?;
        match &uri.scheme {
            Some(Scheme::Sip) => {
                let (host, port) = parts(&uri.host_with_port)?;
                Some(Self::Sip { user: uri.user().unwrap_or_default().into(), host, port })
            }
            Some(Scheme::Other(name)) if name.eq_ignore_ascii_case("tel") => {
                let number = uri.host_with_port.to_string();
                let number: String =
                    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
                (!number.is_empty()).then_some(Self::Tel { number })
            }
            Some(_) => Some(Self::Other),
            None => None,
        }
    }

    /// The number it names, if it names one.
    pub(super) fn number(&self) -> Option<&str> {
        match self {
            Self::Sip { user, .. } if !user.is_empty() => Some(user),
            Self::Tel { number } => Some(number),
            Self::Sip { .. } | Self::Other => None,
        }
    }
}

/// A `host:port` as it stands in a Via; the host without brackets.
pub(super) fn host_port(text: &str) -> Option<(String, Option<u16>)> {
    if text.len() > URI_MAX {
        return None;
    }
    parts(&HostWithPort::try_from(text).ok()?)
}

fn parts(at: &HostWithPort) -> Option<(String, Option<u16>)> {
    let port = at.port.as_ref().map(|port| port.0);
    match &at.host {
        Host::IpAddr(ip) => Some((ip.to_string(), port)),
        Host::Domain(name) => {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            let fits = !name.0.is_empty() && name.0.bytes().all(fits);
            fits.then(|| (name.0.to_ascii_lowercase(), port))
        }
    }
}
