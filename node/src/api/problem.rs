//! Errors as RFC 9457 problems: a type that programs can tell apart, a title
//! and what to do next, in both languages.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use weir_consensus::ProposeError;
use weir_model::refusal::Refusal;

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
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:weir:problem:{name}"),
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            idempotency_key: None,
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

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "内部错误 / internal", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Json(self)).into_response()
    }
}

pub(super) async fn not_found() -> Problem {
    let detail = "没有这个地址；见 /api/v1 / there is nothing here; see /api/v1";
    Problem::new(StatusCode::NOT_FOUND, "not-found", "不存在 / not found", detail)
}
