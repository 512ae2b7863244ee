//! Why a node will not talk to another. Both sides know every reason by number,
//! so that the one that dialled can tell a person what to do about it. It
//! refuses to guess: a close without one of these numbers is no refusal.

use weir_model::id::{Hash, NodeId};

/// Why a node is not let in although its certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// The cluster does not know this node.
    NotAMember,
    /// The node or this certificate of it was revoked.
    Revoked,
}

/// Membership and revocation, as the cluster's state has them now.
pub trait Admit: Send + Sync + 'static {
    /// Asked for each new connection, in either direction, after TLS has shown
    /// that the certificate is `node`'s; must answer at once.
    ///
    /// # Errors
    /// When the node must not be spoken with.
    fn admit(&self, node: NodeId, leaf_fingerprint: Hash) -> Result<(), Denied>;
}

/// Why a connection was refused, by either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The certificate was signed by another cluster's CA.
    WrongCa,
    /// The certificate belongs to another node than the one claimed or dialled.
    WrongNode,
    /// The node belongs to another cluster.
    OtherCluster,
    /// No certificate where one is needed.
    NoCertificate,
    /// The certificate is not valid at the time the checking node's clock shows.
    OutOfDate,
    /// The certificate could not be read or checked.
    BadCertificate,
    NotAMember,
    Revoked,
    /// The peer's first message was not one this version understands.
    OtherProtocol,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::WrongCa,
        Self::WrongNode,
        Self::OtherCluster,
        Self::NoCertificate,
        Self::OutOfDate,
        Self::BadCertificate,
        Self::NotAMember,
        Self::Revoked,
        Self::OtherProtocol,
    ];

    /// As a QUIC application error code.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::WrongCa => 0x5701,
            Self::WrongNode => 0x5702,
            Self::OtherCluster => 0x5703,
            Self::NoCertificate => 0x5704,
            Self::OutOfDate => 0x5705,
            Self::BadCertificate => 0x5706,
            Self::NotAMember => 0x5707,
            Self::Revoked => 0x5708,
            Self::OtherProtocol => 0x5709,
        }
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| u64::from(refusal.code()) == code)
    }

    /// From a TLS alert (RFC 8446 §6.2) with which a server turned down our
    /// certificate.
    pub(crate) const fn from_tls_alert(alert: u8) -> Option<Self> {
        match alert {
            48 => Some(Self::WrongCa),
            45 => Some(Self::OutOfDate),
            116 => Some(Self::NoCertificate),
            42 | 43 | 46 | 51 => Some(Self::BadCertificate),
            _ => None,
        }
    }

    /// For a person who reads English: what is wrong and what to do next.
    pub const fn en(self) -> &'static str {
        match self {
            Self::WrongCa => {
                "the certificate was signed by another cluster's CA; join the node to this \
                 cluster with a new token"
            }
            Self::WrongNode => {
                "another node answers at this address or claims this id; compare the address \
                 with `weir member list`"
            }
            Self::OtherCluster => {
                "the node belongs to another cluster; check the address, or join it anew"
            }
            Self::NoCertificate => {
                "the node showed no certificate; join it with `weir token create` and `weir join`"
            }
            Self::OutOfDate => {
                "the certificate is not valid at this time; check the clocks of both nodes first"
            }
            Self::BadCertificate => {
                "the certificate could not be checked; restore node.pem, or join the node anew"
            }
            Self::NotAMember => "the cluster does not know this node; join it with a new token",
            Self::Revoked => {
                "the node was removed or its certificate revoked; join it anew if it is trusted"
            }
            Self::OtherProtocol => {
                "the node speaks another version of the protocol; upgrade the older one"
            }
        }
    }

    /// For a person who reads Chinese: what is wrong and what to do next.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::WrongCa => "证书由其他集群的 CA 签发；请用新令牌让该节点加入本集群",
            Self::WrongNode => "应答或自称的节点与证书不符；请与 `weir member list` 核对地址",
            Self::OtherCluster => "该节点属于其他集群；请核对地址，或让它重新加入",
            Self::NoCertificate => {
                "该节点未出示证书；请用 `weir token create` 和 `weir join` 让它加入"
            }
            Self::OutOfDate => "证书此刻无效；请先检查两个节点的时钟",
            Self::BadCertificate => "证书无法校验；请恢复 node.pem，或让该节点重新加入",
            Self::NotAMember => "集群不认识该节点；请用新令牌让它加入",
            Self::Revoked => "该节点已被移除或证书已吊销；若可信请让它重新加入",
            Self::OtherProtocol => "该节点的协议版本不同；请升级较旧的一方",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.en())
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotAMember => Self::NotAMember,
            Denied::Revoked => Self::Revoked,
        }
    }
}
