//! What people upload, and what they hear of it.

use std::net::TcpListener;
use std::process::Command;

use super::*;

async fn spoken() -> Speech {
    EspeakNg::default().say(ORDER, Lang::ZhCn).await.unwrap()
}

fn louder(speech: &Speech, factor: f64) -> Speech {
    let raised = |sample: &i16| (f64::from(*sample) * factor) as i16;
    Speech { rate: speech.rate, samples: speech.samples.iter().map(raised).collect() }
}

/// Five people record with five programs at five levels; on the loudspeaker
/// nobody can tell.
#[tokio::test]
async fn every_format_comes_out_equally_loud() {
    let studio = Studio::open().await;
    let speech = spoken().await;
    let formats = [
        ("wav", "wavenc", 0.02),
        ("mp3", "lamemp3enc ! xingmux", 0.1),
        ("ogg", "vorbisenc ! oggmux", 0.5),
        ("opus", "audioresample ! opusenc ! oggmux", 2.0),
        ("flac", "flacenc", 20.0),
        ("m4a", "avenc_aac ! mp4mux", 0.3),
    ];
    for (name, encoder, factor) in formats {
        let wav = studio.file("source.wav", &wave::write(&louder(&speech, factor)));
        let made = studio.path(&format!("upload.{name}"));
        gst_launch(&format!(
            "filesrc location={} ! wavparse ! audioconvert ! {encoder} ! filesink location={}",
            wav.display(),
            made.display(),
        ));
        assert_level(name, &studio.render(&made).await.unwrap());
    }
    studio.assert_swept();
    studio.close().await;
}

#[tokio::test]
async fn stereo_and_eight_bits_and_half_a_word_are_fine() {
    let studio = Studio::open().await;
    let wav = studio.file("source.wav", &wave::write(&spoken().await));
    let stereo = studio.path("stereo.wav");
    gst_launch(&format!(
        "filesrc location={} ! wavparse ! audioconvert ! audioresample ! \
         audio/x-raw,rate=44100,channels=2,format=S24LE ! wavenc ! filesink location={}",
        wav.display(),
        stereo.display(),
    ));
    assert_level("stereo", &studio.render(&stereo).await.unwrap());
    for (name, samples) in [("even", 40_000), ("odd", 40_001)] {
        let path = studio.file(&format!("{name}.wav"), &eight_bits(samples, 0.2));
        assert_level(name, &studio.render(&path).await.unwrap());
    }
    let short = Speech { rate: 22_050, samples: tone(22_050, 2_000, 0.05) };
    let short = studio.file("short.wav", &wave::write(&short));
    let rendered = studio.render(&short).await.unwrap();
    assert_eq!(rendered.ms, 100);
    assert_level("short", &rendered);
    studio.close().await;
}

/// 8 kHz, mono, unsigned bytes with the offset of a cheap sound card.
fn eight_bits(samples: usize, amplitude: f64) -> Vec<u8> {
    let data = tone(8_000, samples, amplitude);
    let data: Vec<u8> = data.iter().map(|sample| ((sample >> 8) + 140) as u8).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len().next_multiple_of(2) as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(&data);
    file.resize(file.len().next_multiple_of(2), 0);
    file
}

#[tokio::test]
async fn what_is_no_sound_is_refused_with_a_reason() {
    let studio = Studio::open().await;
    let silence = Speech { rate: 16_000, samples: vec![0; 32_000] };
    let silent = studio.file("silent.wav", &wave::write(&silence));
    assert_eq!(studio.refusal(&silent).await, "silent");
    let hum = Speech { rate: 16_000, samples: tone(16_000, 32_000, 0.000_5) };
    let hum = studio.file("hum.wav", &wave::write(&hum));
    assert_eq!(studio.refusal(&hum).await, "silent");
    let headed = studio.file("headed.wav", &eight_bits(0, 0.0));
    assert_eq!(studio.refusal(&headed).await, "empty");
    let empty = studio.file("empty.mp3", b"");
    assert_eq!(studio.refusal(&empty).await, "empty");
    let text = studio.file("letter.mp3", "各位领导：附件是撤离录音。".repeat(40).as_bytes());
    assert_eq!(studio.refusal(&text).await, "not-audio");
    assert_eq!(studio.refusal(&studio.path("nowhere.wav")).await, "unreadable");
    assert_eq!(studio.refusal(studio.folder.path()).await, "not-a-file");
    let pipe = studio.path("pipe.wav");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(studio.refusal(&pipe).await, "not-a-file");
    let unknown = studio.renderer.render(Source::Recording { path: hum }, &[Codec::Opus]).await;
    assert!(matches!(unknown, Err(RenderError::Refused { code, .. }) if code == "codec"));
    studio.assert_swept();
    studio.close().await;
}

/// The copy was interrupted: half an evacuation order is worse than none. MP3
/// and Ogg do not say how long they are in a way that survives the cut.
#[tokio::test]
async fn a_recording_without_its_end_is_refused() {
    let studio = Studio::open().await;
    let whole = wave::write(&spoken().await);
    let wav = studio.file("source.wav", &whole);
    let cut = studio.file("cut.wav", &whole[..whole.len() / 2]);
    assert_eq!(studio.refusal(&cut).await, "damaged");
    for (name, encoder) in [("flac", "flacenc"), ("m4a", "avenc_aac ! mp4mux")] {
        let made = studio.path(&format!("whole.{name}"));
        gst_launch(&format!(
            "filesrc location={} ! wavparse ! audioconvert ! {encoder} ! filesink location={}",
            wav.display(),
            made.display(),
        ));
        let bytes = std::fs::read(made).unwrap();
        let cut = studio.file(&format!("cut.{name}"), &bytes[..bytes.len() / 2]);
        let code = studio.refusal(&cut).await;
        // Rarely, qtdemux neither errs nor ends: then the worker's patience does.
        let known = matches!(&*code, "cut-short" | "damaged" | "not-audio" | "stalled");
        assert!(known, "{name}: {code}");
    }
    studio.close().await;
}

/// A file that is a list of addresses, in every dialect: nobody is called.
#[tokio::test]
async fn a_playlist_never_reaches_for_the_network() {
    let studio = Studio::open().await;
    let bait = TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let url = format!("http://{}/a.ts", bait.local_addr().unwrap());
    let lists = [
        ("a.m3u", format!("#EXTM3U\n{url}\n")),
        ("b.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{url}\n")),
        ("c.txt", format!("{url}\n")),
        ("d.mpd", format!("<?xml version=\"1.0\"?><MPD><BaseURL>{url}</BaseURL></MPD>")),
        ("e.ism", format!("<SmoothStreamingMedia Url=\"{url}\"></SmoothStreamingMedia>")),
        ("f.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 4000 RTP/AVP 8\n".to_owned()),
        ("g.smil", format!("<smil><body><audio src=\"{url}\"/></body></smil>")),
        ("h.mov", format!("RTSPtextRTSP://{url}")),
    ];
    for (name, list) in lists {
        let path = studio.file(name, list.as_bytes());
        assert_eq!(studio.refusal(&path).await, "not-audio", "{name}");
    }
    let called = bait.accept().map(|_| ()).unwrap_err();
    assert_eq!(called.kind(), std::io::ErrorKind::WouldBlock);
    studio.close().await;
}

#[tokio::test]
async fn ten_minutes_fit_and_one_second_more_is_refused() {
    // Seconds of pure computation, on machines that do other things too.
    let limits = RendererLimits { deadline: Duration::from_secs(110), ..RendererLimits::default() };
    let studio = Studio::with(worker(), &[], limits).await;
    let whole = studio.file("whole.wav", &eight_bits(600 * 8_000, 0.2));
    let rendered = studio.render(&whole).await.unwrap();
    assert_eq!(rendered.ms, 600_000);
    assert_eq!(rendered.file.len(), FILE_MAX_BYTES);
    let over = studio.file("over.wav", &eight_bits(601 * 8_000, 0.2));
    assert_eq!(studio.refusal(&over).await, "too-long");
    studio.close().await;
}
