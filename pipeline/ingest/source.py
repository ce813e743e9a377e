"""From a camera of the site file to an opened `VideoSource`, by the scheme of its URL."""

from __future__ import annotations

import difflib
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.frame import VideoSource
from pipeline.contracts.health import StreamListener
from pipeline.errors import ConfigError
from pipeline.ingest.capture import PictureWish
from pipeline.ingest.decoder import Order
from pipeline.ingest.decoding import DecodedSource, OnOffset
from pipeline.ingest.file import FileSource
from pipeline.ingest.listening import HeardSource, NobodyListens
from pipeline.ingest.opencv import open_file
from pipeline.ingest.pace import Pace, Playback
from pipeline.ingest.privacy import MaskedSource, PrivacyFilter
from pipeline.ingest.supervisor import SupervisedSource
from pipeline.ingest.synthetic import SyntheticSource
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NETWORK = ("rtsp", "rtsps", "rtmp", "http", "https")
_SCHEMES = (*_NETWORK, "usb", "file", "synthetic")
_SYNTHETIC_KEYS = ("seed", "seconds", "fps", "size")
_DEFAULT_FPS = 10.0
_AS_FAST_AS_READ = Pace()
_ORDINARY = PictureWish()


def open_source(
    camera: Camera,
    settings: IngestSettings,
    clock: Clock,
    *,
    pace: Pace = _AS_FAST_AS_READ,
    wish: PictureWish = _ORDINARY,
    on_offset: OnOffset = lambda _at, _seconds: None,
) -> VideoSource:
    """Open `camera.url`, with the camera's privacy masks burnt into every frame, and faces blurred where it says so.

    May block up to the connect timeout. `pace` is for files and scenes; live cameras keep their own, and give JPEG
    made as `wish` says by a process of their own. `on_offset` is told when a camera's clock cannot be used.

    Raises:
        ConfigError: an unknown scheme or scene, or a file that cannot be read as video.
        TransientError: a live camera that does not answer now.
    """
    if is_live(camera):
        address = _live_address(camera.url.get_secret_value())
        ca_file = ssl.get_default_verify_paths().cafile or ""
        return DecodedSource(Order(camera, settings, wish, address, ca_file), on_offset)
    source = _open_recorded(camera, settings, clock, pace)
    privacy = PrivacyFilter.of(camera, wish.faces)
    return source if privacy.is_empty else MaskedSource(source, privacy)


def open_supervised(
    camera: Camera,
    settings: IngestSettings,
    clock: Clock,
    decisions: DecisionSink,
    *,
    pace: Pace = _AS_FAST_AS_READ,
    listener: StreamListener | None = None,
    wish: PictureWish = _ORDINARY,
) -> VideoSource:
    """What a runtime reads: a live camera that is reconnected for ever, opens in the first `read`, and tells
    `listener` what becomes of it; a file or scene opened at once, so that a wrong one is refused before anything
    starts. What is refused is told as lost, too."""
    told = listener or NobodyListens()
    try:
        if not is_live(camera):
            return HeardSource(open_source(camera, settings, clock, pace=pace, wish=wish), told)
        open_url = _opener(camera, settings, clock, wish, told)
        spare = camera.model_copy(update={"url": camera.fallback_url}) if camera.fallback_url else None
        open_fallback = _opener(spare, settings, clock, wish, told) if spare else None
    except ConfigError as error:
        told.lost(clock.now(), hide_credentials(str(error)))
        raise
    return SupervisedSource(
        camera.id,
        open_url,
        settings,
        clock,
        decisions,
        open_fallback=open_fallback,
        listener=told,
    )


def is_live(camera: Camera) -> bool:
    """Whether the URL means a camera that sends frames whether or not they are read."""
    return _scheme(camera.url.get_secret_value()) in (*_NETWORK, "usb")


def _opener(
    camera: Camera, settings: IngestSettings, clock: Clock, wish: PictureWish, listener: StreamListener
) -> Callable[[], VideoSource]:
    if not is_live(camera):
        raise ConfigError(f"camera {camera.id}: expected a live address as fallback_url, such as rtsp://…, got a file")
    _live_address(camera.url.get_secret_value())
    return lambda: open_source(camera, settings, clock, wish=wish, on_offset=listener.clock_off)


def _live_address(url: str) -> str | int:
    return _usb_index(url) if _scheme(url) == "usb" else url


def _open_recorded(camera: Camera, settings: IngestSettings, clock: Clock, pace: Pace) -> VideoSource:
    url = camera.url.get_secret_value()
    playback = Playback(camera.id, pace, clock)
    if _scheme(url) == "synthetic":
        return _open_synthetic(url, playback)
    path = Path(unquote(urlsplit(url).path)) if _scheme(url) == "file" else Path(url).expanduser()
    return FileSource(str(path), lambda: open_file(path), settings, playback)


def _scheme(url: str) -> str:
    """The URL's scheme in lower case; empty for a path."""
    match = _SCHEME.match(url)
    scheme = match.group(1).lower() if match else ""
    if not scheme or scheme in _SCHEMES:
        return scheme
    if os.path.exists(url):  # noqa: PTH110 - a path with a colon; unlike Path.exists, False for one that is too long
        return ""
    near = difflib.get_close_matches(scheme, _SCHEMES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"expected a file's path or one of {', '.join(_SCHEMES)}; got the scheme {scheme!r}{hint}")


def _usb_index(url: str) -> int:
    index = url.partition(":")[2]
    if not index.isdecimal():
        raise ConfigError(f"expected a webcam's number such as usb:0, got {url!r}")
    return int(index)


def _open_synthetic(url: str, playback: Playback) -> SyntheticSource:
    from pipeline.scenes import open_scene  # all kinds of scenes and their words: nothing that real cameras should load

    name, _, query = url.partition(":")[2].partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    for key in given:
        if key not in _SYNTHETIC_KEYS:
            raise ConfigError(f"{url}: expected the keys {', '.join(_SYNTHETIC_KEYS)}; got {key!r}")
    try:
        seed = int(given.get("seed", "1"))
        seconds = float(given["seconds"]) if "seconds" in given else None
        fps = float(given.get("fps", _DEFAULT_FPS))
        width, height = (int(side) for side in given.get("size", "640x360").lower().split("x"))
    except ValueError as error:
        raise ConfigError(f"{url}: expected such as seed=1&seconds=120&fps=10&size=640x360 ({error})") from error
    if not 0 < fps <= 240:
        raise ConfigError(f"{url}: expected more than 0 and at most 240 frames a second, got fps={fps:g}")
    return SyntheticSource(open_scene(name, seed=seed, seconds=seconds, size=(width, height)), fps, playback)
