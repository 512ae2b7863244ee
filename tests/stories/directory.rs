//! The directory file: shown before it is sent, refused whole with every
//! mistake named, applied once.

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::cluster::Cluster;
use weir_tests::program::{demo_directory, weir};

/// What the keeper of the directory got wrong: what stands in the demo file,
/// and what was written instead. Each costs one mistake, on its own line.
const TEN: [(&str, &str, &str); 10] = [
    ("class = \"regional\"", "class = 2", "integer"),
    ("owner = \"lin.guodong\"", "owner = \"lin.guodon\"", "lin.guodon"),
    ("rank = 5", "rank = 3", "rank"),
    ("mobile = \"+86", "mobile = \"86 ", "telephone"),
    ("count = 9", "count = 0", "0 speakers"),
    ("rtsp://camera-1", "http://camera-1", "rtsp"),
    ("将于{minutes}分钟", "将于{minutes分钟", "brace"),
    ("kind = \"delay\"", "kind = \"sms\"", "step kind `sms`"),
    ("timeout_s = 60", "timeout_s = 999999999999", "out of range"),
    ("grade = \"receiving\"", "grade = \"heard\"", "grade"),
];

#[tokio::test]
async fn without_a_node_a_dry_run_shows_what_would_change() -> Result<()> {
    let shown = weir(["apply", "--dry-run", "-f", &demo_directory()?]).await?.ended_with(0)?;
    let lines: Vec<&str> = shown.out.lines().collect();
    let last = lines.last().copied().unwrap_or_default();
    ensure!(last.ends_with(&format!("{} changes, not sent", lines.len() - 1)), "{last}");
    for named in ["R3", "5403", "aud-red", "P-38-page"] {
        ensure!(lines.iter().any(|line| line.contains(named)), "{named} is not shown: {lines:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_ten_mistakes_names_all_ten_and_changes_nothing() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let mut text = std::fs::read_to_string(demo_directory()?)?;
    for (right, wrong, _) in TEN {
        ensure!(text.contains(right), "the demo file no longer holds {right}");
        text = text.replacen(right, wrong, 1);
    }
    let file = cluster.folder().join("ten.toml");
    std::fs::write(&file, &text)?;
    let refused = cluster.ask("hq1", &["apply", "-f", &file.to_string_lossy()]).await?;
    let refused = refused.ended_with(3)?;
    refused.said(&["10 mistakes, nothing changed"])?;
    for (_, wrong, word) in TEN {
        let line = 1 + text[..text.find(wrong).unwrap_or(0)].matches('\n').count();
        let named = refused.err.lines().find(|said| said.contains(&format!("line {line}: ")));
        let Some(named) = named else {
            anyhow::bail!("{wrong} on line {line} is not named: {}", refused.err)
        };
        ensure!(named.contains(word), "line {line} should name {word}: {named}");
        // What it is; what to do. / The same in Chinese.
        ensure!(named.contains("; ") && named.contains('；'), "no remedy: {named}");
    }
    let directory = cluster.node("hq1")?.api().directory().await?;
    ensure!(directory["version"] == json!(0), "something changed: {directory}");
    cluster.end()
}

#[tokio::test]
async fn a_plan_with_an_unknown_kind_of_step_is_refused_by_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("sms.toml");
    let text = std::fs::read_to_string(demo_directory()?)?.replacen(
        "kind = \"delay\"",
        "kind = \"sms\"",
        1,
    );
    std::fs::write(&file, text)?;
    let file = file.to_string_lossy();
    let refused = weir(["apply", "--dry-run", "-f", &file]).await?.ended_with(3)?;
    refused.said(&["step kind `sms` is not known", "pa.play, delay, confirm"])?;
    ensure!(refused.out.is_empty(), "shown as if it could be applied: {}", refused.out);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_a_file_twice_changes_nothing_the_second_time() -> Result<()> {
    let mut cluster = Cluster::found("lan").await?;
    let first = cluster.ask("hq1", &["apply", "-f", &demo_directory()?]).await?.ended_with(0)?;
    ensure!(first.out.contains("now v1"), "{}", first.out);
    let demo = demo_directory()?;
    for words in [["apply", "-f", &demo].as_slice(), &["apply", "--dry-run", "-f", &demo]] {
        let again = cluster.ask("hq1", words).await?.ended_with(0)?;
        ensure!(again.out.trim().ends_with("already so (v1)"), "{}", again.out);
    }

    // Somebody prepared an edit before that, and sends it only now.
    let late = json!({ "based_on": 0, "changes": { "changes": [] } });
    let mut api = cluster.node("hq1")?.api();
    let refused = api.edit_directory(&late).await;
    let problem = refused.as_ref().err().and_then(|error| error.problem());
    let Some(problem) = problem else { anyhow::bail!("a stale edit was taken: {refused:?}") };
    ensure!(problem.name() == "directory-moved" && problem.status == 409, "{problem:?}");
    ensure!(problem.detail.contains("dry-run again"), "{problem:?}");
    ensure!(api.directory().await?["version"] == json!(1), "it changed nevertheless");

    // And all of it is still there after a crash.
    cluster.node("hq1")?.kill()?;
    cluster.node("hq1")?.start().await?;
    let again = cluster.ask("hq1", &["apply", "-f", &demo_directory()?]).await?.ended_with(0)?;
    ensure!(again.out.trim().ends_with("already so (v1)"), "{}", again.out);
    cluster.end()
}
