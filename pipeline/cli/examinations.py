"""What `sightline doctor` looks at, one function each. In: site and settings. Out: a finding, never an exception
for what is wrong outside."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from pipeline.alerting.addresses import AddressGuard
from pipeline.app.stores import Stores, open_stores
from pipeline.cli.findings import Finding
from pipeline.cli.larger_models import larger_models
from pipeline.clock import SystemClock
from pipeline.contracts.alert import Channel
from pipeline.contracts.camera import Camera
from pipeline.contracts.incident import IncidentFilter
from pipeline.errors import SightlineError
from pipeline.ingest.capture import PictureWish
from pipeline.ingest.source import is_live, open_source
from pipeline.perception.detector import load_detector
from pipeline.perception.encoder import load_encoder
from pipeline.reasoning.model import load_judge
from pipeline.settings import IngestSettings, PerceptionSettings, ReasoningSettings, Settings
from pipeline.site import BUILTIN_MODEL, NO_MODEL, Models, Site

_MIN_FREE_BYTES = 1_000_000_000
"""About a day of incidents: one with eight 1080p key frames and a clip takes 3 to 5 MB."""
_CLOCK_LOOK_SECONDS = 0.2
_CLOCK_SLACK_SECONDS = 0.1
_WRITTEN_ON = datetime(2025, 1, 1, tzinfo=UTC)
"""No right clock shows a time before this program was written."""
_AT_ONCE = 8
"""Cameras and channels looked at side by side: most of it is waiting."""
_PROBE = "doctor/probe.txt"


def examine(site: Site, settings: Settings) -> Iterator[Finding]:
    """Every finding, the quick ones first."""
    yield examine_disk(settings)
    yield from examine_storage(settings)
    yield examine_clock(site)
    waiting: list[Callable[[], Finding]] = [
        partial(examine_camera, camera, settings.ingest, site.models.faces) for camera in site.cameras
    ]
    waiting += [partial(examine_channel, channel) for channel in site.channels.values()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda look: look(), waiting)
    yield examine_detector(site.models, settings.perception)
    yield examine_encoder(site.models, settings.perception)
    yield examine_vlm(site.models, settings.reasoning)


def examine_disk(settings: Settings) -> Finding:
    """Room for evidence where the data folder is or will be."""
    place = settings.data_dir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free for {settings.data_dir}"
    advice = "" if free >= _MIN_FREE_BYTES else "make room, or name another folder in settings.data_dir"
    return Finding("disk", not advice, found, advice)


def examine_storage(settings: Settings) -> Iterator[Finding]:
    """The database opens and evidence can be written; the clock is not behind what is stored."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        stores = open_stores(settings)
    except (SightlineError, OSError) as error:
        yield Finding("database", False, str(error), "mend the folder or the URL, or choose another data_dir")
        return
    try:
        counts = stores.outbox.counts()
        owed, dead = counts.get("pending", 0), counts.get("dead", 0)
        advice = "see `sightline replay-dead-letters --list`" if dead else ""
        yield Finding("database", True, f"opens; {owed} deliveries wait, {dead} were given up", advice)
        yield _evidence(stores)
        yield _stored_times(stores)
    except SightlineError as error:
        yield Finding("database", False, str(error), "try again; if it stays so, look at the disk and its rights")
    finally:
        stores.close()


def _evidence(stores: Stores) -> Finding:
    try:
        stores.evidence.put(_PROBE, b"sightline doctor")
        stores.evidence.get(_PROBE)
        stores.evidence.delete(_PROBE)
    except SightlineError as error:
        return Finding("evidence", False, str(error), "look at the place's rights and room, or at evidence.url")
    return Finding("evidence", True, "can be written, read and deleted")


def _stored_times(stores: Stores) -> Finding:
    latest = stores.incidents.find(IncidentFilter(limit=1))
    if latest and latest[0].updated_at > datetime.now(UTC) + timedelta(minutes=1):
        found = f"an incident was stored at {latest[0].updated_at:%Y-%m-%d %H:%M} UTC, which is still to come"
        return Finding("clock against the database", False, found, "the clock was set back: synchronise it (NTP)")
    return Finding("clock against the database", True, "nothing stored is from the future")


def examine_clock(site: Site) -> Finding:
    """Plausible, and running at the speed of the machine's steady clock."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(_CLOCK_LOOK_SECONDS)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    now = datetime.now(UTC)
    found = f"{now.astimezone(site.site.zone_info):%Y-%m-%d %H:%M:%S %Z} at the site"
    if now < _WRITTEN_ON:
        return Finding("clock", False, found, "the clock is years behind: synchronise it (NTP)")
    if drift > _CLOCK_SLACK_SECONDS:
        return Finding("clock", False, f"{found}; it jumped {drift:.2f} s", "something sets it: leave that to one NTP")
    return Finding("clock", True, f"{found}; runs evenly (not compared with another machine's)")


def examine_camera(camera: Camera, settings: IngestSettings, faces: str) -> Finding:
    """Open it and read one frame; with `models.faces` where the camera blurs faces."""
    what = f"camera {camera.id}"
    started = time.monotonic()
    try:
        source = open_source(camera, settings, SystemClock(), wish=PictureWish(faces=faces))
        try:
            frame = source.read()
        finally:
            source.close()
    except SightlineError as error:
        advice = "is it on, is the address right, does the password hold?" if is_live(camera) else "look at the file"
        return Finding(what, False, str(error), advice)
    if frame is None:
        return Finding(what, False, "it opened, but no frame came", "look at the camera or the file")
    seconds = time.monotonic() - started
    return Finding(what, True, f"a frame of {frame.width}x{frame.height} after {seconds:.1f} s")


def examine_channel(channel: Channel) -> Finding:
    """Connect (with TLS for https) and hang up; nothing is sent."""
    what = f"channel {channel.name}"
    url = urlsplit(channel.webhook.get_secret_value())
    try:
        is_tls = url.scheme == "https"
        port = url.port or (443 if is_tls else 80)
        host = url.hostname or ""
        address = AddressGuard().addresses(host, port, allow_private=channel.allow_private)[0]
        with socket.create_connection((address, port), timeout=channel.timeout) as connection:
            if is_tls:
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except (OSError, ValueError, SightlineError) as error:
        advice = "is the receiver up and the address right? then `sightline channels test " + channel.name + "`"
        return Finding(what, False, f"cannot connect: {error}", advice)
    return Finding(what, True, f"answers on port {port}{' with TLS' if is_tls else ''} (no message was sent)")


def examine_detector(models: Models, settings: PerceptionSettings) -> Finding:
    """Load it and run it once."""
    what = f"detector {models.detector}"
    try:
        detector = load_detector(models.detector, settings)
        try:
            detector.warm_up()
        finally:
            detector.close()
    except (SightlineError, ImportError) as error:
        return Finding(what, False, str(error), "see models.detector in the site file")
    return Finding(what, True, "loads")


def examine_encoder(models: Models, settings: PerceptionSettings) -> Finding:
    """Load it and run it once."""
    what = f"encoder {models.encoder}"
    try:
        encoder = load_encoder(models.encoder, settings)
        if encoder is not None:
            try:
                encoder.warm_up()
            finally:
                encoder.close()
    except (SightlineError, ImportError) as error:
        return Finding(what, False, str(error), "see models.encoder in the site file")
    return Finding(what, True, "loads" if models.encoder != NO_MODEL else "none is wanted")


def examine_vlm(models: Models, settings: ReasoningSettings) -> Finding:
    """Load it, or ask its server whether it knows the model."""
    what = f"vision-language model {models.vlm}"
    try:
        model = load_judge(models, settings)
        if model is not None:
            try:
                model.warm_up()
            finally:
                model.close()
    except (SightlineError, ImportError) as error:
        return Finding(what, False, str(error), "see models.vlm in the site file; incidents stay unverified without it")
    if models.vlm == BUILTIN_MODEL:
        return Finding(what, True, "answers", larger_models())
    return Finding(what, True, "answers" if models.vlm != NO_MODEL else "none is wanted: incidents stay unverified")
