//! Texts to speech, by a program that is asked for one language at a time. The
//! text goes to the program's input, never into its arguments. Refuses texts
//! longer than any announcement and programs that do not end.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use weir_model::directory::Lang;

use super::script::{self, Piece};
use super::wave;

/// Longest text in bytes; twice what a directory may hold, for its filled blanks.
const TEXT_MAX_BYTES: usize = 2_048;
/// Of all pieces together: ten minutes at 22 kHz, and a little.
const OUTPUT_MAX_BYTES: usize = 30 << 20;
const COMPLAINT_MAX_BYTES: u64 = 4_096;
/// One piece; a minute of speech takes espeak-ng a twentieth of a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between languages: a breath, so that the ear can change over.
const PAUSE_MS: usize = 150;
/// Slower than reading aloud: it echoes across a valley.
const WORDS_PER_MINUTE: &str = "150";

/// What the program gets of our environment: nothing that could be a secret.
const INHERITED: [&str; 4] = ["PATH", "LANG", "LD_LIBRARY_PATH", "ESPEAK_DATA_PATH"];

/// Mono samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    pub rate: u32,
    pub samples: Vec<i16>,
}

#[derive(Debug, thiserror::Error)]
pub enum TtsError {
    #[error("没有可朗读的文字；请填写文字 / nothing in the text can be spoken; write some words")]
    Nothing,
    #[error(
        "文字 {0} 字节，最多 {TEXT_MAX_BYTES}；请缩短 / \
         a text of {0} bytes, {TEXT_MAX_BYTES} at most; make it shorter"
    )]
    TooLong(usize),
    #[error(
        "语音合成程序 {program} 无法启动（{why}）；请安装 espeak-ng / \
         the speech program {program} does not start ({why}); install espeak-ng"
    )]
    Start { program: String, why: std::io::Error },
    #[error(
        "语音合成失败（{0}）；请检查 espeak-ng 及其语言数据 / \
         speaking failed ({0}); check espeak-ng and its voices"
    )]
    Failed(String),
    #[error(
        "语音合成 {0} 秒未完成，已终止；请缩短文字后重试 / \
         speaking took more than {0} s and was ended; try a shorter text"
    )]
    Late(u64),
    #[error("语音合成输出过长；请缩短文字 / too much speech; make the text shorter")]
    TooMuch,
}

/// Speaks one language at a time.
pub trait TtsEngine: Send + Sync + 'static {
    fn say<'a>(&'a self, text: &'a str, lang: Lang) -> BoxFuture<'a, Result<Speech, TtsError>>;
}

/// All of a text: split by script, spoken piece by piece, joined.
pub(super) async fn speak(
    engine: &dyn TtsEngine,
    text: &str,
    lang: Lang,
) -> Result<Speech, TtsError> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(TtsError::TooLong(text.len()));
    }
    let mut whole: Option<Speech> = None;
    for Piece { lang, text } in script::pieces(&plain(text), lang) {
        let said = engine.say(&text, lang).await?;
        let Some(before) = &mut whole else {
            whole = Some(said);
            continue;
        };
        if said.rate != before.rate {
            let why = format!("{} Hz, then {} Hz", before.rate, said.rate);
            return Err(TtsError::Failed(why));
        }
        let pause = before.rate as usize * PAUSE_MS / 1_000;
        before.samples.resize(before.samples.len() + pause, 0);
        before.samples.extend(said.samples);
        if before.samples.len() * size_of::<i16>() > OUTPUT_MAX_BYTES {
            return Err(TtsError::TooMuch);
        }
    }
    whole.ok_or(TtsError::Nothing)
}

/// Without what an engine could take for a command: control characters, and the
/// double brackets in which espeak-ng expects phonemes.
fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || matches!(c, '[' | ']') { ' ' } else { c };
    text.chars().map(harmless).collect()
}

/// The speech program that every Debian has: robotic, and always there.
#[derive(Debug, Clone)]
pub struct EspeakNg {
    program: PathBuf,
    patience: Duration,
}

impl Default for EspeakNg {
    fn default() -> Self {
        Self::at("espeak-ng".into())
    }
}

impl EspeakNg {
    pub fn at(program: PathBuf) -> Self {
        Self { program, patience: PATIENCE }
    }

    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn start(&self, lang: Lang) -> Result<Child, TtsError> {
        let voice = match lang {
            Lang::ZhCn => "cmn",
            Lang::En => "en",
        };
        let args = ["-v", voice, "-s", WORDS_PER_MINUTE, "-b", "1", "--stdin", "--stdout"];
        Command::new(&self.program)
            .args(args)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| TtsError::Start { program: self.program.display().to_string(), why })
    }
}

impl TtsEngine for EspeakNg {
    fn say<'a>(&'a self, text: &'a str, lang: Lang) -> BoxFuture<'a, Result<Speech, TtsError>> {
        Box::pin(async move {
            let child = self.start(lang)?;
            // Dropped when it is late, and killed by that.
            let wave = timeout(self.patience, output(child, text)).await;
            let wave = wave.map_err(|_| TtsError::Late(self.patience.as_secs()))??;
            wave::read(&wave).ok_or_else(|| TtsError::Failed("no WAV came".into()))
        })
    }
}

async fn output(mut child: Child, text: &str) -> Result<Vec<u8>, TtsError> {
    let failed = |error: std::io::Error| TtsError::Failed(error.to_string());
    let gone = || TtsError::Failed("no pipe".into());
    let mut input = child.stdin.take().ok_or_else(gone)?;
    let out = child.stdout.take().ok_or_else(gone)?;
    let complaints = child.stderr.take().ok_or_else(gone)?;
    let hand_over = async move {
        // A program that does not want it says why on its error output.
        let _ = input.write_all(text.as_bytes()).await;
    };
    let most = OUTPUT_MAX_BYTES as u64 + 1;
    let ((), wave, complaints) =
        tokio::join!(hand_over, read(out, most), read(complaints, COMPLAINT_MAX_BYTES));
    let wave = wave.map_err(failed)?;
    if wave.len() > OUTPUT_MAX_BYTES {
        return Err(TtsError::TooMuch);
    }
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(wave);
    }
    let complaints = complaints.map_err(failed)?;
    Err(TtsError::Failed(format!("{status}: {}", String::from_utf8_lossy(&complaints).trim())))
}

async fn read(from: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
