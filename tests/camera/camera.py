"""One site camera: an RTSP server of its own process, H.264 baseline without
B-frames, behind a name and a password, with a frame counter drawn into the
picture. It knows nothing of Weir and refuses nothing but wrong credentials and
paths that are not its own.

    camera.py [--port 0] [--user site --password water --digest] [--width 640 …]

Says by JSON lines on standard output what happened, with the wall clock of each:
    {"event": "ready", "port": 41234}          the port is bound
    {"event": "connected"|"gone", "from": …}   a client came or went
    {"event": "refused", "status": 401}        an answer that was no
    {"event": "playing"}                       a client is being served
    {"event": "frame", "frame": 17}            this counter went into the encoder
Ends with standard input (unless `--keep`), by SIGTERM, or never.

The counter: the top row of the picture is twenty squares, each a twentieth of the
width. White, black, then sixteen bits of the frame's number from the highest, then
two bits of how many of those are set, modulo four. White is one.
"""

import argparse
import json
import random
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

SQUARES = 20
BITS = 16
WHITE, BLACK = 235, 16
# Frames that may wait for the encoder; more are lost, as in a camera.
WAITING = 5

lock = threading.Lock()


def say(event, **more):
    line = json.dumps({"event": event, "at_ms": time.time_ns() // 1_000_000, **more})
    with lock:
        print(line, flush=True)


def squares(number):
    bits = [(number >> bit) & 1 for bit in reversed(range(BITS))]
    ones = sum(bits) % 4
    return [1, 0, *bits, ones >> 1, ones & 1]


class Picture:
    """Water that moves: noise as coarse as ripples, each frame another piece of it,
    so that an encoder has work to do."""

    def __init__(self, width, height, grain):
        self.width, self.height = width, height
        self.side = width // SQUARES
        dice = random.Random(7)
        rows = []
        for y in range(0, height * 2, 4):
            row = bytearray()
            for _ in range(0, width * 2, 4):
                row += bytes([110 + dice.randrange(-grain, grain + 1)]) * 4
            rows += [bytes(row)] * 4
        self.rows = rows
        self.colour = bytes([118]) * (width * height // 4) + bytes([132]) * (width * height // 4)

    def frame(self, number):
        width, height = self.width, self.height
        # So far from the last one that nothing can be foretold from it.
        right, down = (number * 97) % width, (number * 61) % height
        top = b"".join(
            bytes([WHITE if square else BLACK]) * self.side for square in squares(number & 0xFFFF)
        )
        top += bytes([BLACK]) * (width - len(top))
        rows = [top] * self.side
        rows += [row[right : right + width] for row in self.rows[down : down + height - self.side]]
        return b"".join(rows) + self.colour


class Source:
    """Draws at the rate of the camera as long as anybody watches. The number goes
    on counting through the life of the process, watched or not."""

    def __init__(self, settings):
        self.settings = settings
        self.picture = Picture(settings.width, settings.height, settings.grain)
        self.started = time.monotonic()
        self.appsrc = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        step = 1 / self.settings.fps
        number = 0
        while True:
            number += 1
            late = time.monotonic() - (self.started + number * step)
            if late < 0:
                time.sleep(-late)
            elif late > 1:
                # It was stopped for a while: a camera does not catch up.
                number += int(late / step)
            appsrc = self.appsrc
            if appsrc is not None:
                self.push(appsrc, number)

    def push(self, appsrc, number):
        buffer = Gst.Buffer.new_wrapped(self.picture.frame(number))
        if appsrc.get_property("current-level-buffers") >= WAITING:
            return
        if appsrc.emit("push-buffer", buffer) == Gst.FlowReturn.OK:
            say("frame", frame=number & 0xFFFF)
        elif self.appsrc is appsrc:
            self.appsrc = None


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, source, settings):
        super().__init__()
        self.source = source
        fps, width, height = settings.fps, settings.width, settings.height
        form = "avc" if settings.sets_once else "byte-stream"
        self.set_launch(
            "( appsrc name=frames is-live=true do-timestamp=true format=time block=false "
            f"caps=video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 "
            "! x264enc name=encoder tune=zerolatency speed-preset=superfast bframes=0 threads=1 "
            "option-string=scenecut=0 "
            f"key-int-max={settings.key_every} bitrate={settings.kbit_s} vbv-buf-capacity=500 "
            f"! video/x-h264,profile=constrained-baseline,stream-format={form} "
            "! rtph264pay name=pay0 pt=96 mtu=1200 config-interval=0 )"
        )
        self.set_shared(True)
        self.set_suspend_mode(GstRtspServer.RTSPSuspendMode.NONE)
        self.connect("media-configure", self.configured)

    def configured(self, _factory, media):
        self.media = media
        self.source.appsrc = media.get_element().get_by_name("frames")

    def key(self):
        """A camera begins with a key frame for who has just come."""
        event = Gst.Structure.new_from_string("GstForceKeyUnit, all-headers=(boolean)true")
        encoder = self.media.get_element().get_by_name("encoder")
        encoder.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_UPSTREAM, event))


def guarded(server, factory, settings):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if settings.digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(settings.user, settings.password, token)
    else:
        basic = GstRtspServer.RTSPAuth.make_basic(settings.user, settings.password)
        auth.add_basic(basic, token)
    server.set_auth(auth)
    structure = Gst.Structure.new_from_string(
        "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    )
    factory.add_role_from_structure(structure)


def watched(client, factory):
    address = client.get_connection().get_ip()
    say("connected", **{"from": address})

    def answered(_client, _session, message):
        kind, code, _reason, _version = message.parse_response()
        if kind == GstRtsp.RTSPResult.OK and code >= 400:
            say("refused", status=int(code))

    def played(_client, _context):
        factory.key()
        say("playing")

    client.connect("send-message", answered)
    client.connect("play-request", played)
    client.connect("closed", lambda _client: say("gone", **{"from": address}))


def read():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="/live")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--kbit-s", type=int, default=2000)
    parser.add_argument("--key-every", type=int, default=50, help="frames")
    parser.add_argument("--grain", type=int, default=12, help="how rough the water is, 0 to 60")
    parser.add_argument(
        "--sets-once",
        action="store_true",
        help="parameter sets stand in the session's description only",
    )
    parser.add_argument("--keep", action="store_true", help="outlive standard input")
    return parser.parse_args()


def main():
    settings = read()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings.port))
    factory = Factory(Source(settings), settings)
    if settings.user:
        guarded(server, factory, settings)
    server.get_mount_points().add_factory(settings.path, factory)
    server.connect("client-connected", lambda _server, client: watched(client, factory))
    if server.attach(None) == 0:
        sys.exit(f"port {settings.port} cannot be bound")
    say("ready", port=server.get_bound_port())
    loop = GLib.MainLoop()
    if not settings.keep:
        threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
