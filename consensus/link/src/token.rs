//! What a newcomer needs to join: where to ask, whom to trust, and a secret that
//! is good once. One line that survives copying; a mistyped one is noticed. It
//! refuses to show its secret in a log: only [`Token`]'s `Display`, meant for the
//! person who asked for it, does.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use weir_model::id::{ClusterId, Hash, WallMs};

use crate::key::fingerprint;

const PREFIX: &str = "weir1-";
const CHECKSUM_BYTES: usize = 4;
/// Most addresses a token may carry.
pub const TOKEN_ADDRESSES_MAX: usize = 8;
/// Longest line that is looked at.
const LINE_MAX_BYTES: usize = 512;

/// Why a line is not a token, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("a token begins with `weir1-`; copy the whole line that `weir token create` printed")]
    Prefix,
    #[error("the token is damaged or incomplete; copy the whole line again")]
    Damaged,
    #[error("a token names 1 to {TOKEN_ADDRESSES_MAX} addresses, not {0}")]
    Addresses(usize),
    #[error("the system gave no random bytes")]
    NoRandom,
}

impl TokenError {
    /// For a person who reads Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Prefix => "令牌以 `weir1-` 开头；请复制 `weir token create` 输出的整行".into(),
            Self::Damaged => "令牌损坏或不完整；请重新复制整行".into(),
            Self::Addresses(count) => {
                format!("令牌应含 1 至 {TOKEN_ADDRESSES_MAX} 个地址，而不是 {count} 个")
            }
            Self::NoRandom => "系统没有给出随机数；请稍后重试".into(),
        }
    }
}

/// An invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub cluster: ClusterId,
    /// The newcomer speaks only to a node whose CA this is.
    pub ca_fingerprint: Hash,
    pub secret: [u8; 16],
    /// Nodes to ask, in this order.
    pub addresses: Vec<SocketAddr>,
    /// Judged by the cluster's clock, not the newcomer's.
    pub expires: WallMs,
}

impl Token {
    /// # Errors
    /// When there are no addresses or too many, or no randomness.
    pub fn create(
        cluster: ClusterId,
        ca_fingerprint: Hash,
        addresses: Vec<SocketAddr>,
        expires: WallMs,
    ) -> Result<Self, TokenError> {
        if addresses.is_empty() || addresses.len() > TOKEN_ADDRESSES_MAX {
            return Err(TokenError::Addresses(addresses.len()));
        }
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|_| TokenError::NoRandom)?;
        Ok(Self { cluster, ca_fingerprint, secret, addresses, expires })
    }

    /// What the cluster keeps in place of the secret.
    pub fn secret_hash(&self) -> Hash {
        Hash::of(&[b"weir join token", &self.secret])
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&self.cluster.0);
        bytes.extend_from_slice(&self.ca_fingerprint.0);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.expires.0.to_be_bytes());
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
        let checksum = fingerprint(&bytes).0;
        bytes.extend_from_slice(&checksum[..CHECKSUM_BYTES]);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let length = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TokenError::Damaged)?;
        let (body, checksum) = bytes.split_at(length);
        if fingerprint(body).0[..CHECKSUM_BYTES] != *checksum {
            return Err(TokenError::Damaged);
        }
        let mut rest = body;
        let cluster = ClusterId(take(&mut rest)?);
        let ca_fingerprint = Hash(take(&mut rest)?);
        let secret = take(&mut rest)?;
        let expires = WallMs(u64::from_be_bytes(take(&mut rest)?));
        let mut addresses = Vec::new();
        while !rest.is_empty() {
            addresses.push(take_address(&mut rest)?);
        }
        if addresses.is_empty() || addresses.len() > TOKEN_ADDRESSES_MAX {
            return Err(TokenError::Addresses(addresses.len()));
        }
        Ok(Self { cluster, ca_fingerprint, secret, addresses, expires })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], TokenError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(TokenError::Damaged)?;
    *rest = tail;
    Ok(*head)
}

fn take_address(rest: &mut &[u8]) -> Result<SocketAddr, TokenError> {
    let ip = match take::<1>(rest)? {
        [4] => IpAddr::V4(Ipv4Addr::from(take::<4>(rest)?)),
        [6] => IpAddr::V6(Ipv6Addr::from(take::<16>(rest)?)),
        _ => return Err(TokenError::Damaged),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(take(rest)?)))
}

/// The line to hand over, secret included.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("cluster", &self.cluster)
            .field("ca_fingerprint", &self.ca_fingerprint)
            .field("secret", &"…")
            .field("addresses", &self.addresses)
            .field("expires", &self.expires)
            .finish()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(line: &str) -> Result<Self, TokenError> {
        let body = line.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if body.len() > LINE_MAX_BYTES {
            return Err(TokenError::Damaged);
        }
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        let addresses = vec!["10.1.2.3:4600".parse().unwrap(), "[fd00::7]:4600".parse().unwrap()];
        Token::create(ClusterId([7; 16]), Hash([9; 32]), addresses, WallMs(1_000)).unwrap()
    }

    #[test]
    fn a_token_survives_being_copied() {
        let token = token();
        assert_eq!(format!(" {token}\n").parse(), Ok(token));
    }

    #[test]
    fn a_log_never_shows_the_secret() {
        let token = Token { secret: [0xab; 16], ..token() };
        let shown = format!("{token:?}");
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    #[test]
    fn a_mistyped_or_cut_token_says_what_to_do() {
        let line = token().to_string();
        assert_eq!("hello".parse::<Token>(), Err(TokenError::Prefix));
        assert_eq!(line[..line.len() - 3].parse::<Token>(), Err(TokenError::Damaged));
        let swapped = line.replacen(&line[10..12], "zz", 1);
        assert_eq!(swapped.parse::<Token>(), Err(TokenError::Damaged));
    }

    #[test]
    fn two_tokens_have_different_secrets() {
        assert_ne!(token().secret_hash(), token().secret_hash());
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in ".{0,300}", bytes: Vec<u8>) {
            let _ = line.parse::<Token>();
            let _ = format!("{PREFIX}{line}").parse::<Token>();
            let _ = Token::from_bytes(&bytes);
            let mut sealed = bytes;
            let checksum = fingerprint(&sealed).0;
            sealed.extend_from_slice(&checksum[..CHECKSUM_BYTES]);
            let _ = Token::from_bytes(&sealed);
        }
    }
}
