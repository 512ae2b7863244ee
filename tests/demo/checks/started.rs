//! The red plan starts at R3 when headquarters clicks.

use anyhow::Result;

use super::Verdict;
use crate::api::Sent;
use crate::place::RED_PLAN;

pub(crate) fn red_plan_started(sent: &Result<Sent>) -> Verdict {
    let mut verdict = Verdict::new(
        "red-plan-started",
        "总部一键启动，青峰水库（R3）立即执行红色预案",
        "headquarters clicks, R3 starts the red plan",
    );
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => return verdict.blind(error),
    };
    let activation = sent.activation.clone().unwrap_or_default();
    let status = sent.status.clone().unwrap_or_else(|| sent.delivery.clone());
    verdict.measure("R3's answer", &status);
    verdict.measure("activation", &activation);
    verdict.must(status == "started" && !activation.is_empty(), || {
        format!("R3 answered {status}: {}", sent.said)
    });
    let short: String = activation.chars().take(4).collect();
    verdict.line = match verdict.passed() {
        true => format!("Red plan {RED_PLAN} started at R3, activation {short}"),
        false => format!("Red plan {RED_PLAN} at R3: {status}"),
    };
    verdict
}
