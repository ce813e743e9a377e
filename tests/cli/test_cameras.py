"""`sightline cameras`: list, test, discover, profiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from tests.support.ingest import mjpeg_camera
from tests.support.onvif_camera import PASSWORD, USER, discovery_responder, onvif_camera, probe_match

SITE = """
cameras:
  - id: yard
    url: "{url}"
    labels: [outside]
    decode: keyframes
    health: {{black: off, frozen: 1m}}
    masks: [[[0, 0], [1, 0], [1, 0.1]]]
  - id: scene
    url: "synthetic:yard?fps=4&size=160x90&seconds=5"
"""


def site(folder: Path, url: str) -> str:
    """A site file's path."""
    path = folder / "site.yaml"
    path.write_text(SITE.format(url=url))
    return str(path)


def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and all that was printed."""
    result = CliRunner().invoke(app, ["cameras", *arguments], env=env)
    return result.exit_code, result.output


def test_the_list_shows_what_was_chosen_and_no_password(tmp_path: Path) -> None:
    """Address without credentials, labels, decode, masks, health overrides."""
    status, shown = run("list", site(tmp_path, "rtsp://guard:hunter2@10.0.0.9/live"), "--json")
    yard = json.loads(shown)[0]
    assert status == 0
    assert (yard["url"], yard["labels"], yard["decode"]) == ("rtsp://***@10.0.0.9/live", ["outside"], "keyframes")
    assert (yard["masks"], yard["health"]) == (1, {"black": "off", "frozen": 60.0})
    assert "hunter2" not in run("list", site(tmp_path, "rtsp://guard:hunter2@10.0.0.9/live"))[1]


def test_a_camera_that_works_is_told_with_its_size(tmp_path: Path) -> None:
    """Size, pace and time to the first frame of a camera on the network and of a scene; status 0."""
    with mjpeg_camera() as url:
        status, shown = run("test", site(tmp_path, url))
    assert status == 0, shown
    assert "yard: frames of 64x48, " in shown
    assert "scene: frames of 160x90, 4.0 frames a second" in shown


def test_a_camera_that_fails_is_told_with_the_reason(tmp_path: Path) -> None:
    """The others are tried all the same; the password is not shown; status 1."""
    status, shown = run("test", site(tmp_path, "rtsp://guard:hunter2@127.0.0.1:9/live"))
    assert status == 1
    assert "WRONG  yard: " in shown
    assert "ok     scene: " in shown
    assert "hunter2" not in shown


def test_only_the_named_camera_is_tried(tmp_path: Path) -> None:
    """`--camera` leaves the others alone; a name that is none is refused with those there are."""
    path = site(tmp_path, "rtsp://127.0.0.1:9/live")
    assert run("test", path, "--camera", "scene")[0] == 0
    status, shown = run("test", path, "--camera", "gate")
    assert status == 2
    assert "there are: yard, scene" in shown


def test_discover_lists_what_answers() -> None:
    """Host, port and name of a camera; a name cannot steer the terminal."""
    answer = probe_match("http://127.0.0.1:8000/onvif", "onvif://www.onvif.org/name/Door%1b%5b2J")
    with discovery_responder(answer) as port:
        status, shown = run("discover", "--address", f"127.0.0.1:{port}", "--timeout", "0.3s")
    assert status == 0
    assert "127.0.0.1" in shown
    assert "8000" in shown
    assert "\x1b[2J" not in shown


def test_discover_says_why_nothing_may_have_been_found() -> None:
    """Silence is explained."""
    status, shown = run("discover", "--address", "127.0.0.1:9", "--timeout", "0.1s")
    assert status == 0
    assert "Multicast does not leave a subnet" in shown


@pytest.mark.parametrize("address", ["http://10.0.0.9", "guard:hunter2@10.0.0.9", "10.0.0.9:x", "", "10.0.0.9/onvif"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    """Anything else is wrong usage."""
    status, shown = run("profiles", address, "--user", USER)
    assert status == 2
    assert "expected HOST" in shown


def test_profiles_end_in_an_entry_for_the_site_file() -> None:
    """The sub-stream is read, the main stream is the fallback, and no password is printed."""
    pytest.importorskip("onvif", reason="needs the extra onvif")
    with onvif_camera() as port:
        status, shown = run("profiles", f"127.0.0.1:{port}", "--user", USER, env={"SIGHTLINE_ONVIF_PASSWORD": PASSWORD})
    assert status == 0, shown
    assert "Acme Dome 4" in shown
    assert "url: ${DOME_4_URL}" in shown
    assert "fallback_url: ${DOME_4_MAIN_URL}" in shown
    assert "DOME_4_URL=rtsp://USER:PASSWORD@127.0.0.1/sub" in shown
    assert PASSWORD not in shown


def test_a_password_can_be_typed() -> None:
    """Asked for when the variable is not set, and not echoed; a wrong one is status 2."""
    pytest.importorskip("onvif", reason="needs the extra onvif")
    with onvif_camera() as port:
        result = CliRunner().invoke(
            app, ["cameras", "profiles", f"127.0.0.1:{port}", "--user", USER], input="wrong-secret\n"
        )
    assert result.exit_code == 2
    assert "refuses this user name or password" in result.output
    assert "wrong-secret" not in result.output
