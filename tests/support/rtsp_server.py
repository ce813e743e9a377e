"""A real RTSP camera, or many: serves coded clips in a loop by GStreamer's RTSP server, from 127.0.0.1, and does
what it is told meanwhile.

A program of its own, run by the system's Python, which has GStreamer's bindings; see `rtsp_camera.py`. Nothing is
encoded here, so that fifty cameras cost next to nothing. Each client gets the clip from its beginning, over TCP
alone, dated as it is sent: what was not sent in time (the process was stopped) is not sent later.

Usage: rtsp_server.py         looks whether everything it needs is installed
       rtsp_server.py serve   reads a line of JSON from standard input, what to serve:
           {"port": 0, "clips": {"normal": ["h264", "a.mp4"]}, "mounts": ["stream"], "credentials": ["guard", "pw"]}
       prints its port once it listens; then reads orders, a line each, `[mount, verb, value]`, and prints `done`:
           show NAME      the clip of that name, in the same stream when its codec is the same
           pace SECONDS   one picture each so often; 0 for the clip's own pace, null for none at all
           serve BOOL     false: clients are dropped, and the mount is not found
It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401 - GstApp gives appsink its methods

READ = "filesrc name=file ! qtdemux ! {parse} ! appsink name=out sync=false"
PARSE = {
    "h264": "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au",
    "hevc": "h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au",
    "mjpeg": "jpegparse",
}
SEND = "appsrc name=feed is-live=true do-timestamp=true format=time max-buffers=2 max-bytes=0 ! {pay} name=pay0 pt=96"
PAY = {"h264": "rtph264pay", "hevc": "rtph265pay", "mjpeg": "rtpjpegpay"}
ELEMENTS = ("filesrc", "qtdemux", "h264parse", "h265parse", "jpegparse", "appsink", "appsrc", *PAY.values())
ROLE = "guard"
LOOK_SECONDS = 0.1
"""How often a client that is sent nothing looks whether that is over."""


class Clip:
    """The coded pictures of a file, in decoding order, and where one can begin."""

    def __init__(self, codec: str, path: str) -> None:
        self.codec = codec
        pipeline = Gst.parse_launch(READ.format(parse=PARSE[codec]))
        pipeline.get_by_name("file").set_property("location", path)
        out = pipeline.get_by_name("out")
        pipeline.set_state(Gst.State.PLAYING)
        self.samples = list(iter(out.pull_sample, None))
        pipeline.set_state(Gst.State.NULL)
        buffers = [sample.get_buffer() for sample in self.samples]
        self.keys = [at for at, each in enumerate(buffers) if not each.has_flags(Gst.BufferFlags.DELTA_UNIT)]
        times = [each.pts for each in buffers]
        self.interval_seconds = (max(times) - min(times)) / (len(times) - 1) / Gst.SECOND

    def key_after(self, index: int) -> int:
        """The next such picture, round the loop."""
        return next((at for at in self.keys if at > index), self.keys[0])


class Mount:
    """What one camera shows now; all its clients see the same."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.pace_seconds: float | None = 0.0


class Feed:
    """Sends one client the pictures, each when it is due; ends when the client has gone."""

    def __init__(self, mount: Mount, source: Gst.Element) -> None:
        self._mount = mount
        self._source = source
        self._clip = mount.clip
        self._index = -1
        self._due = 0.0
        source.connect("need-data", self._begin)

    def _begin(self, *_: object) -> None:
        if not self._due:
            self._due = time.monotonic()
            GLib.idle_add(self._step)

    def _step(self) -> bool:
        pace = self._mount.pace_seconds
        if pace is not None and self._source.emit("push-sample", self._next(pace)) != Gst.FlowReturn.OK:
            return GLib.SOURCE_REMOVE
        wait = LOOK_SECONDS if pace is None else pace or self._clip.interval_seconds
        now = time.monotonic()
        self._due = max(self._due + wait, now)
        GLib.timeout_add(int(1000 * (self._due - now)), self._step)
        return GLib.SOURCE_REMOVE

    def _next(self, pace: float) -> Gst.Sample:
        if self._clip is not self._mount.clip:
            self._clip, self._index = self._mount.clip, -1
        following = (self._index + 1) % len(self._clip.samples)
        self._index = self._clip.key_after(self._index) if pace else following
        sample = self._clip.samples[self._index]
        buffer = sample.get_buffer().copy_deep()  # `copy` gives the same one again
        buffer.pts = buffer.dts = Gst.CLOCK_TIME_NONE
        return Gst.Sample.new(buffer, sample.get_caps(), None, None)


class Factory(GstRtspServer.RTSPMediaFactory):
    """Makes a sender for each client."""

    def __init__(self, mount: Mount, *, is_guarded: bool) -> None:
        super().__init__()
        self.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        self._mount = mount
        if is_guarded:
            permissions = GstRtspServer.RTSPPermissions()
            for permission in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role(ROLE, permission, True)
            self.set_permissions(permissions)

    def do_create_element(self, _url: GstRtsp.RTSPUrl) -> Gst.Element:
        bin_ = Gst.parse_launch(SEND.format(pay=PAY[self._mount.clip.codec]))
        source = bin_.get_by_name("feed")
        source.set_property("caps", self._mount.clip.samples[0].get_caps())
        Feed(self._mount, source)  # kept alive by the signal it listens to
        return bin_


class Server:
    """The mounts, and the orders about them."""

    def __init__(
        self, port: int, clips: dict[str, tuple[str, str]], mounts: list[str], credentials: list[str] | None = None
    ) -> None:
        self._clips = {name: Clip(*clip) for name, clip in clips.items()}
        self._mounts = {name: Mount(next(iter(self._clips.values()))) for name in mounts}
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service(str(port))
        self._server.set_backlog(128)
        self._is_guarded = bool(credentials)
        if credentials:
            self._ask_for(*credentials)
        self._readers: dict[GstRtspServer.RTSPClient, str] = {}
        self._server.connect("client-connected", self._connected)
        for name in mounts:
            self._serve(name, True)
        if not self._server.attach(None):
            sys.exit(f"cannot listen on port {port}")

    @property
    def port(self) -> int:
        return self._server.get_bound_port()

    def obey(self, name: str, verb: str, value: object) -> None:
        """Do as ordered."""
        {"show": self._show, "pace": self._pace, "serve": self._serve}[verb](name, value)

    def _show(self, name: str, what: str) -> None:
        mount = self._mounts[name]
        before, mount.clip = mount.clip, self._clips[what]
        if before.codec != mount.clip.codec:
            self._drop(name)

    def _pace(self, name: str, seconds: float | None) -> None:
        self._mounts[name].pace_seconds = seconds

    def _serve(self, name: str, is_there: bool) -> None:
        points = self._server.get_mount_points()
        if is_there:
            points.add_factory(f"/{name}", Factory(self._mounts[name], is_guarded=self._is_guarded))
        else:
            points.remove_factory(f"/{name}")
            self._drop(name)

    def _drop(self, name: str) -> None:
        for client in [each for each, mount in self._readers.items() if mount == name]:
            client.close()

    def _connected(self, _server: GstRtspServer.RTSPServer, client: GstRtspServer.RTSPClient) -> None:
        client.connect("setup-request", self._asked)
        client.connect("closed", lambda gone: self._readers.pop(gone, None))

    def _asked(self, client: GstRtspServer.RTSPClient, context: GstRtspServer.RTSPContext) -> None:
        self._readers[client] = context.uri.abspath.split("/")[1]

    def _ask_for(self, user: str, password: str) -> None:
        """The password, the way cameras do: by digest."""
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        auth.add_digest(user, password, token)
        self._server.set_auth(auth)


def check() -> None:
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer lacks {', '.join(missing)}")


def serve() -> None:
    server = Server(**json.loads(sys.stdin.readline()))
    print(server.port, flush=True)
    loop = GLib.MainLoop()

    def obey(order: list[object]) -> bool:
        server.obey(*order)
        print("done", flush=True)
        return GLib.SOURCE_REMOVE

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(obey, json.loads(line))
        GLib.idle_add(loop.quit)

    threading.Thread(target=listen, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    Gst.init(None)
    check()
    if sys.argv[1:] == ["serve"]:
        serve()
