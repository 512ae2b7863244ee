"""One telephone on PJSIP, without a sound card: told what to do by JSON lines on
standard input, says what happens by JSON lines on standard output. It plays one
WAV file over and over to whoever it talks to and records what it hears into
another, on PJSIP's own clock. One call at a time: a second one is refused as busy.
It refuses to decide anything by itself except what its settings say.

    pjsua.py SETTINGS.json

Settings: number, password, registrar (host:port), sip_port, rtp_port, plays, hears
(WAV files), codecs ({"G722/16000/1": 255}; all others are off), answer_after_ms
(null: only when told), refuse (a status code, or null).
Orders: {"do": "call", "to": "5001"} · answer · hang_up · hold · resume · quit
        {"do": "press", "keys": "12", "how": "rfc4733" or "info"}
"""

import ctypes
import glob
import json
import os
import queue
import sys
import threading
import time

import pjsua2 as pj

TURN_MS = 5


def say(event, **more):
    print(json.dumps({"event": event, "at_ms": int(time.monotonic() * 1000), **more}), flush=True)


def teach_digests():
    """The wheel brings an OpenSSL 1.0 that was never told its digests; without
    them even MD5 counts as unknown."""
    site = os.path.dirname(os.path.dirname(os.path.abspath(pj.__file__)))
    for library in glob.glob(os.path.join(site, "pjsua2_python.libs", "libcrypto-*")):
        ctypes.CDLL(library).OpenSSL_add_all_digests()


class Talk(pj.Call):
    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, call_id)
        self.phone = phone

    def onCallState(self, parameter):
        info = self.getInfo()
        say("state", state=info.stateText, code=info.lastStatusCode, reason=info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.over(self)

    def onCallMediaState(self, parameter):
        try:
            self.join()
        except Exception as error:  # PJSIP would swallow it.
            say("failed", why=str(error))

    def join(self):
        # Kept by a name: what it holds would go with it.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            active = media.status in (
                pj.PJSUA_CALL_MEDIA_ACTIVE,
                pj.PJSUA_CALL_MEDIA_LOCAL_HOLD,
                pj.PJSUA_CALL_MEDIA_REMOTE_HOLD,
            )
            if active:
                audio = self.getAudioMedia(index)
                audio.startTransmit(self.phone.recorder)
                # Whoever holds says nothing: no music, so that silence is a sign.
                if media.status != pj.PJSUA_CALL_MEDIA_LOCAL_HOLD:
                    self.phone.player.startTransmit(audio)
            codec = self.getStreamInfo(index).codecName if active else None
            status = {1: "active", 2: "held_here", 3: "held_there"}.get(media.status, "none")
            say("media", status=status, direction=media.dir, codec=codec)

    def onCallTsxState(self, parameter):
        event = parameter.e
        if event.type == pj.PJSIP_EVENT_TSX_STATE:
            change = event.body.tsxState
            if change.type == pj.PJSIP_EVENT_RX_MSG:
                say("message", text=change.src.rdata.wholeMsg)

    def onDtmfDigit(self, parameter):
        say("digit", key=parameter.digit, how=parameter.method, ms=parameter.duration)


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, parameter):
        say("registration", code=parameter.code, reason=parameter.reason)

    def onIncomingCall(self, parameter):
        self.phone.called(parameter)


class Phone:
    def __init__(self, settings):
        self.settings = settings
        self.call = None
        self.gone = []
        self.answer_at = None
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        teach_digests()
        self.endpoint.libInit(self.endpoint_config())
        transport = pj.TransportConfig()
        transport.port = settings["sip_port"]
        transport.boundAddress = "127.0.0.1"
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, settings["codecs"].get(codec.codecId, 0))
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(settings["plays"])
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(settings["hears"])
        self.account = Account(self)
        self.account.create(self.account_config())

    @staticmethod
    def endpoint_config():
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.logConfig.level = 4
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = "pjsua.log"
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        return config

    def account_config(self):
        number, registrar = self.settings["number"], self.settings["registrar"]
        config = pj.AccountConfig()
        config.idUri = f"sip:{number}@{registrar}"
        config.regConfig.registrarUri = f"sip:{registrar}"
        config.regConfig.timeoutSec = 600
        secret = pj.AuthCredInfo("digest", "*", number, 0, self.settings["password"])
        config.sipConfig.authCreds.append(secret)
        config.mediaConfig.transportConfig.port = self.settings["rtp_port"]
        config.mediaConfig.transportConfig.portRange = 18
        config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        return config

    def called(self, parameter):
        call = Talk(self, parameter.callId)
        info = call.getInfo()
        say("called", remote=info.remoteUri, local=info.localUri)
        code = 486 if self.call else self.settings["refuse"]
        if code:
            self.gone.append(call)
            self.final(call, code)
            return
        self.call = call
        self.final(call, 180)
        after_ms = self.settings["answer_after_ms"]
        if after_ms is not None:
            self.answer_at = time.monotonic() + after_ms / 1000

    @staticmethod
    def final(call, code):
        parameter = pj.CallOpParam(True)
        parameter.statusCode = code
        call.answer(parameter)

    def over(self, call):
        if call is self.call:
            self.call = None
            self.answer_at = None
        # Freed outside its own callback.
        self.gone.append(call)

    def turn(self):
        self.endpoint.libHandleEvents(TURN_MS)
        self.gone.clear()
        if self.answer_at is not None and time.monotonic() >= self.answer_at:
            self.answer_at = None
            if self.call:
                self.final(self.call, 200)

    def obey(self, order):
        what = order["do"]
        if what == "call":
            self.call = Talk(self)
            self.call.makeCall(f"sip:{order['to']}@{self.settings['registrar']}", pj.CallOpParam(True))
            return
        if self.call is None:
            raise RuntimeError("no call")
        if what == "answer":
            self.answer_at = None
            self.final(self.call, 200)
        elif what == "hang_up":
            self.call.hangup(pj.CallOpParam())
        elif what == "hold":
            self.call.setHold(pj.CallOpParam(True))
        elif what == "resume":
            parameter = pj.CallOpParam(True)
            parameter.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.call.reinvite(parameter)
        elif what == "press":
            keys = pj.CallSendDtmfParam()
            keys.digits = order["keys"]
            info = order.get("how") == "info"
            keys.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if info else pj.PJSUA_DTMF_METHOD_RFC2833
            keys.duration = 100
            self.call.sendDtmf(keys)
        else:
            raise RuntimeError(f"no such order: {what}")


def read_orders(orders):
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put({"do": "quit"})


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        phone = Phone(json.load(file))
    orders = queue.Queue(maxsize=64)
    threading.Thread(target=read_orders, args=(orders,), daemon=True).start()
    say("ready")
    while True:
        phone.turn()
        try:
            order = orders.get_nowait()
        except queue.Empty:
            continue
        if order["do"] == "quit":
            break
        try:
            phone.obey(order)
        except Exception as error:  # Told to whoever gave the order, who judges it.
            say("failed", order=order, why=str(error))
    # The recording is written to its end when its recorder goes; after that,
    # PJSIP's own end would free what its Python objects still hold.
    phone.gone.clear()
    phone.call = None
    del phone.recorder
    say("ended")
    os._exit(0)


main()
