//! What `Display` says in English, for a person who reads Chinese. Only errors
//! that reach a person are here; the causes the system names stay as they are.

use crate::ca::CaError;
use crate::error::{BindError, CallError, JoinError, Unreachable};
use crate::folder::FolderError;
use crate::identity::IdentityError;
use crate::key::KeyError;

impl KeyError {
    pub fn zh(&self) -> &'static str {
        match self {
            Self::NoRandom => "系统没有给出随机数；请稍后重试",
            Self::NotPrivate => "不是 PKCS #8 格式的 Ed25519 私钥；请从备份恢复",
            Self::NotPublic => "不是 Ed25519 公钥；请核对来源",
            Self::NotCertificate => "不是证书；请从备份恢复",
        }
    }
}

impl IdentityError {
    pub fn zh(&self) -> String {
        match self {
            Self::Key(error) => error.zh().into(),
            Self::OtherKey => "证书属于另一把密钥；请重新加入集群".into(),
            Self::OtherNode(node) => format!("证书不属于节点 {node}；请重新加入集群"),
            Self::OtherCluster(cluster) => format!("证书不属于集群 {cluster}；请重新加入"),
        }
    }
}

impl FolderError {
    pub fn zh(&self) -> String {
        match self {
            Self::Io { path, source } => format!("{}：{source}", path.display()),
            Self::Exists { path } => {
                format!("{} 已存在；不会覆盖其他集群或节点的密钥", path.display())
            }
            Self::Exposed { path } => {
                format!("{} 可被他人读取；请执行 `chmod 600`，如有疑虑请更换密钥", path.display())
            }
            Self::NotPem { path, label } => {
                format!("{} 不是含 {label} 的 PEM 文件；请从备份恢复", path.display())
            }
            Self::NoLine { path, line } => {
                format!("{} 缺少 `{line}: …` 一行；请从备份恢复", path.display())
            }
            Self::Key { path, source } => format!("{}：{}", path.display(), source.zh()),
            Self::Mismatch { path, what } => {
                format!("{} 与同文件夹的其他文件不符（{what}）；请从备份恢复", path.display())
            }
        }
    }
}

impl CaError {
    pub fn zh(&self) -> String {
        match self {
            Self::Clock => "时钟显示 2199 年之后；请先校准".into(),
            Self::Key(error) => error.zh().into(),
            Self::Signing(error) => format!("签发失败：{error}"),
            Self::Folder(error) => error.zh(),
        }
    }
}

impl BindError {
    pub fn zh(&self) -> String {
        match self {
            Self::Socket { addr, source } => {
                format!("无法打开 UDP {addr}：{source}；是否有其他进程在使用？")
            }
            Self::NoFreePorts(count) => {
                format!("找不到连续 {count} 个空闲的 UDP 端口；请在配置中指定端口")
            }
            Self::PortTooHigh(port) => {
                format!("UDP 端口 {port} 之上没有留给其他类别的端口；请选择较小的端口")
            }
            Self::Identity(error) => {
                format!("节点的证书或密钥无法使用：{error}；请恢复，或重新加入")
            }
            Self::IdleTimeout(time) => format!("超时 {time:?} 超出 QUIC 所能表示；请缩短"),
            Self::Provider(cause) => format!("TLS 组件缺少 QUIC 所需的功能：{cause}"),
        }
    }
}

impl Unreachable {
    pub fn zh(&self) -> String {
        match self {
            Self::NoAddress => "不知道该节点的地址；请查看 `weir member list`".into(),
            Self::StillDialling => "在限定时间内尚未连上；仍在拨号".into(),
            Self::NoAnswer(addr) => {
                format!("{addr} 无人应答；请检查该节点、其地址和防火墙（UDP）")
            }
            Self::Transport { to, cause } => format!("拨号 {to} 失败：{cause}"),
            Self::BackingOff { ago, wait, last } => {
                format!("{ago:?} 前拨号未成功，{wait:?} 后再试（{}）", last.zh())
            }
            Self::Busy => "在限定时间内连接没有容下该消息".into(),
            Self::Lost => "消息交出之前连接已断开".into(),
            Self::PeerClosing => "对方正在关闭，没有接收该消息".into(),
            Self::TooLong { len, max } => format!("{len} 字节超过消息上限 {max}"),
            Self::NoStreams => "语音和视频连接只传数据报；请使用控制或批量类别".into(),
            Self::LinkClosed => "本节点的连接已关闭".into(),
        }
    }
}

impl CallError {
    pub fn zh(&self) -> String {
        match self {
            Self::Unreachable { reason } => format!("未发送：{}", reason.zh()),
            Self::Refused { reason } => format!("被拒绝：{}", reason.zh()),
            Self::TimedOut => "限时内没有应答；对方是否已执行不得而知".into(),
            Self::Closed { cause } => {
                format!("连接中断（{cause}）；对方是否已执行不得而知")
            }
        }
    }
}

impl JoinError {
    pub fn zh(&self) -> String {
        match self {
            Self::NoAnswer { tried } => {
                format!("令牌中的节点均无应答（{tried}）；请检查网络和防火墙（UDP）")
            }
            Self::WrongCa { at } => {
                format!("{at} 的节点没有令牌所指的 CA；请创建新令牌")
            }
            Self::Refused { at, refusal } => {
                format!("{at} 的节点不可信：{}", refusal.zh())
            }
            Self::Denied(reason) => format!("集群拒绝：{reason}"),
            Self::Unknown { at, cause } => {
                format!("已询问 {at}，但应答未到（{cause}）；请用同一令牌再次询问")
            }
            Self::NoAddress => "令牌中没有地址；请用 `weir token create` 创建新令牌".into(),
            Self::TooLong { len, max } => format!("请求有 {len} 字节，超过上限 {max}"),
            Self::Local(cause) => format!("本机无法建立连接：{cause}"),
        }
    }
}
