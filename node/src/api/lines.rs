//! Facts as sentences that a person reads, in Chinese and English. It says what
//! the fact says and no more: a page that was sent is not a page that was heard.

use weir_model::directory::{Directory, Word};
use weir_model::fact::{
    EffectKey, EffectResult, Ending, Fact, FactBody, Proof, StepState, Target, Why,
};
use weir_model::id::{PersonId, PlanId};
use weir_model::intent::{Intent, IntentBody, Mode, SignedIntent};
use weir_model::refusal::Said;

/// Words of the directory, where it still knows the name.
struct Names<'d>(&'d Directory);

fn said(zh: impl Into<String>, en: impl Into<String>) -> Said {
    Said { zh: zh.into(), en: en.into() }
}

impl Names<'_> {
    fn person(&self, id: &PersonId) -> String {
        self.0.people.get(id).map_or_else(|| id.to_string(), |person| person.name.clone())
    }

    fn plan(&self, id: &PlanId) -> Said {
        match self.0.plans.get(id) {
            Some(plan) => {
                said(format!("{}（{id}）", plan.name_zh), format!("{} ({id})", plan.name_en))
            }
            None => said(id.to_string(), id.to_string()),
        }
    }

    fn target(&self, target: &Target) -> Said {
        let id = match target {
            Target::Zone(id) => id,
            Target::Person(person) => return said(self.person(person), self.person(person)),
            Target::Conference(number) => {
                return said(format!("会议 {number}"), format!("conference {number}"));
            }
        };
        match self.0.zones.get(id) {
            Some(zone) => said(format!("{id} {}", zone.name_zh), format!("{id} {}", zone.name_en)),
            None => said(id.to_string(), id.to_string()),
        }
    }

    fn targets(&self, targets: &[Target]) -> Said {
        let all: Vec<Said> = targets.iter().map(|target| self.target(target)).collect();
        let join = |word: fn(&Said) -> &str, mark: &str| {
            all.iter().map(word).collect::<Vec<_>>().join(mark)
        };
        said(join(|one| &one.zh, "、"), join(|one| &one.en, ", "))
    }
}

fn mode(mode: Mode) -> Said {
    match mode {
        Mode::Real => said("", ""),
        Mode::Drill => said("【演练】", "[drill] "),
        Mode::Test => said("【测试】", "[test] "),
    }
}

pub(crate) fn state(state: StepState) -> Said {
    let (zh, en) = match state {
        StepState::Pending => ("待执行", "pending"),
        StepState::Waiting => ("等待中", "waiting"),
        StepState::Running => ("执行中", "running"),
        StepState::Done => ("完成", "done"),
        StepState::Failed => ("失败", "failed"),
        StepState::Unknown => ("结果未知", "unknown"),
        StepState::Unreachable => ("未送达", "unreachable"),
        StepState::Expired => ("过时作废", "expired"),
        StepState::Superseded => ("被取代", "superseded"),
        StepState::Vetoed => ("被中止", "vetoed"),
        StepState::Skipped => ("跳过", "skipped"),
    };
    said(zh, en)
}

/// One readable sentence.
pub(crate) fn line(fact: &Fact, directory: &Directory) -> Said {
    let names = Names(directory);
    match &fact.body {
        FactBody::Began { after: None } => said("开始记录日志", "the journal begins"),
        FactBody::Began { after: Some(head) } => said(
            format!("日志重新开始，此前到 {}", head.id),
            format!("the journal begins anew after {}", head.id),
        ),
        FactBody::IntentReceived { signed } => received(signed, &names),
        FactBody::IntentJudged { status, .. } => {
            let Said { zh, en } = status.said();
            said(format!("请求处理结果：{zh}"), format!("the request was judged: {en}"))
        }
        FactBody::ActivationStarted { .. }
        | FactBody::ActivationJoined { .. }
        | FactBody::ActivationStopped { .. }
        | FactBody::ActivationEnded { .. } => of_run(&fact.body, &names),
        FactBody::StepOpened { .. }
        | FactBody::StepWaits { .. }
        | FactBody::Confirmed { .. }
        | FactBody::StepChanged { .. }
        | FactBody::TargetPassed { .. } => of_step(&fact.body, &names),
        FactBody::EffectBegun { key, why, mode: of, .. } => begun(key, *why, *of, &names),
        FactBody::EffectOutcome { key, result, proof, .. } => outcome(key, result, *proof, &names),
        FactBody::SoundsStaged { have, of, .. } => said(
            format!("本节点已备音频 {have}/{of}"),
            format!("{have} of {of} sounds lie at this node"),
        ),
        FactBody::DutyNote { who: Some(who), text } => {
            let who = names.person(who);
            said(format!("{who} 记录：{text}"), format!("{who} notes: {text}"))
        }
        FactBody::DutyNote { who: None, text } => {
            said(format!("记录：{text}"), format!("noted: {text}"))
        }
        FactBody::PersonCalled { key, callee } => {
            let (who, nth) = (names.person(callee), key.attempt);
            let member = names.target(&key.target);
            said(
                format!("第 {nth} 次联系 {}：找 {who}", member.zh),
                format!("attempt {nth} for {}: {who}", member.en),
            )
        }
        FactBody::MemberCovered { member, by, .. } => {
            let (member, by) = (names.person(member), names.person(by));
            said(
                format!("{by} 已确认，代替 {member}，不再呼叫"),
                format!("{by} has acknowledged and stands in for {member}"),
            )
        }
        FactBody::CallAnswered { .. }
        | FactBody::CallChanged { .. }
        | FactBody::CallEnded { .. }
        | FactBody::CallSeen { .. } => call(&fact.body, &names),
        FactBody::ConferenceOpened { .. }
        | FactBody::ConferenceJoined { .. }
        | FactBody::ConferenceLeft { .. }
        | FactBody::ConferenceEnded { .. } => conference(&fact.body, &names),
    }
}

fn received(signed: &SignedIntent, names: &Names<'_>) -> Said {
    let Ok(Intent { who, via, body, mode: of, .. }) = signed.open() else {
        return said("收到其他版本的请求", "a request of another version was received");
    };
    let (who, mark) = (names.person(&who), mode(of));
    let what = match &body {
        IntentBody::Launch { plan, .. } => {
            let plan = names.plan(plan);
            said(format!("启动 {}", plan.zh), format!("launch {}", plan.en))
        }
        IntentBody::Abort { activation } => {
            said(format!("中止 {activation}"), format!("abort {activation}"))
        }
        IntentBody::Confirm { step, yes, .. } => {
            let (zh, en) = if *yes { ("是", "yes") } else { ("否", "no") };
            said(format!("对步骤 {step} 答“{zh}”"), format!("answer {en} to step {step}"))
        }
        IntentBody::Repeat { step, target, .. } => {
            let at = names.target(target);
            said(
                format!("在 {} 再播步骤 {step}", at.zh),
                format!("repeat step {step} at {}", at.en),
            )
        }
        IntentBody::Page { zone, audio, repeat } => {
            let at = names.target(&Target::Zone(zone.clone()));
            said(
                format!("在 {} 播放 {audio}，{repeat} 遍", at.zh),
                format!("play {audio} in {}, {repeat} times", at.en),
            )
        }
    };
    said(
        format!("{}收到 {who} 经 {via} 的请求：{}", mark.zh, what.zh),
        format!("{}{who} asks through {via}: {}", mark.en, what.en),
    )
}

fn of_run(fact: &FactBody, names: &Names<'_>) -> Said {
    match fact {
        FactBody::ActivationStarted { plan, who, mode: of, level, activation, .. } => {
            let (plan, who, mark) = (names.plan(plan), names.person(who), mode(*of));
            said(
                format!(
                    "{}{who} 启动了{}预案 {}，执行号 {activation}",
                    mark.zh,
                    level.zh(),
                    plan.zh
                ),
                format!("{}{who} started the {level} plan {} as {activation}", mark.en, plan.en),
            )
        }
        FactBody::ActivationJoined { activation, who, .. } => {
            let who = names.person(who);
            said(format!("{who} 并入执行 {activation}"), format!("{who} joined {activation}"))
        }
        FactBody::ActivationStopped { activation, how } => {
            let how = ending(how);
            said(
                format!("{activation} 停止执行：{}", how.zh),
                format!("{activation} stops: {}", how.en),
            )
        }
        FactBody::ActivationEnded { activation, how, .. } => {
            let how = ending(how);
            said(
                format!("{activation} 已结束：{}", how.zh),
                format!("{activation} ended: {}", how.en),
            )
        }
        other => fallback(other),
    }
}

fn of_step(fact: &FactBody, names: &Names<'_>) -> Said {
    match fact {
        FactBody::StepOpened { step, targets, elsewhere, .. } => {
            let at = names.targets(targets);
            let (mut zh, mut en) =
                (format!("步骤 {step} 开始：{}", at.zh), format!("step {step} opens: {}", at.en));
            if !elsewhere.is_empty() {
                let away = names.targets(elsewhere);
                zh += &format!("；由其他站点驱动：{}", away.zh);
                en += &format!("; driven by other sites: {}", away.en);
            }
            said(zh, en)
        }
        FactBody::StepWaits { step, .. } => {
            said(format!("步骤 {step} 等待中"), format!("step {step} waits"))
        }
        FactBody::Confirmed { step, answer, .. } => match answer {
            Some(true) => said(format!("步骤 {step} 确认：是"), format!("step {step}: yes")),
            Some(false) => said(format!("步骤 {step} 确认：否"), format!("step {step}: no")),
            None => said(
                format!("步骤 {step} 到时无人确认"),
                format!("nobody answered step {step} in time"),
            ),
        },
        FactBody::StepChanged { step, state: now, .. } => {
            let now = state(*now);
            said(format!("步骤 {step}：{}", now.zh), format!("step {step}: {}", now.en))
        }
        FactBody::TargetPassed { step, target, state: now, .. } => {
            let (now, at) = (state(*now), names.target(target));
            said(
                format!("步骤 {step} 在 {}：{}，不再尝试", at.zh, now.zh),
                format!("step {step} at {}: {}, no further attempt", at.en, now.en),
            )
        }
        other => fallback(other),
    }
}

fn call(fact: &FactBody, names: &Names<'_>) -> Said {
    match fact {
        FactBody::CallAnswered { from, dialled, by, emergency, .. } => {
            let (zh, en) = if *emergency { ("紧急", "emergency ") } else { ("", "") };
            said(
                format!("{zh}通话接通：{from} 拨 {dialled}，{by} 应答"),
                format!("{en}call: {from} dialled {dialled}, {by} answered"),
            )
        }
        FactBody::CallChanged { call, held: true } => {
            said(format!("通话 {call} 保持"), format!("call {call} is on hold"))
        }
        FactBody::CallChanged { call, held: false } => {
            said(format!("通话 {call} 恢复"), format!("call {call} goes on"))
        }
        FactBody::CallEnded { from, dialled, why, talked_ms, emergency, missed, .. } => {
            let (zh, en) = if *emergency { ("紧急", "emergency ") } else { ("", "") };
            let (lost_zh, lost_en) = if *missed { ("，未接", ", missed") } else { ("", "") };
            let (why, s) = (why.code(), talked_ms.unwrap_or(0) / 1_000);
            said(
                format!("{zh}通话结束：{from} 拨 {dialled}，{s} 秒（{why}）{lost_zh}"),
                format!("{en}call over: {from} dialled {dialled}, {s} s ({why}){lost_en}"),
            )
        }
        FactBody::CallSeen { who, .. } => {
            let who = names.person(who);
            said(format!("{who} 已知悉未接紧急来电"), format!("{who} saw the missed emergency"))
        }
        other => fallback(other),
    }
}

fn conference(fact: &FactBody, names: &Names<'_>) -> Said {
    // Where it is a person of the directory, by name.
    let name = |who: &str| names.0.people.get(who).map_or(who.to_owned(), |one| one.name.clone());
    match fact {
        FactBody::ConferenceOpened { number, .. } => {
            said(format!("会议 {number} 开始"), format!("conference {number} opens"))
        }
        FactBody::ConferenceJoined { who, site, .. } => {
            let who = name(who);
            said(format!("{who} 在 {site} 加入会议"), format!("{who} joined at {site}"))
        }
        FactBody::ConferenceLeft { who, why, .. } => {
            let (who, why) = (name(who), why.code());
            said(format!("{who} 离开会议（{why}）"), format!("{who} left ({why})"))
        }
        FactBody::ConferenceEnded { joined, .. } => said(
            format!("会议结束，共 {joined} 人参加"),
            format!("the conference is over; {joined} joined"),
        ),
        other => fallback(other),
    }
}

fn begun(key: &EffectKey, why: Why, of: Mode, names: &Names<'_>) -> Said {
    let (at, mark, nth) = (names.target(&key.target), mode(of), key.attempt);
    let why = match why {
        Why::Plan => said("", ""),
        Why::AfterUnknown => said("（上次结果未知，重播）", " (the last one's outcome is unknown)"),
        Why::Person(_) => said("（应要求再播）", " (a person asked for it)"),
    };
    if let Target::Conference(_) = key.target {
        return said(
            format!("{}召集{}，第 {nth} 次{}", mark.zh, at.zh, why.zh),
            format!("{}{} is called together, attempt {nth}{}", mark.en, at.en, why.en),
        );
    }
    if let Target::Person(_) = key.target {
        return said(
            format!("{}开始联系 {}，第 {nth} 次{}", mark.zh, at.zh, why.zh),
            format!("{}{} is being reached, attempt {nth}{}", mark.en, at.en, why.en),
        );
    }
    said(
        format!("{}开始向 {} 广播，第 {nth} 次{}", mark.zh, at.zh, why.zh),
        format!("{}paging {} begins, attempt {nth}{}", mark.en, at.en, why.en),
    )
}

fn outcome(key: &EffectKey, result: &EffectResult, proof: Proof, names: &Names<'_>) -> Said {
    let (at, nth) = (names.target(&key.target), key.attempt);
    let seen = match proof.grade {
        Some(grade) => said(
            format!("，{} {}/{}", grade.zh(), proof.reached, proof.of),
            format!(", {grade} {}/{}", proof.reached, proof.of),
        ),
        None => said("", ""),
    };
    let instead = match proof.siren {
        true => said("，音频缺失，改放内置警报", ", with the siren, for its sound was missing"),
        false => said("", ""),
    };
    let how = match result {
        EffectResult::Done => said("已执行", "carried out"),
        EffectResult::Failed { why } => {
            let why = reason(why);
            said(format!("失败（{}）", why.zh), format!("failed ({})", why.en))
        }
        EffectResult::Unreachable { why } => {
            let why = reason(why);
            said(format!("未送达（{}）", why.zh), format!("unreachable ({})", why.en))
        }
        EffectResult::Unknown { why } => {
            said(format!("结果未知（{why}），请核对现场"), format!("unknown ({why}), check there"))
        }
        EffectResult::Ceased => said("已按令停止", "stopped as told"),
        EffectResult::NotBegun => said("未开始", "never begun"),
    };
    if let Target::Conference(_) = key.target {
        return said(
            format!("{}（第 {nth} 次）{}{}", at.zh, how.zh, seen.zh),
            format!("{} (attempt {nth}): {}{}", at.en, how.en, seen.en),
        );
    }
    if let Target::Person(_) = key.target {
        let unsaid = match proof.siren {
            true => said(
                "，但语音缺失，只请其联系值班室；请告知详情",
                ", but the announcement was missing; tell them what it is about",
            ),
            false => said("", ""),
        };
        return said(
            format!("联系 {}（第 {nth} 次）{}{}{}", at.zh, how.zh, seen.zh, unsaid.zh),
            format!("reaching {} (attempt {nth}): {}{}{}", at.en, how.en, seen.en, unsaid.en),
        );
    }
    said(
        format!("向 {} 的广播（第 {nth} 次）{}{}{}", at.zh, how.zh, seen.zh, instead.zh),
        format!("the page to {} (attempt {nth}): {}{}{}", at.en, how.en, seen.en, instead.en),
    )
}

/// Why a person was not reached, and what to do about it; other reasons speak for
/// themselves.
fn reason(why: &str) -> Said {
    match why {
        "busy" => said("占线", "busy"),
        "no_answer" => said("无人接听", "no answer"),
        "not_acknowledged" => said("接听后未按键确认", "answered and pressed no key"),
        "wrong_key" => said("按键不对", "pressed other keys"),
        "no_number" => said("没有号码，请在目录中补上", "no number; add one to the directory"),
        "no_way" | "unreachable" => said(
            "无可用线路，请检查话机注册与外线",
            "no way there; check that telephone or trunk is registered",
        ),
        "no_gateway" => said(
            "无短信网关，请在节点文件中加 [sms]",
            "no SMS gateway; add [sms] to the node's file",
        ),
        other => said(other, other),
    }
}

fn ending(how: &Ending) -> Said {
    match how {
        Ending::Completed => said("全部步骤已走完", "every step came to an end"),
        Ending::Declined => said("现场答“否”", "the answer was no"),
        Ending::Unanswered => said("无人确认", "nobody answered"),
        Ending::Aborted { .. } => said("被中止", "aborted"),
        Ending::Superseded { by } => {
            said(format!("被真实警报 {by} 取代"), format!("superseded by the real alarm {by}"))
        }
        Ending::PlanGone => said("停机期间预案已更改", "the plan changed while the node was down"),
    }
}

/// Each kind is named above; this keeps a mistake there from a panic.
fn fallback(fact: &FactBody) -> Said {
    let text = format!("{fact:?}");
    said(text.clone(), text)
}
