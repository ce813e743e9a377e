"""A real RTSP camera: serves an H.264 file in a loop by GStreamer's RTSP server, from 127.0.0.1.

A program of its own, run by the system's Python, which has GStreamer's bindings; see `rtsp_camera.py`. Each
client gets the file from its beginning, over TCP alone. It prints its port once it listens, and runs until it
is killed. Without arguments it only looks whether everything it needs is installed.

Usage: rtsp_server.py [VIDEO PORT [USER PASSWORD]]
"""

from __future__ import annotations

import sys
from itertools import count

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401 - GstApp gives appsink its methods

READ = "filesrc name=file ! qtdemux ! h264parse config-interval=-1 ! {caps} ! appsink name=out sync=false"
SEND = "appsrc name=feed is-live=true format=time ! rtph264pay name=pay0 pt=96"
CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
ELEMENTS = ("filesrc", "qtdemux", "h264parse", "appsink", "appsrc", "rtph264pay")
MOUNT = "/stream"


def read_pictures(path: str) -> list[Gst.Sample]:
    """The file's coded pictures, in decoding order."""
    pipeline = Gst.parse_launch(READ.format(caps=CAPS))
    pipeline.get_by_name("file").set_property("location", path)
    out = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    samples = list(iter(out.pull_sample, None))
    pipeline.set_state(Gst.State.NULL)
    return samples


class Loop:
    """Feeds one client: the pictures again and again, with time going on."""

    def __init__(self, samples: list[Gst.Sample]) -> None:
        self._samples = samples
        self._numbers = count()
        buffers = [sample.get_buffer() for sample in samples]
        self._first = min(buffer.pts for buffer in buffers)
        self._length = max(buffer.pts + buffer.duration for buffer in buffers) - self._first

    def push(self, feed: Gst.Element, _num_bytes: int) -> None:
        """Give the next picture; asked for as fast as the sender's clock lets them go."""
        again, index = divmod(next(self._numbers), len(self._samples))
        buffer = self._samples[index].get_buffer().copy_deep()  # `copy` gives the same one again
        buffer.pts += again * self._length - self._first
        buffer.dts = Gst.CLOCK_TIME_NONE
        feed.emit("push-buffer", buffer)


class Factory(GstRtspServer.RTSPMediaFactory):
    """Makes a sender for each client."""

    def __init__(self, samples: list[Gst.Sample]) -> None:
        super().__init__()
        self.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        self._samples = samples

    def do_create_element(self, _url: GstRtsp.RTSPUrl) -> Gst.Element:
        bin_ = Gst.parse_launch(SEND)
        feed = bin_.get_by_name("feed")
        feed.set_property("caps", self._samples[0].get_caps())
        feed.connect("need-data", Loop(self._samples).push)
        return bin_


def only_for(user: str, password: str, server: GstRtspServer.RTSPServer, factory: Factory) -> None:
    """Ask for the password the way cameras do, by digest."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "guard")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("guard", permission, True)
    factory.set_permissions(permissions)


def check() -> None:
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer lacks {', '.join(missing)}")


def serve(path: str, port: str, *credentials: str) -> None:
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = Factory(read_pictures(path))
    if credentials:
        only_for(*credentials, server, factory)
    server.get_mount_points().add_factory(MOUNT, factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on port {port}")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    Gst.init(None)
    check()
    if sys.argv[1:]:
        serve(*sys.argv[1:])
