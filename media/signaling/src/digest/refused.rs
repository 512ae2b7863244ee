//! Why credentials are refused, in words for the person who set up the phone;
//! they go to the journal and the console, the phone gets the status alone.
//! Refuses to tell an unknown user from a wrong password.

use std::fmt;

use weir_model::refusal::Said;

use super::algorithm::Algorithm;
use super::authorization::HeaderError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    Malformed(HeaderError),
    /// No such user, or not this password.
    Credentials,
    /// This answer, or one with its count, was here before.
    Replayed,
    /// The user's secret is kept, but not by this algorithm. For the journal: a
    /// phone gets the same bare 403 as for [`Self::Credentials`], or strangers
    /// would learn who is a user.
    NoKey {
        algorithm: Algorithm,
    },
}

impl Refused {
    /// The SIP status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Credentials | Self::Replayed | Self::NoKey { .. } => 403,
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "digest-malformed",
            Self::Credentials => "digest-credentials",
            Self::Replayed => "digest-replayed",
            Self::NoKey { .. } => "digest-no-key",
        }
    }

    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::Malformed(error) => (
                format!("话机发来的认证信息无法识别（{}）；请升级话机固件或联系厂家", error.zh()),
                format!("the phone's credentials cannot be read ({error}); update its firmware"),
            ),
            Self::Credentials => (
                "用户名或密码不对；请核对话机上的账号设置".into(),
                "wrong user or password; check the account set in the phone".into(),
            ),
            Self::Replayed => (
                "这份认证信息已被用过；若话机反复如此，请重启话机，并检查网络中是否有人重放".into(),
                "these credentials were used before; restart the phone if this goes on, and \
                 look for someone replaying its packets"
                    .into(),
            ),
            Self::NoKey { algorithm } => (
                format!("该账号没有 {} 密钥；请重新设置密码", algorithm.name()),
                format!("the account has no key for {}; set its password again", algorithm.name()),
            ),
        };
        Said { zh, en }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}
