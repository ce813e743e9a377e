"""Profiles of a small ONVIF camera on loopback that checks digests and their times."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from pipeline.errors import ConfigError, TransientError
from tests.support.ingest import mjpeg_camera
from tests.support.onvif_camera import PASSWORD, USER, OnvifCamera, onvif_camera

onvif = pytest.importorskip("pipeline.ingest.onvif", reason="needs the extra onvif", exc_type=ModuleNotFoundError)


def test_profiles_are_listed_largest_first_without_credentials() -> None:
    """Size, codec and rate as the camera says them; its URLs lose the password they came with."""
    with onvif_camera() as port:
        card = onvif.read_card("127.0.0.1", port, USER, PASSWORD)
    main, sub = card.profiles
    assert (card.maker, card.model) == ("Acme", "Dome 4")
    assert (main.codec, main.width, main.height, main.fps) == ("H264", 1920, 1080, 25.0)
    assert (main.url, sub.url) == ("rtsp://127.0.0.1/main", "rtsp://127.0.0.1/sub")


def test_a_wrong_clock_is_told_and_does_not_lock_us_out() -> None:
    """Requests are signed by the camera's clock, an hour ahead, which is said."""
    with onvif_camera(OnvifCamera(clock_ahead=timedelta(hours=1))) as port:
        card = onvif.read_card("127.0.0.1", port, USER, PASSWORD)
    assert card.clock_ahead_seconds == pytest.approx(3600, abs=10)


def test_a_wrong_password_is_named_and_not_shown() -> None:
    """The message says what is refused, and neither the password nor the request."""
    with onvif_camera() as port, pytest.raises(ConfigError, match="refuses this user name or password") as raised:
        onvif.read_card("127.0.0.1", port, USER, "wrong-secret")
    assert "wrong-secret" not in str(raised.value)


def test_a_device_that_does_not_speak_onvif_is_told() -> None:
    """An HTTP server of another kind."""
    with mjpeg_camera() as url, pytest.raises(TransientError, match="does not speak ONVIF"):
        onvif.read_card("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]), USER, PASSWORD)


def test_nobody_at_the_address_is_told() -> None:
    """A closed port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientError, match="cannot connect"):
        onvif.read_card("127.0.0.1", port, USER, PASSWORD)


def test_silence_is_told_after_the_timeout() -> None:
    """Somebody who accepts the connection and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TransientError, match="no answer within 1 s"):
            onvif.read_card("127.0.0.1", silent.getsockname()[1], USER, PASSWORD, timeout_seconds=1.0)
