//! What a person is told when a decision is refused. A refusal is expected and
//! deterministic: every node gives the same one for the same request, nothing
//! has changed, and the text says what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::Role;
use crate::id::{ClusterId, Extension, NodeId, NodeName, PersonId, WallMs};

/// A sentence in both languages of the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub zh: String,
    pub en: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.zh, self.en)
    }
}

/// Why a decision was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The cluster was founded before, as this one.
    AlreadyFounded {
        cluster: ClusterId,
    },
    /// Nothing can be decided before the cluster is founded.
    NotFounded,
    TokenUnknown,
    TokenExpired {
        expired: WallMs,
    },
    TokenUsed {
        by: NodeId,
    },
    /// The token lets another kind of node in.
    TokenRole {
        allows: Role,
    },
    /// Voters stand on terrestrial links.
    SatelliteVoter,
    /// Who belongs to the cluster is decided at voters only.
    VotersOnly,
    TooManyTokens {
        most: usize,
    },
    NameTaken {
        name: NodeName,
        by: NodeId,
    },
    TooManyMembers {
        most: usize,
    },
    MemberUnknown {
        node: NodeId,
    },
    /// The directory moved on since the change was prepared.
    DirectoryMoved {
        based_on: u64,
        now: u64,
    },
    /// The directory as it would be does not hold together.
    DirectoryBroken {
        problems: Vec<String>,
    },
    BoardKey {
        longest: usize,
    },
    BoardText {
        longest: usize,
    },
    BoardFull {
        most: usize,
    },
    TooManySecrets {
        most: usize,
    },
    /// Nothing answers at this number.
    NumberUnknown {
        number: Extension,
    },
    TooManyRenderings {
        most: usize,
    },
    /// The request is so old that nobody remembers whether it was carried out.
    Forgotten {
        since: u64,
        remembered_from: u64,
    },
    PersonUnknown {
        person: PersonId,
    },
    /// Not a hash as this version makes them.
    PasswordForm,
    PasswordsFull {
        most: usize,
    },
}

impl Refusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyFounded { .. } => "already-founded",
            Self::NotFounded => "not-founded",
            Self::TokenUnknown => "token-unknown",
            Self::TokenExpired { .. } => "token-expired",
            Self::TokenUsed { .. } => "token-used",
            Self::TokenRole { .. } => "token-role",
            Self::SatelliteVoter => "satellite-voter",
            Self::VotersOnly => "voters-only",
            Self::TooManyTokens { .. } => "too-many-tokens",
            Self::NameTaken { .. } => "name-taken",
            Self::TooManyMembers { .. } => "too-many-members",
            Self::MemberUnknown { .. } => "member-unknown",
            Self::DirectoryMoved { .. } => "directory-moved",
            Self::DirectoryBroken { .. } => "directory-broken",
            Self::BoardKey { .. } => "board-key",
            Self::BoardText { .. } => "board-text",
            Self::BoardFull { .. } => "board-full",
            Self::TooManySecrets { .. } => "too-many-secrets",
            Self::NumberUnknown { .. } => "number-unknown",
            Self::TooManyRenderings { .. } => "too-many-renderings",
            Self::Forgotten { .. } => "forgotten",
            Self::PersonUnknown { .. } => "person-unknown",
            Self::PasswordForm => "password-form",
            Self::PasswordsFull { .. } => "passwords-full",
        }
    }

    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::AlreadyFounded { .. }
            | Self::NotFounded
            | Self::TokenUnknown
            | Self::TokenExpired { .. }
            | Self::TokenUsed { .. }
            | Self::TokenRole { .. }
            | Self::SatelliteVoter
            | Self::VotersOnly
            | Self::TooManyTokens { .. } => self.said_of_joining(),
            Self::NameTaken { .. }
            | Self::TooManyMembers { .. }
            | Self::MemberUnknown { .. }
            | Self::DirectoryMoved { .. }
            | Self::DirectoryBroken { .. }
            | Self::BoardKey { .. }
            | Self::BoardText { .. }
            | Self::BoardFull { .. }
            | Self::TooManySecrets { .. }
            | Self::NumberUnknown { .. }
            | Self::TooManyRenderings { .. }
            | Self::Forgotten { .. } => self.said_of_the_rest(),
            Self::PersonUnknown { .. } | Self::PasswordForm | Self::PasswordsFull { .. } => {
                self.said_of_passwords()
            }
        };
        Said { zh, en }
    }

    /// Founding, tokens and roles.
    fn said_of_joining(&self) -> (String, String) {
        match self {
            Self::AlreadyFounded { cluster } => (
                format!("集群 {cluster} 已建立；新节点请用令牌加入"),
                format!("cluster {cluster} exists; let new nodes join with a token"),
            ),
            Self::NotFounded => {
                ("集群尚未建立；请先执行 weir init".into(), "no cluster yet; run weir init".into())
            }
            Self::TokenUnknown => (
                "令牌无效；请在任一投票节点执行 weir token create 取得新令牌".into(),
                "unknown token; get a new one with weir token create on any voter".into(),
            ),
            Self::TokenExpired { expired } => (
                format!("令牌已过期（{}）；请重新执行 weir token create", expired.0),
                format!("the token expired at {} ms; run weir token create again", expired.0),
            ),
            Self::TokenUsed { by } => (
                format!("令牌已被 {by} 使用；每个令牌只能用一次，请另建一个"),
                format!("the token was used by {by}; a token works once, create another"),
            ),
            Self::TokenRole { allows: Role::Voter } => (
                "该令牌供投票节点使用；请加 --role voter，或换令牌".into(),
                "the token is a voter's; join with --role voter or get another token".into(),
            ),
            Self::TokenRole { allows: Role::Learner } => (
                "该令牌只供学习节点使用；投票节点请用 weir token create --role voter".into(),
                "the token is a learner's; for a voter use weir token create --role voter".into(),
            ),
            Self::SatelliteVoter => (
                "卫星站点不能作投票节点；请以 --role learner 加入".into(),
                "a satellite site cannot vote; join with --role learner".into(),
            ),
            Self::VotersOnly => (
                "成员变更只能在投票节点上进行；请在总部或区域中心执行".into(),
                "membership is decided at voters; do this at headquarters or a centre".into(),
            ),
            Self::TooManyTokens { most } => (
                format!("未用令牌已达 {most} 个；请等待其过期"),
                format!("{most} tokens are open; wait until some expire"),
            ),
            other => (other.code().into(), other.code().into()),
        }
    }

    fn said_of_passwords(&self) -> (String, String) {
        match self {
            Self::PersonUnknown { person } => (
                format!("目录中没有人员 {person}；请先用 weir apply 添加"),
                format!("the directory has no person {person}; add them with weir apply first"),
            ),
            Self::PasswordsFull { most } => (
                format!("已存 {most} 个口令，达到上限"),
                format!("{most} passwords are kept, the most there may be"),
            ),
            _ => (
                "口令散列格式不符，未作更改；请用 weir person passwd 重设".into(),
                "not a password hash of this version; set it with weir person passwd".into(),
            ),
        }
    }

    fn said_of_the_rest(&self) -> (String, String) {
        match self {
            Self::NameTaken { name, by } => (
                format!("节点名 {name} 已属于 {by}；请换名，或先移除旧节点"),
                format!("the name {name} belongs to {by}; choose another or remove that node"),
            ),
            Self::TooManyMembers { most } => (
                format!("节点数已达上限 {most}"),
                format!("the cluster already has {most} nodes, the most it takes"),
            ),
            Self::MemberUnknown { node } => (
                format!("没有节点 {node}；请用 weir member list 查看"),
                format!("there is no node {node}; see weir member list"),
            ),
            Self::DirectoryMoved { based_on, now } => (
                format!("目录已由第 {based_on} 版变为第 {now} 版；请重新预览后再提交"),
                format!("the directory moved from version {based_on} to {now}; dry-run again"),
            ),
            Self::DirectoryBroken { problems } => (
                format!("目录有 {} 处错误，未作更改：{}", problems.len(), problems.join("；")),
                format!("{} problems, nothing changed: {}", problems.len(), problems.join("; ")),
            ),
            Self::BoardKey { longest } => (
                format!("白板条目名须为 1 至 {longest} 字节"),
                format!("a board line's name takes 1 to {longest} bytes"),
            ),
            Self::BoardText { longest } => (
                format!("白板内容最长 {longest} 字节；请缩短"),
                format!("a board line takes at most {longest} bytes; shorten it"),
            ),
            Self::BoardFull { most } => (
                format!("白板已有 {most} 条；请先擦除旧条目"),
                format!("the board holds {most} lines; wipe some first"),
            ),
            Self::TooManySecrets { most } => (
                format!("一次最多设置 {most} 个口令；请分批"),
                format!("at most {most} secrets at once; send them in parts"),
            ),
            Self::NumberUnknown { number } => (
                format!("目录中没有号码 {number}；请先用 weir apply 添加"),
                format!("the directory has no number {number}; add it with weir apply first"),
            ),
            Self::TooManyRenderings { most } => (
                format!("已备音频达 {most} 个；请先删除不用的音频和预案"),
                format!("{most} sounds are staged; remove audio and plans that nobody needs"),
            ),
            Self::Forgotten { since, remembered_from } => (
                format!("请求过旧（{since} < {remembered_from}），无法确认是否已执行；请核对现状"),
                format!("too old to know ({since} < {remembered_from}); check what is there"),
            ),
            other => (other.code().into(), other.code().into()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for Refusal {}
