//! Why a REGISTER is refused, with the SIP status to answer and words for the
//! person who set up the phone.

use std::fmt;

use weir_model::refusal::Said;

use super::address::Aor;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The account may not speak for this address.
    NotYours {
        aor: Aor,
        user: String,
    },
    /// `Contact: *` with another contact, or without `Expires: 0`.
    Star,
    /// Asked for less than the least; the answer carries Min-Expires.
    TooBrief {
        min_expires_s: u32,
    },
    /// A later request of the same Call-ID was here already.
    Late {
        cseq: u32,
        last: u32,
    },
    /// More contacts in one request than an address may have.
    TooMany {
        most: usize,
    },
    /// The registrar holds as many addresses as it can.
    Full {
        most: usize,
    },
    CallId,
    Path {
        most: usize,
    },
}

impl Refused {
    /// The SIP status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Star | Self::CallId | Self::Path { .. } => 400,
            Self::NotYours { .. } | Self::TooMany { .. } => 403,
            Self::TooBrief { .. } => 423,
            Self::Late { .. } => 500,
            Self::Full { .. } => 503,
        }
    }

    /// The Min-Expires header of a 423, in seconds.
    pub fn min_expires_s(&self) -> Option<u32> {
        match self {
            Self::TooBrief { min_expires_s } => Some(*min_expires_s),
            _ => None,
        }
    }

    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotYours { .. } => "register-not-yours",
            Self::Star => "register-star",
            Self::TooBrief { .. } => "register-too-brief",
            Self::Late { .. } => "register-late",
            Self::TooMany { .. } => "register-too-many",
            Self::Full { .. } => "register-full",
            Self::CallId => "register-call-id",
            Self::Path { .. } => "register-path",
        }
    }

    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::NotYours { aor, user } => (
                format!("账号 {user} 不能为 {aor} 注册；请核对话机的号码与认证名"),
                format!("account {user} may not register {aor}; match number and login"),
            ),
            Self::Star => (
                "Contact: * 只能单独出现并带 Expires: 0；请检查话机固件".into(),
                "Contact: * must stand alone with Expires: 0; check the phone's firmware".into(),
            ),
            Self::TooBrief { min_expires_s } => (
                format!("注册有效期太短；请在话机上设为 {min_expires_s} 秒或更长"),
                format!("registration time too short; set it to {min_expires_s} s or more"),
            ),
            Self::Late { cseq, last } => (
                format!("迟到的注册请求（CSeq {cseq}，已处理 {last}），未作更改；话机会自行重试"),
                format!("late (CSeq {cseq}, {last} was here), nothing changed; just try again"),
            ),
            Self::TooMany { most } => (
                format!("一个号码最多登记 {most} 处；请减少话机上报的地址"),
                format!("one number takes at most {most} contacts; have the phone send fewer"),
            ),
            Self::Full { most } => (
                format!("本站已登记 {most} 个号码，已满；请注销不用的话机，或调高上限"),
                format!("the site holds {most} numbers, its most; sign off phones or raise it"),
            ),
            Self::CallId => (
                "Call-ID 为空或过长；请检查话机固件".into(),
                "Call-ID is empty or too long; check the phone's firmware".into(),
            ),
            Self::Path { most } => (
                format!("Path 超过 {most} 段或无法识别；请检查中间的代理"),
                format!("Path has over {most} elements or a bad one; check the proxies"),
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
