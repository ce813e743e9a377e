"""What can go wrong with a camera, done to real ones from outside their reader."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.contracts.health import Condition
from pipeline.contracts.values import Image
from tests.support.camera_clips import BLACK, COVERED, FPS, FROZEN, HEVC, LARGE, MJPEG
from tests.support.proxy import CuttableProxy
from tests.support.rtsp_camera import NORMAL, RtspCamera
from tests.support.web_camera import MISSING, PAGE, REFUSED, SILENT, STREAM, WebCamera

USER, PASSWORD = "guard", "hunter2"


class GarblingProxy(CuttableProxy):
    """Stands before a camera, and spoils what it sends."""

    def __init__(self, target_port: int, chance: random.Random) -> None:
        self.garbled_share = 0.0
        """Of the camera's bytes, how many become others."""
        self._chance = chance
        super().__init__(target_port)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_inward: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                writer.write(data if is_inward else self._garble(data))
                await writer.drain()

    def _garble(self, data: bytes) -> bytes:
        if self.garbled_share >= 1.0:
            return self._chance.randbytes(len(data))
        spoilt = bytearray(data)
        for _ in range(self._num_spoilt(len(data))):
            spoilt[self._chance.randrange(len(spoilt))] = self._chance.randrange(256)
        return bytes(spoilt)

    def _num_spoilt(self, num_bytes: int) -> int:
        """A share of 1 in 10,000 of 4,096 bytes is a byte in two chunks of five."""
        whole, rest = divmod(num_bytes * self.garbled_share, 1)
        return int(whole) + (self._chance.random() < rest)


class Victim:
    """An RTSP camera with a password, and a proxy before it."""

    def __init__(self, views: dict[str, Path], chance: random.Random, *, is_behind_proxy: bool = False) -> None:
        others = {name: path for name, path in views.items() if name != NORMAL}
        self.device = RtspCamera(views[NORMAL], USER, PASSWORD, others=others)
        self.proxy = GarblingProxy(self.device.port, chance) if is_behind_proxy else None
        self.url = self.device.url(port=self.proxy.port if self.proxy else 0)

    def garble(self, share: float) -> None:
        """Of the bytes on the way to the reader."""
        assert self.proxy is not None
        self.proxy.garbled_share = share

    def close(self) -> None:
        """Gone for good."""
        if self.proxy is not None:
            self.proxy.close()
        self.device.kill()


@dataclass(frozen=True, slots=True)
class CameraFault:
    """`strike` begins it, `mend` ends it, both in a moment."""

    name: str
    camera_id: str
    condition: Condition | None
    """What the operator is to be told; None: nothing, the reader is to get over it."""
    seconds: float
    strike: Callable[[], None]
    mend: Callable[[], None]
    may_go_untold: bool = False
    """Whether it shows at all is a matter of luck."""

    def lasting(self, seconds: float) -> CameraFault:
        """The same, shorter or longer."""
        return replace(self, seconds=seconds)


def rtsp_faults(camera_id: str, device: RtspCamera) -> list[CameraFault]:
    """What can be done to an RTSP camera itself."""

    def shown(name: str, view: str, condition: Condition | None, seconds: float) -> CameraFault:
        return CameraFault(name, camera_id, condition, seconds, lambda: device.show(view), lambda: device.show(NORMAL))

    def paced(name: str, pace_seconds: float | None, condition: Condition, seconds: float) -> CameraFault:
        return CameraFault(
            name, camera_id, condition, seconds, lambda: device.slow_down(pace_seconds), lambda: device.slow_down(0)
        )

    def lost(name: str, seconds: float, strike: Callable[[], None], mend: Callable[[], None]) -> CameraFault:
        return CameraFault(name, camera_id, Condition.OFFLINE, seconds, strike, mend)

    def start_larger() -> None:
        device.start()
        device.show(LARGE)

    return [
        lost("killed", 5.0, device.kill, device.start),
        lost("stopped", 30.0, device.freeze, device.thaw),
        paced("silent", None, Condition.OFFLINE, 30.0),
        paced("one frame in 5 s", 5.0, Condition.LOW_FPS, 60.0),
        paced("one frame a minute", 60.0, Condition.OFFLINE, 200.0),
        shown("frozen", FROZEN, Condition.FROZEN, 40.0),
        shown("black", BLACK, Condition.BLACK, 30.0),
        shown("covered", COVERED, Condition.COVERED, 30.0),
        shown("another size", LARGE, None, 10.0),
        shown("another codec, H.265", HEVC, None, 15.0),
        shown("another codec, MJPEG", MJPEG, None, 15.0),
        lost("restarted larger", 5.0, device.kill, start_larger),
        lost("wrong password", 20.0, lambda: device.ask_for(USER, "new"), lambda: device.ask_for(USER, PASSWORD)),
        lost("404", 20.0, lambda: device.serve(is_there=False), lambda: device.serve(is_there=True)),
    ]


def network_faults(camera_id: str, victim: Victim) -> list[CameraFault]:
    """What can be done to the bytes on their way."""

    def fault(name: str, share: float, *, may_go_untold: bool = False) -> CameraFault:
        strike, mend = (lambda: victim.garble(share)), (lambda: victim.garble(0.0))
        return CameraFault(name, camera_id, Condition.OFFLINE, 20.0, strike, mend, may_go_untold)

    return [fault("garbage", 1.0), fault("bit errors", 1e-4, may_go_untold=True)]


def web_faults(camera_id: str, camera: WebCamera) -> list[CameraFault]:
    """What a URL can turn out to be."""

    def fault(name: str, what: str) -> CameraFault:
        return CameraFault(name, camera_id, Condition.OFFLINE, 20.0, lambda: camera.be(what), lambda: camera.be(STREAM))

    states = {"web page": PAGE, "HTTP 401": REFUSED, "HTTP 404": MISSING, "HTTP silent": SILENT}
    return [fault(name, what) for name, what in states.items()]


class Cast:
    """The cameras of a run: `gate` and `yard` (behind a proxy) to be broken, `web`, and two that nobody touches."""

    BYSTANDERS = ("left", "right")

    def __init__(self, views: dict[str, Path], pictures: Sequence[Image], *, seed: int = 1) -> None:
        chance = random.Random(seed)
        self._gate = Victim(views, chance)
        self._yard = Victim(views, chance, is_behind_proxy=True)
        self._web = WebCamera(pictures, FPS)
        self._others = RtspCamera(views[NORMAL], mounts=self.BYSTANDERS)
        faults = rtsp_faults("gate", self._gate.device) + network_faults("yard", self._yard)
        self.faults = {fault.name: fault for fault in (*faults, *web_faults("web", self._web))}
        """By name."""

    @property
    def urls(self) -> dict[str, str]:
        """By camera."""
        victims = {"gate": self._gate.url, "yard": self._yard.url, "web": self._web.url}
        return victims | {name: self._others.url(mount=name) for name in self.BYSTANDERS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in (self._gate, self._yard, self._web):
            each.close()
        self._others.kill()
