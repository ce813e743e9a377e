"""`/live`: the wall, asked by hand."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from pipeline.console.host import LiveBox
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import ChangeKind, IncidentChange
from pipeline.jpeg import size_of
from tests.support.archive import BAG, seconds
from tests.support.console_api import Desk, desk
from tests.support.live_cameras import TurnedCameras

MAN = LiveBox("person", 0.91, 7, (0.1, 0.2, 0.3, 0.8))
HOUR = timedelta(hours=1)


def parts_of(answer: Any) -> dict[str, bytes]:
    """The fields of a form, by name."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    form = message_from_bytes(head + answer.content, policy=policy.HTTP)
    return {str(part.get_param("name", header="content-disposition")): part.get_content() for part in form.iter_parts()}


def watched(made: Desk, camera_id: str, reason: str = "", seconds: float = 60.0) -> None:
    """So it has been for the last so many seconds, and it goes on."""
    now = made.clock.now()
    start, end = now - timedelta(seconds=seconds), now + HOUR
    made.stores.coverage.extend([Interval(camera_id, layer, start, end, reason) for layer in Layer])


def said(made: Desk, camera_id: str) -> str:
    """What the wall says over a camera's picture."""
    page = made.client().get(f"/live/states?camera={camera_id}").text
    return " ".join(page.partition('<div class="said')[2].split())


def test_the_wall_shows_ones_own_cameras_alone(shown: Desk) -> None:
    """The operator of the gate sees no yard."""
    page = shown.client("gus").get("/live").text
    assert ('id="camera-gate"' in page, "yard" in page) == (True, False)


def test_the_wall_can_be_of_one_label(shown: Desk) -> None:
    """An unknown label has no cameras, and the page says so."""
    assert "There is no camera that you may look at." in shown.client().get("/live?group=none").text


def test_a_camera_that_nobody_watches_says_since_when(shown: Desk) -> None:
    """Its run is over, twenty minutes before now; the site's time."""
    assert "Nobody was watching · since <time" in said(shown, "yard")
    assert 'title="2026-07-10 20:24:00 UTC">22:24:00</time> (20:00)' in said(shown, "yard")


def test_a_camera_that_was_never_watched_says_so(shown: Desk) -> None:
    """It is as blind as one that is offline."""
    assert said(shown, "gate").startswith('blind" id="said-gate"')
    assert "Never watched yet" in said(shown, "gate")


def test_nothing_is_said_over_a_camera_that_is_watched(fresh: Desk) -> None:
    """The picture is all there is to see."""
    watched(fresh, "yard")
    assert said(fresh, "yard").startswith('good" id="said-yard" hx-swap-oob="true"> </div>')


def test_a_gap_is_told_from_its_beginning(fresh: Desk) -> None:
    """Also when it began long before the last hour."""
    watched(fresh, "gate", "frozen", 5 * 3600.0)
    assert "The picture is frozen" in said(fresh, "gate")
    assert "(5:00:00)" in said(fresh, "gate")


@pytest.mark.parametrize(("condition", "state"), [(Condition.MOVED, "warn"), (Condition.FROZEN, "blind")])
def test_what_is_wrong_with_a_watched_camera_is_said(fresh: Desk, condition: Condition, state: str) -> None:
    """Before the account knows of it, too; what does not blind covers nothing."""
    watched(fresh, "yard")
    fact = BAG.candidate.facts[0].model_copy(update={"kind": condition.value})
    candidate = BAG.candidate.model_copy(update={"facts": (fact,), "ended_at": None})
    given = {"id": "7" * 20, "candidate": candidate, "closed_at": None, "last_change": 1}
    incident = BAG.model_copy(update=given)
    change = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=incident.opened_at, incident=incident)
    assert fresh.stores.incidents.commit(change, [])
    assert said(fresh, "yard").startswith(f'{state}" id="said-yard"')


def test_a_picture_comes_with_its_age_and_what_is_in_it(tmp_path: Path) -> None:
    """One answer: the picture, the boxes, how much older their picture is, and the age by the server's clock."""
    stuck = {"yard": seconds(1796)}
    cameras = TurnedCameras(lambda: seconds(1800), boxes=(MAN,), boxes_behind=timedelta(seconds=3), stuck_since=stuck)
    with desk(tmp_path, live=cameras) as made:
        answer = made.client().get("/live/camera/yard/now")
        found = json.loads(parts_of(answer)["found"])
    assert answer.headers["Picture-Age-Seconds"] == "4.00"
    assert size_of(parts_of(answer)["picture"]) == (640, 360)
    assert found["behind_seconds"] == 3
    assert found["boxes"] == [{"label": "person", "score": 0.91, "track_id": 7, "box": [0.1, 0.2, 0.3, 0.8]}]


def test_a_picture_is_sent_once(shown: Desk) -> None:
    """Whoever has it gets its age alone, and none of it is kept by what stands between."""
    first = shown.client().get("/live/camera/yard/now")
    again = shown.client().get("/live/camera/yard/now", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["picture-age-seconds"] == first.headers["picture-age-seconds"] == "1210.00"
    assert first.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("width", "sent"), [(2000, 1920), (1920, 1920), (480, 480), (16, 16)])
def test_a_small_tile_gets_a_small_picture(tmp_path: Path, width: int, sent: int) -> None:
    """No wider than it is shown; a small picture stays as it is."""
    with desk(tmp_path, live=TurnedCameras(lambda: seconds(1800), width=1920)) as made:
        answer = made.client().get(f"/live/camera/yard/now?width={width}")
    assert size_of(parts_of(answer)["picture"])[0] == sent


def test_a_camera_without_a_picture_says_so(shown: Desk) -> None:
    """404, in words."""
    answer = shown.client().get("/live/camera/gate/now")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no picture of gate yet")


def test_a_camera_of_another_group_is_one_that_is_not_there(shown: Desk) -> None:
    """The same answer to the letter, of the page and of the picture."""
    client = shown.client("gus")
    for path in ("", "/now"):
        hidden, unknown = (client.get(f"/live/camera/{name}{path}") for name in ("yard", "none"))
        assert (hidden.status_code, hidden.text) == (unknown.status_code, unknown.text)
        assert hidden.status_code == 404


def test_one_camera_tells_what_watches_it(shown: Desk) -> None:
    """Zones, rules, and the ways to its past."""
    page = shown.client().get("/live/camera/yard").text
    assert "loitering, entry" in page
    assert 'href="/timeline?camera=yard"' in page


def test_a_wall_of_yesterdays_cameras_loads_itself_again(shown: Desk) -> None:
    """The site has other cameras or zones than when the page was made: it stays open for weeks."""
    client = shown.client()
    asked = re.search(r'hx-get="(/live/states[^"]*)"', client.get("/live").text)
    assert asked is not None
    path = html.unescape(asked.group(1))
    assert "HX-Refresh" not in client.get(path).headers
    assert client.get(f"{path[:-1]}x").headers["HX-Refresh"] == "true"


def test_without_live_pictures_the_wall_tells_what_is_known(tmp_path: Path) -> None:
    """Beside a data folder there are states, and no pictures to ask for."""
    with desk(tmp_path, live=None) as made:
        page = made.client().get("/live").text
        assert made.client().get("/live/camera/yard/now").status_code == 501
    assert "open the console of the run itself" in page
    assert ("Nobody was watching" in page, "<img" in page) == (True, False)


def test_a_picture_counts_as_old_by_its_cameras_own_pace(shown: Desk) -> None:
    """Two of the slowest frames that it gives, or the silence at which it is called offline."""
    assert 'data-camera="yard" data-old-after="10.0"' in shown.client().get("/live").text
