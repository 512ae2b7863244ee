//! A night at the console, in a real browser: `tests/browser/face.mjs` clicks, this
//! starts the nodes, lets one of them die and telephones talk when the browser asks
//! for it, and lets the loudspeakers' own ledger and the telephones say what the
//! clicks did. It looks at no page itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use weir_tests::capability;
use weir_tests::cluster::Cluster;
use weir_tests::hearing;
use weir_tests::node::{Node, Place};
use weir_tests::phones::{Account, Answers, Baresip, Codec};
use weir_tests::program::{demo_directory, run, weir_binary};
use weir_tests::speakers::{Call, Over, Speaker, Speakers};
use weir_tests::spoken;
use weir_tests::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
/// Longest silence of the browser: examining one view takes seconds.
const SILENCE: Duration = Duration::from_secs(60);
const COMMANDER: &str = "lin.guodong";
/// Who stands by at R3's console.
const SECOND: &str = "zhao.wenhui";
const PASSWORD: &str = "qinglan-2026-night";
/// Calls R3's duty people and writes to them, once two people have launched it.
const DUTY: &str = r#"
[[plan]]
id = "P-40-duty"
name_zh = "值班到岗"
name_en = "Duty call-in"
level = "yellow"
authority = ["commander", "chief_dispatcher"]
two_person = true

[[plan.step]]
id = "s1"
kind = "call.roster"
group = "a"
roster = "site.duty"
text = "请立即到岗。收到请按1。"
ack = 1
mode = "blast"
timeout_s = 20
retry = 0
island_ok = true

[[plan.step]]
id = "s2"
kind = "message"
group = "a"
roster = "site.duty"
text_zh = "{site}值班人员请到岗。"
text_en = "{site}: duty people, report."
island_ok = true

[[plan.step]]
id = "s3"
kind = "confirm"
question_zh = "人员到齐?"
question_en = "Is everybody there?"
by = "site_duty"
timeout_s = 300
on_timeout = "proceed"
island_ok = true
"#;
/// R3's telephones: one calls for help, and is later called.
const CALLER: &str = "5102";
const CALLEE: &str = "5101";
/// What `aud-red` of the demo directory says, and how often the plan plays it
/// here: long enough for a node to die and be missed meanwhile.
const RED: &str = "洪水红色预警，请立即向安置点转移，不要返回。";
const TIMES: usize = 3;
/// R3's zones: the crest, below the gates, the villages.
const R3: [(u32, u32); 3] = [(5411, 4), (5431, 4), (5451, 9)];
/// The one that is paged by hand as well.
const CREST: [&str; 4] = ["5411", "5412", "5413", "5414"];
/// Longest missing audio that nobody would call a gap.
const GAP_MS: u64 = 60;

fn r3_numbers() -> Vec<String> {
    R3.iter().flat_map(|&(first, count)| first..first + count).map(|n| n.to_string()).collect()
}

async fn json(cluster: &mut Cluster, words: &[&str]) -> Result<Value> {
    let words = [words, &["-o", "json"]].concat();
    let said = cluster.ask("hq1", &words).await?.ended_with(0)?;
    serde_json::from_str(&said.out).with_context(|| format!("not JSON: {}", said.out))
}

/// Voters hq1, rc1 and r3, each with a console; R3's speaks SIP.
async fn three_consoles() -> Result<Cluster> {
    let mut cluster = Cluster::empty()?;
    for (name, site) in [("hq1", "HQ"), ("rc1", "RC"), ("r3", "R3")] {
        let mut node = Node::new(cluster.folder(), Place { name, site })?;
        node.serves_https()?;
        if name == "hq1" {
            node.command(&["init", "--profile", "lan"]).await?;
        } else {
            let token = cluster.token("hq1", "voter", None).await?;
            node.command(&["join", "--token", &token, "--role", "voter"]).await?;
        }
        if name == "r3" {
            node.speaks_sip()?;
            // baresip 1.0 gives up at a challenge that it cannot answer.
            node.configure("digest = [\"MD5\"]")?;
        }
        node.start().await?;
        cluster.adopt(node);
        cluster.leader(&[]).await?;
    }
    Ok(cluster)
}

/// The flood-night directory, its red page long enough and its pause short, a plan
/// that takes two, and both people's password as `weir person passwd` takes it.
async fn furnish(cluster: &mut Cluster) -> Result<()> {
    let text = std::fs::read_to_string(demo_directory()?)?;
    let text = text.replace("repeat = 5", &format!("repeat = {TIMES}"));
    let file = cluster.folder().join("directory.toml");
    std::fs::write(&file, text.replace("s = 20\n", "s = 1\n") + DUTY)?;
    let file = file.to_string_lossy().into_owned();
    cluster.ask("hq1", &["apply", "-f", &file]).await?.ended_with(0)?;
    cluster.directory_everywhere().await?;
    let weir = weir_binary()?.to_string_lossy().into_owned();
    let socket = cluster.node("hq1")?.socket().to_string_lossy().into_owned();
    let line = r#"printf '%s\n' "$0" | "$1" person passwd "$2" -s "$3""#;
    for person in [COMMANDER, SECOND] {
        run("sh", ["-c", line, PASSWORD, &weir, person, &socket]).await?.ended_with(0)?;
    }
    Ok(())
}

/// The passwords of R3's devices, by number.
async fn secrets(cluster: &mut Cluster) -> Result<BTreeMap<String, String>> {
    let made = json(cluster, &["secret", "make", "--site", "R3"]).await?;
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let made = made.as_array().context("no secrets")?.iter();
    Ok(made.map(|one| (text(one, "number"), text(one, "password"))).collect())
}

/// A telephone of R3 that has registered.
async fn telephone(
    cluster: &mut Cluster,
    secrets: &BTreeMap<String, String>,
    number: &str,
    answers: Answers,
) -> Result<Baresip> {
    let password = secrets.get(number).context("no password")?;
    let account = Account::new(number, password, cluster.node("r3")?.ports.sip);
    let folder = cluster.folder().join(number);
    let mut phone = Baresip::start(&folder, &account, answers, Codec::Pcma).await?;
    phone.registered(PATIENCE).await?;
    Ok(phone)
}

/// Dials 112 where no other telephone is, and gives up: nobody heard it.
async fn calls_in_vain(
    cluster: &mut Cluster,
    secrets: &BTreeMap<String, String>,
) -> Result<Baresip> {
    let mut caller = telephone(cluster, secrets, CALLER, Answers::ByHand).await?;
    caller.dial("112")?;
    caller.rings(PATIENCE).await?;
    caller.hang_up()?;
    caller.over(PATIENCE).await?;
    caller.forget();
    Ok(caller)
}

/// The browser wants a call to end: two telephones talk until it does.
async fn ended_from_the_console(
    cluster: &mut Cluster,
    face: &mut Face,
    secrets: &BTreeMap<String, String>,
    mut caller: Baresip,
) -> Result<()> {
    face.waits_for("two telephones talk").await?;
    let callee = telephone(cluster, secrets, CALLEE, Answers::AtOnce).await?;
    caller.dial(CALLEE)?;
    caller.talks(PATIENCE).await?;
    face.go_on().await?;
    face.waits_for("the call has ended").await?;
    for phone in [&caller, &callee] {
        phone.over(PATIENCE).await?;
    }
    face.go_on().await
}

async fn loudspeakers(
    cluster: &mut Cluster,
    secrets: &BTreeMap<String, String>,
) -> Result<Speakers> {
    let registrar = cluster.node("r3")?.ports.sip;
    let speaker = |number: &String| {
        let password = secrets.get(number).map(String::as_str).unwrap_or_default();
        Speaker::new(number, password, registrar, "horn-rtcp")
    };
    let speakers: Vec<Speaker> = r3_numbers().iter().map(speaker).collect();
    let mut started = Speakers::start(&cluster.folder().join("speakers"), &speakers, 7)?;
    started.all_registered(PATIENCE).await?;
    eventually("R3's node holds every sound", PATIENCE, async || {
        let said = json(cluster, &["sound", "list"]).await?;
        let r3 = &said["nodes"]["r3"];
        ensure!(r3["have"] == r3["of"] && !r3["of"].is_null(), "{said}");
        Ok(())
    })
    .await?;
    Ok(started)
}

/// Where the pictures go that the READMEs show, or else what a failure leaves.
fn pictures() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("WEIR_SCREENSHOTS") {
        return Ok(folder.into());
    }
    let weir = weir_binary()?;
    let target = weir.parent().and_then(Path::parent).context("no target folder")?;
    Ok(target.join("face"))
}

/// The browser and what drives it.
struct Face {
    process: Child,
    wishes: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    complaints: PathBuf,
    steps: BTreeSet<String>,
}

impl Face {
    async fn begin(cluster: &mut Cluster) -> Result<Self> {
        let chromium = capability::tool("chromium", "chromium")?;
        let found = run("node", ["--version"]).await;
        ensure!(
            found.is_ok_and(|found| found.code == Some(0)),
            "缺少 Node.js，请执行 make setup / Node.js is missing; run make setup"
        );
        let here = std::env::var("CARGO_MANIFEST_DIR")
            .context("请用 make test 运行 / run this with make test")?;
        let here = Path::new(&here).join("browser");
        for package in ["playwright-core", "axe-core"] {
            ensure!(
                here.join("node_modules").join(package).is_dir(),
                "缺少 npm 包 {package}，请执行 make setup / the npm package {package} is \
                 missing; run make setup, or: bash ops/setup/browser.sh"
            );
        }
        let complaints = cluster.folder().join("face.log");
        let mut command = Command::new("node");
        command.arg(here.join("face.mjs")).env("FACE_CHROMIUM", chromium);
        command.env("FACE_PERSON", COMMANDER).env("FACE_PASSWORD", PASSWORD);
        command.env("FACE_SECOND", SECOND).env("FACE_CALLER", CALLER);
        for (name, node) in [("FACE_NODE", "rc1"), ("FACE_HOME", "r3")] {
            command.env(name, format!("https://{}/", cluster.node(node)?.ports.https));
        }
        command.env("FACE_OUT", pictures()?).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&complaints)?);
        let mut process = command.spawn().context("node could not be started")?;
        let wishes = process.stdin.take().context("no standard input")?;
        let out = process.stdout.take().context("no standard output")?;
        let lines = BufReader::new(out).lines();
        Ok(Self { process, wishes, lines, complaints, steps: BTreeSet::new() })
    }

    /// The browser's next line; none when it has ended.
    async fn line(&mut self) -> Result<Option<Value>> {
        let line = timeout(SILENCE, self.lines.next_line())
            .await
            .with_context(|| format!("the browser is silent after {:?}", self.steps))??;
        let Some(line) = line else { return Ok(None) };
        eprintln!("{line}");
        let said: Value = serde_json::from_str(&line).with_context(|| format!("says {line}"))?;
        if let Some(step) = said["step"].as_str() {
            self.steps.insert(step.to_owned());
        }
        Ok(Some(said))
    }

    /// Goes on until the browser waits for `wish` to be done.
    async fn waits_for(&mut self, wish: &str) -> Result<()> {
        while let Some(said) = self.line().await? {
            match said["waits"].as_str() {
                Some(other) if other != wish => bail!("it waits for {other}, not {wish}"),
                Some(_) => return Ok(()),
                None => {}
            }
        }
        self.ended().await?;
        bail!("it ended before it waited for {wish}")
    }

    async fn go_on(&mut self) -> Result<()> {
        Ok(self.wishes.write_all(b"done\n").await?)
    }

    async fn ended(&mut self) -> Result<()> {
        let status = timeout(SILENCE, self.process.wait()).await.context("it does not end")??;
        let complaints = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        ensure!(status.success(), "the browser, {status}: {complaints}");
        Ok(())
    }

    /// Goes on to the end, which must be a good one.
    async fn through(mut self) -> Result<()> {
        while self.line().await?.is_some() {}
        self.ended().await
    }
}

/// Heard the red words, whole, as often as the plan says, and nothing else.
fn heard_red(call: &Call, red: &[i16]) -> Result<()> {
    let number = &call.number;
    ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{number}: {call:?}");
    ensure!(call.longest_gap_ms() <= GAP_MS, "{number} missed {} ms", call.longest_gap_ms());
    let pcm = call.heard()?;
    let times = hearing::heard(&pcm, red);
    ensure!(hearing::in_a_row(&times, red, 1_500) == TIMES, "{number} heard {times:?}");
    let strange = hearing::strange(&pcm, &[red]);
    ensure!(strange.is_empty(), "{number} heard something else: {strange:?}");
    Ok(())
}

/// The commander signs in at RC's console and clicks the red plan; seventeen
/// loudspeakers at R3 say it while headquarters dies, and the page shows both.
/// Then a zone is paged by hand and stopped, and a duty officer goes in and out
/// by keyboard. An emergency call that nobody answered stays in sight all the while.
/// The commander launches half of a plan, and their console dies: at R3's, another
/// person finds the call and the plan as they were left, and does the rest. No view
/// of it has a fault that keeps people out.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_in_the_browser_sounds_and_a_dying_node_is_seen() -> Result<()> {
    let mut cluster = three_consoles().await?;
    furnish(&mut cluster).await?;
    let secrets = secrets(&mut cluster).await?;
    let speakers = loudspeakers(&mut cluster, &secrets).await?;
    let caller = calls_in_vain(&mut cluster, &secrets).await?;
    let mut face = Face::begin(&mut cluster).await?;

    face.waits_for("hq1 dies").await?;
    for number in r3_numbers() {
        speakers.answered(&number, PATIENCE).await?;
    }
    cluster.node("hq1")?.kill()?;
    face.go_on().await?;

    face.waits_for("zone 5401 sounds").await?;
    for number in CREST {
        let second = async || {
            let picked_up = |call: &Call| call.answered_ms.is_some();
            let calls = speakers.calls_of(number)?.into_iter().filter(picked_up).count();
            ensure!(calls == 2, "{number} was answered {calls} times");
            Ok(())
        };
        eventually("the crest is paged by hand", PATIENCE, second).await?;
    }
    face.go_on().await?;
    ended_from_the_console(&mut cluster, &mut face, &secrets, caller).await?;
    face.through().await?;

    let red = spoken::chinese(cluster.folder(), RED).await?;
    for number in r3_numbers() {
        let paged = if CREST.contains(&number.as_str()) { 2 } else { 1 };
        let calls = speakers.calls_of(&number)?;
        ensure!(calls.len() == paged, "{number} was called {} times: {calls:?}", calls.len());
        heard_red(&calls[0], &red)?;
        for by_hand in &calls[1..] {
            let over = by_hand.over;
            ensure!(over.is_some_and(|(how, _)| how == Over::ByeIn), "{by_hand:?}");
        }
    }
    cluster.end()
}
