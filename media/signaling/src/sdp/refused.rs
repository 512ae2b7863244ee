//! Why a description is of no use, in words for people and as a SIP status.

/// In the order of how near it came to being of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SdpError {
    #[error(
        "媒体描述无法识别，请检查话机固件 / the media description is unreadable; check the \
         phone's firmware"
    )]
    Unparsable,
    #[error("媒体描述过长，请检查话机设置 / the media description is too long; check the phone")]
    TooLong,
    #[error(
        "媒体描述中的媒体过多，请减少话机的媒体种类 / too many media; have the phone offer fewer"
    )]
    TooManyMedia,
    #[error("没有音频，请检查话机设置 / there is no audio; check the phone's settings")]
    NoAudio,
    #[error("对方拒收音频，请检查其设置 / the phone declines the audio; check its settings")]
    Declined,
    #[error("话机要求加密音频，请关闭 SRTP / the phone wants encrypted audio; switch SRTP off")]
    Encrypted,
    #[error(
        "没有共同的编码，请在话机上启用 G.711、G.722 或 Opus / no codec in common; enable G.711, \
         G.722 or Opus on the phone"
    )]
    NoFormat,
    #[error(
        "未给出可用的媒体地址，请检查话机网络设置 / no usable media address; check the phone's \
         network settings"
    )]
    NoAddress,
}

impl SdpError {
    /// The SIP status to answer with (RFC 3261 §21.4).
    pub fn code(self) -> u16 {
        match self {
            Self::Unparsable => 400,
            Self::TooLong => 413,
            Self::TooManyMedia
            | Self::NoAudio
            | Self::Declined
            | Self::Encrypted
            | Self::NoFormat
            | Self::NoAddress => 488,
        }
    }
}
