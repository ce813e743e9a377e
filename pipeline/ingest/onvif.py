"""What an ONVIF camera says of its streams. The one place that knows onvif-zeep-async.

In: an address, a user name, a password. Out: its profiles, best picture first, with their stream addresses and no
credentials. The library finds out how far the camera's clock is off and signs its requests by that clock, so a
wrong clock is told and does not lock us out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from onvif import ONVIFCamera
from onvif.exceptions import ONVIFError
from onvif.util import is_auth_error
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import TransportError

from pipeline.errors import ConfigError, SightlineError, TransientError

_REFUSED = (401, 403)
_STREAM = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@dataclass(frozen=True, slots=True)
class Profile:
    """One stream that a camera offers."""

    name: str
    codec: str
    """`H264`, `JPEG` … as the camera says; empty when it does not (H.265 is often hidden from this protocol)."""
    width: int
    height: int
    fps: float
    """0 where the camera does not say."""
    url: str
    """Without user name and password."""


@dataclass(frozen=True, slots=True)
class CameraCard:
    """Who a camera says it is, and what it offers."""

    maker: str
    model: str
    clock_ahead_seconds: float
    """How far its clock is ahead of this machine's; a whole second is no difference."""
    profiles: tuple[Profile, ...]
    """Largest picture first."""


def read_card(host: str, port: int, user: str, password: str, *, timeout_seconds: float = 15.0) -> CameraCard:
    """Ask a camera.

    Raises:
        ConfigError: it refuses this user name or password.
        TransientError: nobody answers there, or somebody who does not speak ONVIF.
    """
    try:
        return asyncio.run(asyncio.wait_for(_ask(host, port, user, password), timeout_seconds))
    except (ZeepError, ONVIFError, aiohttp.ClientError, OSError, AttributeError, ValueError) as error:
        raise _explained(error, f"{host}:{port}", timeout_seconds) from error


async def _ask(host: str, port: int, user: str, password: str) -> CameraCard:
    camera = ONVIFCamera(host, port, user, password, no_cache=True, adjust_time=True)
    try:
        await camera.update_xaddrs()
        about = await (await camera.create_devicemgmt_service()).GetDeviceInformation()
        media = await camera.create_media_service()
        profiles = [await _profile(media, profile) for profile in await media.GetProfiles()]
        profiles.sort(key=lambda profile: profile.width * profile.height, reverse=True)
        ahead: timedelta = camera.dt_diff
        return CameraCard(about.Manufacturer or "", about.Model or "", ahead.total_seconds(), tuple(profiles))
    finally:
        await camera.close()


async def _profile(media: Any, profile: Any) -> Profile:
    stream = await media.GetStreamUri({"StreamSetup": _STREAM, "ProfileToken": profile.token})
    encoder = profile.VideoEncoderConfiguration
    size = encoder.Resolution if encoder else None
    rate = encoder.RateControl if encoder else None
    return Profile(
        name=profile.Name or profile.token,
        codec=(encoder.Encoding or "") if encoder else "",
        width=size.Width if size else 0,
        height=size.Height if size else 0,
        fps=float(rate.FrameRateLimit) if rate else 0.0,
        url=_without_credentials(stream.Uri),
    )


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _explained(error: Exception, place: str, timeout_seconds: float) -> SightlineError:
    """What it means for the person who asked; never the request, which holds a digest of the password."""
    if is_auth_error(error) or (isinstance(error, TransportError) and error.status_code in _REFUSED):
        return ConfigError(
            f"{place}: the camera refuses this user name or password; many cameras want ONVIF switched on and a user "
            "of its own for it"
        )
    if isinstance(error, TimeoutError):
        return TransientError(f"{place}: no answer within {timeout_seconds:g} s; check the address")
    if isinstance(error, OSError):
        return TransientError(f"{place}: cannot connect ({error.strerror or type(error).__name__}); check the address")
    return TransientError(
        f"{place}: what answers there does not speak ONVIF ({type(error).__name__}); check the port (80, 8000, 8080, "
        "8899 and 2020 are usual) and that ONVIF is switched on in the camera"
    )
