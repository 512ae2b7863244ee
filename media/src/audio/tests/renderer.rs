//! A worker that dies, lies or hangs, and the request after it.

use std::process::Command;
use std::time::Instant;

use super::*;

fn text(words: &str) -> Source {
    Source::Text { text: words.into(), lang: Lang::ZhCn }
}

async fn gone(pid: u32) {
    until(|| !Path::new(&format!("/proc/{pid}")).exists()).await;
}

/// Ten minutes, which take the worker some seconds.
fn long(studio: &Studio) -> PathBuf {
    let speech = Speech { rate: 16_000, samples: tone(16_000, 590 * 16_000, 0.2) };
    studio.file("long.wav", &wave::write(&speech))
}

#[tokio::test]
async fn a_text_is_spoken_and_staged_and_twice_the_same() {
    let studio = Studio::open().await;
    let first = studio.renderer.render(text(ORDER), &ALL).await.unwrap();
    assert_level("text", &first);
    let again = studio.renderer.render(text(ORDER), &ALL).await.unwrap();
    assert_eq!(first.hash, again.hash);
    let nothing = studio.renderer.render(text("……！"), &ALL).await;
    assert!(matches!(nothing, Err(RenderError::Speech(TtsError::Nothing))), "{nothing:?}");
    studio.assert_swept();
    studio.close().await;
}

#[tokio::test]
async fn a_worker_killed_midway_fails_that_request_only() {
    let studio = Studio::open().await;
    let path = long(&studio);
    let mut pid = studio.renderer.worker_pid();
    let kill = async {
        let pid = within(pid.wait_for(Option::is_some)).await.unwrap().unwrap();
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        assert!(killed.success());
        pid
    };
    let (rendered, first) = tokio::join!(studio.render(&path), kill);
    assert!(matches!(rendered, Err(RenderError::Crashed(_))), "{rendered:?}");
    studio.assert_swept();
    assert!(studio.renderer.render(text(ORDER), &ALL).await.is_ok());
    let second = studio.renderer.worker_pid().borrow().unwrap();
    assert_ne!(first, second);
    studio.close().await;
    gone(second).await;
}

/// It died between two requests; the second never notices.
#[tokio::test]
async fn a_worker_that_died_while_idle_is_replaced() {
    let studio = Studio::open().await;
    studio.renderer.render(text(ORDER), &ALL).await.unwrap();
    let pid = studio.renderer.worker_pid().borrow().unwrap();
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    until(|| ended(pid)).await;
    studio.renderer.render(text(ORDER), &ALL).await.unwrap();
    studio.close().await;
}

/// Misbehaves once, in its way; then it is the real worker.
async fn once(mischief: &str, limits: RendererLimits) -> Studio {
    let script = format!("if [ -e done ]; then exec \"$0\"; fi; : > done; {mischief}");
    let real = worker();
    Studio::with("sh".into(), &["-c", &script, real.to_str().unwrap()], limits).await
}

#[tokio::test]
async fn nonsense_is_not_believed_and_the_next_request_works() {
    let answers = [
        "echo hello",
        "echo '{\"id\":1}'",
        "echo '{\"id\":7,\"ok\":{\"ms\":20,\"loudness_lufs\":-16,\"true_peak_dbtp\":-1}}'",
        "head -c 100000 /dev/zero",
    ];
    for answer in answers {
        let studio = once(&format!("read l; {answer}; cat"), RendererLimits::default()).await;
        let lied = studio.renderer.render(text(ORDER), &ALL).await;
        assert!(matches!(lied, Err(RenderError::Garbage(_))), "{answer}: {lied:?}");
        studio.renderer.render(text(ORDER), &ALL).await.unwrap();
        studio.close().await;
    }
}

/// It says that it made files, and did not, or made others.
#[tokio::test]
async fn files_are_measured_before_they_are_believed() {
    let studio = Studio::with(
        "sh".into(),
        &[
            "-c",
            "read l; for codec in PCMA PCMU G722; do : > job-1/out/$codec; done; \
             echo '{\"id\":1,\"ok\":{\"ms\":20,\"loudness_lufs\":-16,\"true_peak_dbtp\":-1}}'; cat",
        ],
        RendererLimits::default(),
    )
    .await;
    let lied = studio.renderer.render(text(ORDER), &ALL).await;
    assert!(matches!(lied, Err(RenderError::Garbage(_))), "{lied:?}");
    studio.close().await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_ended_at_the_deadline() {
    let limits = RendererLimits { deadline: Duration::from_secs(6), ..RendererLimits::default() };
    let studio = once("read l; cat", limits).await;
    let begun = Instant::now();
    let hung = studio.renderer.render(text(ORDER), &ALL).await;
    assert!(matches!(hung, Err(RenderError::Late(_))), "{hung:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    studio.renderer.render(text(ORDER), &ALL).await.unwrap();
    studio.close().await;
}

#[tokio::test]
async fn a_worker_that_wants_too_much_memory_fails_by_itself() {
    let limits = RendererLimits { memory_mib: Some(160), ..RendererLimits::default() };
    let studio = Studio::with(worker(), &[], limits).await;
    let path = long(&studio);
    let starved = studio.render(&path).await;
    assert!(starved.is_err(), "{starved:?}");
    println!("{}", starved.unwrap_err());
    studio.assert_swept();
    studio.close().await;
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_named_as_such() {
    let limits = RendererLimits { memory_mib: None, ..RendererLimits::default() };
    let studio = Studio::with("/nowhere/weir".into(), &[], limits).await;
    let missing = studio.renderer.render(text(ORDER), &ALL).await;
    assert!(matches!(missing, Err(RenderError::Start(_))), "{missing:?}");
    studio.close().await;
}

#[tokio::test]
async fn an_idle_worker_goes_home() {
    let limits = RendererLimits { idle: Duration::from_millis(50), ..RendererLimits::default() };
    let studio = Studio::with(worker(), &[], limits).await;
    let mut shown = studio.renderer.worker_pid();
    let seen = async { within(shown.wait_for(Option::is_some)).await.unwrap().unwrap() };
    let (rendered, pid) = tokio::join!(studio.renderer.render(text(ORDER), &ALL), seen);
    rendered.unwrap();
    within(shown.wait_for(Option::is_none)).await.unwrap();
    gone(pid).await;
    studio.close().await;
}

#[tokio::test]
async fn stopping_the_node_ends_what_is_under_way() {
    let studio = Studio::open().await;
    let path = long(&studio);
    let mut shown = studio.renderer.worker_pid();
    let stop = async {
        let pid = within(shown.wait_for(Option::is_some)).await.unwrap().unwrap();
        studio.stop.cancel();
        pid
    };
    let (rendered, pid) = tokio::join!(studio.render(&path), stop);
    assert!(matches!(rendered, Err(RenderError::Stopped)), "{rendered:?}");
    gone(pid).await;
    studio.tasks.close();
    within(studio.tasks.wait()).await;
    studio.assert_swept();
    let after = studio.renderer.render(text(ORDER), &ALL).await;
    assert!(matches!(after, Err(RenderError::Stopped)), "{after:?}");
}

#[tokio::test]
async fn more_requests_than_can_wait_are_told_so() {
    let studio = Studio::open().await;
    let requests = (0..40).map(|_| studio.renderer.render(text(ORDER), &[Codec::Pcma]));
    let answers = futures_util::future::join_all(requests).await;
    let busy = answers.iter().filter(|one| matches!(one, Err(RenderError::Busy))).count();
    let done = answers.iter().filter(|one| one.is_ok()).count();
    assert_eq!(busy + done, 40);
    assert!(busy > 0 && done >= 16, "{busy} busy, {done} done");
    studio.close().await;
}
