//! The report of a scene: report.html to look at, report.json to read by
//! programs. It shows what the checks said and refuses to say more.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::checks::Verdict;
use crate::scene::Played;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;\
padding:0 1rem;color:#1b2733;background:#fbfcfd}h1{font-size:1.5rem}h2{font-size:1.15rem;\
margin-top:2rem}table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #d5dde5;\
padding:.5rem .6rem;text-align:left;vertical-align:top}dl{margin:0;display:grid;\
grid-template-columns:auto 1fr;gap:0 1rem}dt{color:#5a6b7b}dd{margin:0}pre{background:#eef2f6;\
padding:1rem;overflow-x:auto;border-radius:4px}.pass{color:#1a6b3a;font-weight:600}.fail\
{color:#a3161a;font-weight:600}.why{color:#a3161a}@media(prefers-color-scheme:dark){body\
{color:#dde5ec;background:#12181e}td,th{border-color:#2c3a46}pre{background:#1b242d}dt\
{color:#8fa1b1}.pass{color:#6fd39a}.fail,.why{color:#ff8a80}}";

/// Writes both; the path of the page.
pub(crate) fn write(folder: &Path, played: &Played, last: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let page = folder.join("report.html");
    let value = json!({
        "passed": played.verdicts.iter().all(Verdict::passed),
        "result": last,
        "took_ms": super::scene::whole_ms(played.took),
        "checks": played.verdicts,
        "lines": played.lines,
    });
    let text = serde_json::to_string_pretty(&value)?;
    std::fs::write(folder.join("report.json"), text + "\n").context("report.json")?;
    std::fs::write(&page, html(played, last)).context("report.html")?;
    Ok(page)
}

fn html(played: &Played, last: &str) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Weir 堰 demo</title><style>{STYLE}</style>\
         <h1>Weir 堰 演示报告 · demo report</h1><p class=\"{}\">{}</p>",
        class(played.verdicts.iter().all(Verdict::passed)),
        escaped(last)
    );
    page += "<h2>检查 · Checks</h2><table><tr><th>检查 · check</th><th>结果 · result</th>\
             <th>测得 · measured</th></tr>";
    played.verdicts.iter().for_each(|verdict| row(&mut page, verdict));
    page += "</table><h2>经过 · Timeline</h2><pre>";
    for line in &played.lines {
        let (minutes, seconds) = (line.at_s / 60, line.at_s % 60);
        // Writing to a string does not fail.
        let _ = writeln!(page, "{minutes:02}:{seconds:02} {}", escaped(&line.text));
    }
    page += "</pre><p>数值取自喇叭录音、喇叭自己的记录和各节点的接口，不取自脚本；参照音由 \
             espeak-ng 独立生成。<br>Every value comes from what loudspeakers recorded and wrote \
             down and from what nodes answered, never from the script; the reference sound was \
             made by espeak-ng, without Weir.</p>\n</html>\n";
    page
}

fn row(page: &mut String, verdict: &Verdict) {
    let passed = verdict.passed();
    let result = if passed { "通过 PASS" } else { "未通过 FAIL" };
    let (zh, en) = (escaped(verdict.zh), escaped(verdict.en));
    *page += &format!("<tr><td>{zh}<br>{en}</td><td class=\"{}\">{result}</td><td>", class(passed));
    for why in &verdict.failures {
        *page += &format!("<div class=\"why\">{}</div>", escaped(why));
    }
    *page += "<dl>";
    for (what, value) in &verdict.measured {
        *page += &format!("<dt>{}</dt><dd>{}</dd>", escaped(what), escaped(value));
    }
    *page += "</dl></td></tr>";
}

fn class(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
