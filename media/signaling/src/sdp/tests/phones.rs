//! Descriptions of our own making, in the manner of real devices.

/// A desk phone: five codecs, one of which is not relayed.
pub(crate) const DESK: &str = "v=0\r\no=- 20083 20083 IN IP4 192.168.1.31\r\ns=SDP data\r\n\
c=IN IP4 192.168.1.31\r\nt=0 0\r\nm=audio 11780 RTP/AVP 9 0 8 18 101\r\n\
a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=fmtp:101 0-15\r\n\
a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

/// A desk phone that would like encryption, but need not have it, and has a
/// camera.
pub(crate) const HOPEFUL: &str = "v=0\r\no=5401 8000 8000 IN IP4 10.9.0.12\r\ns=SIP Call\r\n\
c=IN IP4 10.9.0.12\r\nt=0 0\r\nm=audio 5004 RTP/SAVP 0 8 101\r\na=sendrecv\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9\r\n\
m=audio 5006 RTP/AVP 8 0 4 18 97 123 101\r\na=sendrecv\r\na=rtcp:5007 IN IP4 10.9.0.12\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:4 G723/8000\r\na=rtpmap:18 G729/8000\r\n\
a=rtpmap:97 iLBC/8000\r\na=fmtp:97 mode=20\r\na=rtpmap:123 opus/48000/2\r\n\
a=fmtp:123 maxplaybackrate=16000\r\na=ptime:20\r\na=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\nm=video 5008 RTP/AVP 99\r\nb=AS:512\r\na=rtpmap:99 H264/90000\r\n\
a=fmtp:99 profile-level-id=428016\r\na=recvonly\r\n";

/// A soft phone on a computer, reports on a port of their own.
pub(crate) const SOFT: &str = "v=0\r\no=- 3472 1847 IN IP4 172.16.4.2\r\ns=-\r\n\
c=IN IP4 172.16.4.2\r\nt=0 0\r\na=tool:softphone 1.0\r\nm=audio 21456 RTP/AVP 96 9 8 0 97\r\n\
b=AS:128\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;sprop-stereo=1\r\n\
a=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=rtcp:21999\r\na=sendrecv\r\n\
a=label:1\r\na=rtcp-rsize\r\na=ssrc:1694214 cname:sip:5402@172.16.4.2\r\na=ptime:20\r\n";

/// A soft phone with its address below the media and events at two clocks.
pub(crate) const LIBRARY: &str = "v=0\r\no=- 3876543210 3876543210 IN IP4 10.0.2.15\r\ns=media\r\n\
b=AS:117\r\nt=0 0\r\na=X-nat:0\r\nm=audio 4002 RTP/AVP 98 96 0 8 120 121\r\nc=IN IP4 10.0.2.15\r\n\
b=TIAS:96000\r\na=rtcp:4003 IN IP4 10.0.2.15\r\na=sendrecv\r\na=rtpmap:98 speex/16000\r\n\
a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:120 telephone-event/48000\r\na=fmtp:120 0-16\r\n\
a=rtpmap:121 telephone-event/8000\r\na=fmtp:121 0-16\r\na=ssrc:9876 cname:4002@host\r\n";

/// What is left of a browser behind a gateway that took its encryption off.
pub(crate) const BARE_BROWSER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP6 2001:db8::7\r\n\
s=-\r\n\
t=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS *\r\n\
m=audio 50312 RTP/AVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP6 2001:db8::7\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
a=candidate:1 1 udp 2113937151 2001:db8::7 50312 typ host\r\n\
a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlZS\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
a=mid:1\r\n";

/// A gateway that explains nothing, ends lines with LF and puts all on top.
pub(crate) const GATEWAY: &str = "v=0\no=GW 1 1 IN IP4 10.1.1.9\ns=call\nc=IN IP4 10.1.1.9\nt=0 0\n\
a=sendrecv\na=ptime:30\nm=audio 6000 RTP/AVP 8 0\n";

/// A door phone: its picture comes first.
pub(crate) const DOOR: &str = "v=0\r\no=door 77 77 IN IP4 10.3.0.8\r\ns=door\r\n\
c=IN IP4 10.3.0.8\r\nt=0 0\r\n\
a=sendonly\r\nm=video 7078 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=recvonly\r\n\
m=audio 7076 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
a=sendrecv\r\nm=image 0 udptl t38\r\n";

/// Hold as it was done before there were directions.
pub(crate) const OLD_HOLD: &str = "v=0\r\no=Cfg 261 5 IN IP4 10.4.0.3\r\ns=SIP Call\r\n\
c=IN IP4 0.0.0.0\r\n\
t=0 0\r\nm=audio 16412 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

/// Encryption or nothing.
pub(crate) const SECRET: &str = "v=0\r\no=- 1 1 IN IP4 10.5.0.3\r\ns=-\r\n\
c=IN IP4 10.5.0.3\r\nt=0 0\r\n\
m=audio 9000 RTP/SAVP 8\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9\r\n";

pub(crate) const ALL: [&str; 9] =
    [DESK, HOPEFUL, SOFT, LIBRARY, BARE_BROWSER, GATEWAY, DOOR, OLD_HOLD, SECRET];
