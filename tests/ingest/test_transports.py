"""Every way in which a network camera speaks, against real servers."""

from __future__ import annotations

import functools
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.clock import SystemClock
from pipeline.contracts.frame import EncodedFrame
from pipeline.errors import TransientError
from pipeline.ingest import open_source
from pipeline.settings import IngestSettings
from tests.support.certificates import Authority
from tests.support.ingest import camera, mjpeg_camera
from tests.support.proxy import CuttableProxy
from tests.support.rtsp_camera import SYSTEM_PYTHON, RtspCamera, write_h264

SETTINGS = IngestSettings(connect_timeout=10, read_timeout=10)
FPS = 10
Cameras = Callable[..., RtspCamera]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds of a grey that changes."""
    pictures = [np.full((90, 160, 3), 20 + 5 * index, np.uint8) for index in range(4 * FPS)]
    return write_h264(tmp_path / "clip.mp4", pictures, FPS, (160, 90))


def reads(url: str, num_frames: int = 3, **fields: Any) -> list[EncodedFrame]:
    source = open_source(camera(url, **fields), SETTINGS, SystemClock())
    try:
        frames = [source.read() for _ in range(num_frames)]
    finally:
        source.close()
    return [frame for frame in frames if isinstance(frame, EncodedFrame)]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_hls(folder: Path) -> None:
    """A playlist of one-second parts, as a camera or MediaMTX serves it."""
    options = {"hls_time": "1", "hls_list_size": "0", "hls_flags": "independent_segments"}
    with av.open(str(folder / "live.m3u8"), "w", format="hls", options=options) as container:
        stream = container.add_stream("h264", rate=FPS, options={"g": str(FPS), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for index in range(4 * FPS):
            pixels = np.full((90, 160, 3), 20 + 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.rtsp
def test_a_camera_that_speaks_udp_alone_is_read(rtsp_camera: Cameras, clip: Path) -> None:
    """TCP is refused, and the same address is asked for UDP."""
    script = Path(__file__).parents[1] / "support" / "rtsp_udp_server.py"
    line = [SYSTEM_PYTHON, str(script), str(clip)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        frames = reads(f"rtsp://127.0.0.1:{int(server.stdout.readline())}/stream")
        server.communicate()

    assert [(frame.width, frame.height) for frame in frames] == [(160, 90)] * 3


@pytest.mark.rtsp
def test_rtsp_inside_tls_is_read_with_a_certificate_that_is_trusted(
    rtsp_camera: Cameras, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority is named in SSL_CERT_FILE, as for any other program."""
    authority = Authority(tmp_path)
    device = rtsp_camera(clip)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    proxy = CuttableProxy(device.port, tls=authority.server_context())
    frames = reads(device.url(port=proxy.port).replace("rtsp:", "rtsps:"))
    proxy.close()

    assert len(frames) == 3


@pytest.mark.rtsp
def test_a_certificate_that_nobody_vouches_for_is_refused(rtsp_camera: Cameras, clip: Path, tmp_path: Path) -> None:
    """The message says so and what to do; the password was not sent."""
    device = rtsp_camera(clip, "guard", "hunter2")
    proxy = CuttableProxy(device.port, tls=Authority(tmp_path).server_context())
    with pytest.raises(TransientError, match=r"certificate is not trusted.*SSL_CERT_FILE") as caught:
        reads(device.url(port=proxy.port).replace("rtsp:", "rtsps:"))
    proxy.close()

    assert "hunter2" not in str(caught.value)


def test_http_with_a_picture_after_another_is_read() -> None:
    """MJPEG, whose times are those of arrival."""
    with mjpeg_camera(fps=10) as url:
        frames = reads(url)

    assert len(frames) == 3
    assert 0.1 < frames[-1].pts_seconds - frames[0].pts_seconds < 5


def test_a_playlist_of_hls_is_read(tmp_path: Path) -> None:
    """Over HTTP, parts of a second."""
    write_hls(tmp_path)
    with served(tmp_path) as base:
        frames = reads(f"{base}/live.m3u8")

    assert [(frame.width, frame.height) for frame in frames] == [(160, 90)] * 3


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("index.html", "a web page"),
        ("nowhere.m3u8", "404"),
        ("empty.m3u8", "expected video"),
        ("noise.bin", "expected video"),
        ("odd.avi", "unknown codec"),
    ],
)
def test_what_is_no_camera_is_said_in_so_many_words(path: str, message: str, tmp_path: Path) -> None:
    """A web page, a playlist that is missing or whose parts are, noise, and video of no known codec."""
    (tmp_path / "index.html").write_text("<!DOCTYPE html><html><body>" + "<p>Log in</p>\n" * 200)
    (tmp_path / "empty.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\ngone.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "noise.bin").write_bytes(np.random.default_rng(1).bytes(50_000))
    with av.open(str(tmp_path / "odd.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
    known = (tmp_path / "odd.avi").read_bytes()
    (tmp_path / "odd.avi").write_bytes(known.replace(b"MJPG", b"QQZ9"))
    with served(tmp_path) as base, pytest.raises(TransientError, match=message):
        reads(f"{base}/{path}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtsp://guard:hunter2@no-such-host.invalid/x", "resolve"),
        ("rtsp://guard:hunter2@127.0.0.1:9/x", "refused"),
        ("https://guard:hunter2@127.0.0.1:9/x", "refused"),
    ],
    ids=["name", "port", "https"],
)
def test_an_address_that_cannot_work_now_is_said_without_its_password(url: str, message: str) -> None:
    """What is wrong and what to look at."""
    with pytest.raises(TransientError, match=message) as caught:
        reads(url)

    assert "check address" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.rtsp
def test_a_camera_that_signs_its_own_certificate_can_be_read(rtsp_camera: Cameras, clip: Path, tmp_path: Path) -> None:
    """When the site file says that nobody needs to vouch for it."""
    device = rtsp_camera(clip)
    proxy = CuttableProxy(device.port, tls=Authority(tmp_path).server_context())
    frames = reads(device.url(port=proxy.port).replace("rtsp:", "rtsps:"), verify_tls=False)
    proxy.close()

    assert len(frames) == 3
