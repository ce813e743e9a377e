"""`/cameras`."""

from __future__ import annotations

from tests.support.console_api import Desk
from tests.support.reasoning import jpeg


def test_cameras_are_told_with_how_they_are_now(shown: Desk) -> None:
    """Zones, rules, how it was watched in the last hour, and when its newest picture was taken; never its address."""
    yard = shown.client().get("/api/v1/cameras/yard").json()
    assert yard["zones"] == {"fence": [[0, 0], [1, 0], [1, 1]]}
    assert yard["rules"] == ["loitering", "entry"]
    assert yard["watched_share"] == 480 / 3600
    assert yard["frame_at"] == "2026-07-10T20:23:50Z"
    assert "x.mp4" not in str(yard)


def test_a_camera_that_nobody_ever_watched_says_so(shown: Desk) -> None:
    """No share is not a share of nothing."""
    gate = shown.client().get("/api/v1/cameras/gate").json()
    assert (gate["watched_share"], gate["last_watched"], gate["frame_at"]) == (None, None, None)


def test_only_cameras_of_ones_groups_are_listed(shown: Desk) -> None:
    """The operator of the gate knows of no yard."""
    listed = shown.client("gus").get("/api/v1/cameras").json()["items"]
    assert [camera["id"] for camera in listed] == ["gate"]


def test_a_camera_of_another_group_is_one_that_is_not_there(shown: Desk) -> None:
    """The same answer to the letter: names cannot be guessed at."""
    client = shown.client("gus")
    assert client.get("/api/v1/cameras/yard").json() == client.get("/api/v1/cameras/none").json()


def test_the_newest_picture_is_a_jpeg_that_is_sent_once(shown: Desk) -> None:
    """Whoever has it already gets 304."""
    client = shown.client()
    first = client.get("/api/v1/cameras/yard/frame")
    assert (first.content, first.headers["content-type"]) == (jpeg(64, 36), "image/jpeg")
    assert client.get("/api/v1/cameras/yard/frame", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_a_camera_without_a_picture_says_so(shown: Desk) -> None:
    """404 in words."""
    answer = shown.client().get("/api/v1/cameras/gate/frame")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no picture of gate yet")


def test_a_camera_in_a_gap_says_since_when_and_why(shown: Desk) -> None:
    """From the beginning of the gap; one that nobody ever told of has none."""
    yard, gate = (shown.client().get(f"/api/v1/cameras/{name}").json()["blind"] for name in ("yard", "gate"))
    told = {"start": "2026-07-10T20:24:00Z", "end": "2026-07-10T20:44:00Z", "seconds": 1200.0}
    assert (yard, gate) == ({**told, "reason": "not running", "detail": ""}, None)
