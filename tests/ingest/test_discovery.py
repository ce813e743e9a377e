"""WS-Discovery against a responder on loopback."""

from __future__ import annotations

from pipeline.ingest.discovery import discover
from tests.support.onvif_camera import discovery_responder, probe_match

LISTEN_SECONDS = 0.3


def test_a_camera_that_answers_is_listed_with_its_name() -> None:
    """Name and hardware come from its scopes, unquoted; a repeated answer counts once."""
    answer = probe_match(
        "http://127.0.0.1:8000/onvif/device_service",
        "onvif://www.onvif.org/name/Front%20door",
        "onvif://www.onvif.org/hardware/Dome-4",
    )
    with discovery_responder(answer) as port:
        [camera] = discover(LISTEN_SECONDS, ("127.0.0.1", port))
    assert (camera.host, camera.port, camera.name, camera.hardware) == ("127.0.0.1", 8000, "Front door", "Dome-4")


def test_rubbish_is_no_camera() -> None:
    """Neither broken XML, nor entities, nor another message makes an entry."""
    entities = '<!DOCTYPE x [<!ENTITY a "b">]>' + probe_match("http://127.0.0.1/&a;")
    for answer in ("<s:Envelope", "\x00\xff", entities, "<hello/>", probe_match("")):
        with discovery_responder(answer) as port:
            assert discover(LISTEN_SECONDS, ("127.0.0.1", port)) == []


def test_nobody_there_is_an_empty_list() -> None:
    """An address that refuses is not an error."""
    assert discover(LISTEN_SECONDS, ("127.0.0.1", 9)) == []


def test_an_odd_address_of_the_service_keeps_the_camera() -> None:
    """A port that is no number is passed over for one that is."""
    with discovery_responder(probe_match("http://127.0.0.1:port/x http://10.0.0.9:8899/onvif")) as port:
        [camera] = discover(LISTEN_SECONDS, ("127.0.0.1", port))
    assert camera.port == 8899
