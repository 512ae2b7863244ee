//! Cameras: where their stream is fetched. An address that holds a user name or
//! a password is refused: the directory is copied to every site and shown on
//! screens.

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::limits::ADDRESS_MAX_BYTES;
use crate::id::{CameraId, SiteId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Camera {
    pub id: CameraId,
    pub site: SiteId,
    pub name: String,
    /// `rtsp:` or `rtsps:` (RFC 7826), without credentials.
    pub url: String,
}

impl Camera {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.label("name", &self.name);
        // The address itself stays out of every message: it may hold a password.
        let rest = self.url.strip_prefix("rtsp://").or(self.url.strip_prefix("rtsps://"));
        let Some(rest) = rest.filter(|_| is_address(&self.url)) else {
            let fault = fault!(
                BadValue,
                "摄像机地址不是 rtsp 地址",
                "the camera's address is not an rtsp address",
                "写 rtsp://主机/路径，不超过 {ADDRESS_MAX_BYTES} 字节，不含空格",
                "write rtsp://host/path in at most {ADDRESS_MAX_BYTES} bytes, without spaces",
            );
            return found.add("url", fault);
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            let fault = fault!(
                BadValue,
                "摄像机地址含有用户名或密码",
                "the camera's address holds a user name or a password",
                "删去 @ 及其前面的部分；凭据写在节点上",
                "remove everything up to the @; credentials are kept on the node",
            );
            found.add("url", fault);
        } else if authority.split(':').next().unwrap_or_default().is_empty() {
            let fault = fault!(
                BadValue,
                "摄像机地址没有主机",
                "the camera's address names no host",
                "写 rtsp://主机/路径",
                "write rtsp://host/path",
            );
            found.add("url", fault);
        }
    }
}

fn is_address(url: &str) -> bool {
    url.len() <= ADDRESS_MAX_BYTES && url.chars().all(|c| !c.is_whitespace() && !c.is_control())
}
