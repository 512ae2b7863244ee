//! Errors as RFC 9457 problems: a type that programs can tell apart, a title
//! and what to do next, in both languages.

use axum::Json;
use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use weir_consensus::ProposeError;
use weir_model::refusal::Refusal;

const KIND: &str = "application/problem+json";
/// What the framework says of a refusal is a line.
const FRAMEWORK_BYTES: usize = 4 << 10;

/// RFC 9457 §3.1, with the text in Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// `urn:weir:problem:` and a stable name.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: u16,
    pub(crate) title: String,
    pub(crate) detail: String,
    /// The key to ask again with, where the outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) idempotency_key: Option<String>,
    /// Also said as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:weir:problem:{name}"),
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            idempotency_key: None,
            retry_after_s: None,
        }
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let title = "已拒绝，未作更改 / refused, nothing changed";
        Self::new(StatusCode::CONFLICT, refusal.code(), title, refusal.to_string())
    }

    pub(crate) fn undecided(error: &ProposeError) -> Self {
        let detail = error.to_string();
        match error {
            ProposeError::Unknown { key } => {
                let title = "结果未知 / outcome unknown";
                let mut problem =
                    Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", title, detail);
                problem.idempotency_key = Some(key.to_string());
                problem
            }
            ProposeError::NoLeader => {
                let title = "没有领导节点 / no leader";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-leader", title, detail)
            }
            ProposeError::TooLarge(_) => {
                let title = "请求过大 / too large";
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
            }
        }
    }

    /// Storage failed earlier: this request surely was not proposed.
    pub(crate) fn stopped(why: &str) -> Self {
        let detail = format!(
            "存储已停止，本次请求未提交；请检查磁盘空间和日志，然后重启 weir；本地呼叫、广播、预案不受\
             影响（{why}） / storage has stopped, this request was not proposed; see to the disk and \
             the log, then restart weir; calls, pages and plans go on ({why})"
        );
        let title = "存储已停止 / storage has stopped";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage-stopped", title, detail)
    }

    pub(crate) fn person_unknown(name: &str) -> Self {
        let detail = format!(
            "目录中没有人员 {name:?}；请用 weir apply 添加 / the directory has no person {name:?}; \
             add them with weir apply"
        );
        Self::new(StatusCode::FORBIDDEN, "person-unknown", "人员未知 / unknown person", detail)
    }

    pub(crate) fn who() -> Self {
        let detail = "请用 --as 说明是谁 / say who asks with --as PERSON";
        Self::new(StatusCode::FORBIDDEN, "who", "须有具名人员 / a named person is needed", detail)
    }

    pub(crate) fn plan_unknown(plan: &impl std::fmt::Display) -> Self {
        let detail = format!("没有预案 {plan}；见 weir plan list / no plan {plan}; see plan list");
        Self::new(StatusCode::NOT_FOUND, "plan-unknown", "预案不存在 / no such plan", detail)
    }

    pub(crate) fn zone_unknown(zone: &impl std::fmt::Display) -> Self {
        let detail = format!("没有广播区 {zone}；请刷新后重选 / no zone {zone}; reload and choose");
        Self::new(StatusCode::NOT_FOUND, "zone-unknown", "广播区不存在 / no such zone", detail)
    }

    pub(crate) fn call_unknown(id: &str) -> Self {
        let detail = format!(
            "本站没有通话 {id}；请刷新，或在其所在站点操作 / no call {id} at this site; list them again, \
             or ask the site that holds it"
        );
        Self::new(StatusCode::NOT_FOUND, "call-unknown", "通话不存在 / no such call", detail)
    }

    pub(crate) fn conference_unknown(named: &str) -> Self {
        let detail = format!(
            "本站没有会商 {named}；见 weir conference list，或在其所在站点操作 / this site takes no part in \
             a conference {named}; see weir conference list, or ask a site that does"
        );
        let title = "会商不存在 / no such conference";
        Self::new(StatusCode::NOT_FOUND, "conference-unknown", title, detail)
    }

    pub(crate) fn conference(error: &impl std::fmt::Display) -> Self {
        let title = "会商未召集 / the conference was not opened";
        Self::new(StatusCode::CONFLICT, "conference", title, error.to_string())
    }

    pub(crate) fn no_telephones() -> Self {
        let detail =
            "本节点未接电话；请在配置中加 [sip] / this node has no telephones; give it [sip]";
        Self::new(StatusCode::CONFLICT, "no-telephones", "未接电话 / no telephones", detail)
    }

    /// A recording or a text that cannot become a sound.
    pub(crate) fn sound(name: &str, detail: impl Into<String>) -> Self {
        let title = "音频未能就绪，未作更改 / a sound could not be made, nothing changed";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, name, title, detail)
    }

    pub(crate) fn intent_unknown() -> Self {
        let detail = "本节点没有发出过此请求 / this node did not send such an intent";
        Self::new(StatusCode::NOT_FOUND, "intent-unknown", "请求不存在 / no such intent", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "繁忙 / busy", detail)
    }

    pub(crate) fn no_randomness() -> Self {
        let detail =
            "系统随机数不可用，请检查主机 / the system gives no randomness; check the host";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "no-randomness", "内部错误 / internal", detail)
    }

    pub(crate) fn no_ca() -> Self {
        let detail = "本节点没有 CA 密钥；请在投票节点上执行 / this node holds no CA key; run this \
                      on a voter";
        Self::new(StatusCode::CONFLICT, "no-ca", "无法签发 / cannot issue", detail)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "请求有误 / bad request", detail)
    }

    pub(crate) fn no_emulation() -> Self {
        let detail = "配置中没有 [emulate] / the configuration has no [emulate] section";
        Self::new(StatusCode::CONFLICT, "no-emulation", "无链路模拟 / no emulated link", detail)
    }

    pub(crate) fn denied(why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", "没有权限 / not permitted", why)
    }

    pub(crate) fn nothing_plays(zone: &str) -> Self {
        let detail = format!(
            "{zone} 现在没有这种模式的广播；请刷新 / nothing of that mode plays in {zone}; reload"
        );
        Self::new(StatusCode::CONFLICT, "nothing-plays", "没有广播 / nothing plays", detail)
    }

    pub(crate) fn not_signed_in() -> Self {
        let detail = "请登录 / sign in: POST /api/v1/session";
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", "未登录 / not signed in", detail)
    }

    pub(crate) fn sign_in_refused() -> Self {
        let detail = "人员或口令不对；忘记口令请系统管理员用 weir person passwd 重设 / wrong person \
                      or password; an administrator sets a new one with weir person passwd";
        Self::new(StatusCode::UNAUTHORIZED, "sign-in-refused", "登录被拒绝 / refused", detail)
    }

    pub(crate) fn no_role(person: &impl std::fmt::Display) -> Self {
        let detail = format!(
            "{person} 在目录中没有角色；请系统管理员授予 / {person} holds no role in the directory; \
             an administrator may grant one"
        );
        Self::new(StatusCode::FORBIDDEN, "denied", "没有权限 / not permitted", detail)
    }

    pub(crate) fn too_many_tries(wait_s: u64) -> Self {
        let detail =
            format!("尝试过多，请 {wait_s} 秒后再试 / too many tries; try again in {wait_s} s");
        let title = "请稍后再试 / wait";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", title, detail);
        Self { retry_after_s: Some(wait_s), ..problem }
    }

    pub(crate) fn other_origin() -> Self {
        let detail = "请求来自其他网页，未执行 / the request came from another site's page; nothing \
                      was done";
        Self::new(StatusCode::FORBIDDEN, "other-origin", "来源不符 / other origin", detail)
    }

    pub(crate) fn streams_full() -> Self {
        let detail = "本节点的事件连接已满；请关闭不用的页面，或连接另一节点 / too many browsers \
                      listen to this node; close some, or use another node";
        let title = "连接已满 / streams full";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "streams-full", title, detail);
        Self { retry_after_s: Some(10), ..problem }
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let detail = format!("请求超过 {most} 字节；请缩短 / the body exceeds {most} bytes");
        let title = "请求过大 / too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
    }

    pub(crate) fn body_broken() -> Self {
        Self::bad_request("请求没有完整到达；请重发 / the body did not arrive whole; send it again")
    }

    pub(crate) fn body_slow() -> Self {
        let detail = "请求到达过慢；请重发 / the body came too slowly; send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "请求超时 / timed out", detail)
    }

    pub(crate) fn password_length() -> Self {
        let detail =
            "口令须为 8 个字符以上、512 字节以内 / a password takes 8 characters to 512 bytes";
        Self::new(StatusCode::BAD_REQUEST, "password-length", "口令长度不符 / length", detail)
    }

    pub(crate) fn nothing_here() -> Self {
        let detail = "没有这个地址；见 /api/v1/openapi.json / there is nothing here; see \
                      /api/v1/openapi.json";
        Self::new(StatusCode::NOT_FOUND, "not-found", "不存在 / not found", detail)
    }

    pub(crate) fn method() -> Self {
        let detail = "此地址不接受这种方法 / this address does not take that method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "方法不符 / method", detail)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "内部错误 / internal", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, KIND)];
        let retry = self.retry_after_s.map(|wait| [(header::RETRY_AFTER, wait.to_string())]);
        (status, kind, retry, Json(self)).into_response()
    }
}

pub(super) async fn not_found() -> Problem {
    let detail = "没有这个地址；见 /api/v1 / there is nothing here; see /api/v1";
    Problem::new(StatusCode::NOT_FOUND, "not-found", "不存在 / not found", detail)
}

/// What the framework refuses by itself (broken JSON, a wrong type, a method)
/// comes as plain text; it leaves as a problem like every other.
pub(crate) async fn everywhere(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let bad = status.is_client_error() || status.is_server_error();
    if !bad || kind.is_some_and(|kind| kind.as_bytes() == KIND.as_bytes()) {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let text = to_bytes(response.into_body(), FRAMEWORK_BYTES).await.unwrap_or_default();
    let mut answer = foreign(status, &String::from_utf8_lossy(&text)).into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

fn foreign(status: StatusCode, text: &str) -> Problem {
    let (name, title, zh) = match status {
        StatusCode::METHOD_NOT_ALLOWED => return Problem::method(),
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "请求过大 / too large", "请缩短请求"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("content-type", "类型不符 / content type", "请以 application/json 发送")
        }
        status if status.is_server_error() => ("internal", "内部错误 / internal", "请查看节点日志"),
        _ => ("bad-request", "请求有误 / bad request", "请按接口说明改正后重发"),
    };
    Problem::new(status, name, title, format!("{zh} / {text}"))
}
