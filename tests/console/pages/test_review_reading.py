"""The review page as HTML: which incidents, and what is said of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.contracts.assessment import Element, Relation, Report
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.events.calibration import Calibration
from pipeline.events.state_machine import FixedLevels
from tests.support.archive import BAG, ENTRY, seconds
from tests.support.cli import START, hostile_report, incident
from tests.support.console_api import GATE, Desk, desk
from tests.support.forecasts import checked, kept

TROUBLE = incident(30.0, rule="camera-health", fact="no answer")
TROUBLE = TROUBLE.model_copy(
    update={
        "candidate": TROUBLE.candidate.model_copy(
            update={
                "facts": (TROUBLE.candidate.facts[0].model_copy(update={"kind": Condition.OFFLINE.value}),),
                "key_frames": (),
            }
        ),
        "snapshot_uri": "",
    }
)
LEFT_OUT = incident(50.0, rule="entry", status=IncidentStatus.REJECTED, reason="only a shadow")
HTMX = {"HX-Request": "true", "HX-Target": "detail"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """To look at only."""
    with desk(tmp_path_factory.mktemp("review"), (BAG, ENTRY, GATE, TROUBLE, LEFT_OUT)) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Desk]:
    """To change."""
    with desk(tmp_path, (BAG, ENTRY, TROUBLE)) as made:
        yield made


def page(client: TestClient, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def rows(text: str) -> list[str]:
    return re.findall(r'id="row-(\w+)"', text)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [GATE, ENTRY, TROUBLE, BAG]),
        ("?show=rejected", [LEFT_OUT]),
        ("?show=decided", []),
        ("?show=all", [GATE, ENTRY, LEFT_OUT, TROUBLE, BAG]),
        ("?camera=gate&rule=&severity=&since=", [GATE]),
        ("?since=2026-07-10T22:14&until=2026-07-10T22:15", [LEFT_OUT, TROUBLE, BAG]),
        ("?show=todo&since=2026-07-10T22:14&until=2026-07-10T22:15", [TROUBLE, BAG]),
        ("?severity=low", []),
    ],
)
def test_the_list_is_of_what_the_address_says(shown: Desk, query: str, wanted: list[Incident]) -> None:
    """To decide, by itself; of a while that is asked about, everything."""
    assert rows(page(shown.client(), f"/review{query}")) == [one.id for one in wanted]


@pytest.mark.parametrize("query", ["since=soon", "cursor=x", "severity=dire", "show=most", f"camera={'x' * 10_000}"])
def test_a_wrong_address_is_told_what_was_expected(shown: Desk, query: str) -> None:
    """Not an empty list."""
    assert shown.client().get(f"/review?{query}").status_code == 422


def test_an_empty_list_says_when_nobody_watched(shown: Desk) -> None:
    """No incidents is not "nothing happened"."""
    text = page(shown.client(), "/review?camera=yard&rule=loitering&since=22:15&until=22:19")
    assert "yard was not watched 22:16:00" in text


def test_the_list_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Every incident once, by links that need no script."""
    many = [incident(float(second), rule=f"rule-{second}") for second in range(60)]
    with desk(tmp_path, many) as made:
        client, seen, path = made.client(), [], "/review"
        while path:
            text = page(client, path)
            seen += rows(text)
            link = re.search(r'class="more".*?href="([^"]+)"', text)
            path = link[1] if link else ""
    assert seen == [one.id for one in reversed(many)]


def test_camera_trouble_is_settled_once_somebody_has_seen_it(fresh: Desk) -> None:
    """It is not judged, and does not wait for a judgement."""
    assert TROUBLE.id in rows(page(fresh.client(), "/review"))
    fresh.client().post(f"/api/v1/incidents/{TROUBLE.id}/acknowledge")
    assert TROUBLE.id not in rows(page(fresh.client(), "/review"))
    assert TROUBLE.id in rows(page(fresh.client(), "/review?show=all"))


def test_changed_rows_say_whether_the_list_holds_them(fresh: Desk) -> None:
    """Those of other groups are left out, as is what does not exist."""
    fresh.client().post(f"/api/v1/incidents/{BAG.id}/confirm")
    asked = f"/review/changed?id={BAG.id}&id={ENTRY.id}&id=0000"
    text = page(fresh.client(), asked)
    assert re.findall(r'data-listed="(\w+)"', text) == ["no", "yes"]
    assert "✓ right" in text
    assert rows(page(fresh.client("gus"), asked)) == []


def test_one_incident_comes_with_the_list_or_alone(shown: Desk) -> None:
    """Whoever opens its address gets the whole page; the page that has the list already, only what it lacks."""
    whole, part = page(shown.client(), f"/review/{BAG.id}"), page(shown.client(), f"/review/{BAG.id}", **HTMX)
    assert BAG.id in rows(whole)
    assert "<html" in whole
    assert "<html" not in part
    assert rows(part) == []
    for text in (whole, part):
        assert "A man puts a red bag down and walks away." in text
        assert 'class="zone" points="0,0 320,0 320,180"' in text
        assert '<rect x="40.0" y="30.0" width="50.0" height="120.0"/>' in text


def test_an_incident_of_another_group_is_not_there(shown: Desk) -> None:
    """In the words for what does not exist."""
    client = shown.client("gus")
    for path in (f"/review/{BAG.id}", f"/review/{BAG.id}/learned"):
        assert client.get(path).json() == client.get(path.replace(BAG.id, "0000")).json()


def test_a_claim_of_several_pictures_is_told_once_and_leads_to_them(tmp_path: Path) -> None:
    """Boxes name the claims they bear out; numbers of pictures that are not there lead nowhere."""
    report = Report(
        title="x",
        explanation="y",
        frames=(1, 7),
        elements=(
            Element(name="bag", frame=1, box=(0.1, 0.2, 0.3, 0.4)),
            Element(name="Bag", frame=9),
            Element(name="moving", frame=1),
        ),
        relations=(Relation(subject="bag", relation="next to", object="wall", frame=1),),
    )
    told = incident(3.0, status=IncidentStatus.CONFIRMED, report=report)
    with desk(tmp_path, [told]) as made:
        text = page(made.client(), f"/review/{told.id}")
    assert re.findall(r'data-claim="(\w+)">([^<]+)<', text) == [
        ("c1", "bag"),
        ("c3", "moving"),
        ("c4", "bag next to wall"),
        ("f1", "moving 7 stayed in fence for 47 s (limit 45 s)"),
    ]
    assert re.findall(r'data-claims="([^"]*)"', text) == ["c3", "c1 c4"]
    assert "picture=7" not in text


def test_what_a_model_wrote_is_shown_as_it_is(tmp_path: Path) -> None:
    """Nothing of it is markup."""
    told = incident(3.0, status=IncidentStatus.CONFIRMED, report=hostile_report("<script>alert(1)</script>"))
    with desk(tmp_path, [told]) as made:
        answer = made.client().get(f"/review/{told.id}").text
    assert "<script>alert" not in answer
    assert answer.count("&lt;script&gt;alert") >= 6


def test_forecasts_come_with_what_became_of_them(fresh: Desk) -> None:
    """Of each thing the soonest that was likely, the likeliest first; what was next to impossible is left out."""
    assert fresh.host.forecasts is not None
    mine = {"incident_id": BAG.id, "camera_id": "yard"}
    fresh.host.forecasts.save(
        [
            checked(0.6, happened=True, what="man leaves", within_seconds=5.0, **mine),
            kept(probability=0.9, what="man leaves", within_seconds=10.0, **mine),
            checked(0.7, happened=False, what="man enters fence", within_seconds=5.0, **mine),
            kept(probability=0.02, what="man crosses kerb", within_seconds=5.0, **mine),
        ]
    )
    text = page(fresh.client(), f"/review/{BAG.id}")
    told = text[text.index("What was expected next") : text.index("What people's words changed")]
    assert re.findall(r"<strong>(\d+ %)</strong> (\w+ \w+)", told) == [("70 %", "man enters"), ("60 %", "man leaves")]
    assert re.findall(r'class="chip \w*">([^<]+)<', told) == ["it did not", "it did"]


def test_a_word_on_an_alert_shows_what_it_moved(fresh: Desk) -> None:
    """The threshold then and now, whether the like would be told, and the share that people found right."""
    levels = Calibration(
        FixedLevels(0.6, 0.4), alerts_per_day=1, after_seconds=6 * 3600, dwell_seconds=1, smoothing_seconds=1
    )
    for minute in range(6 * 60 + 1):
        levels.note(START.timestamp() + 60 * minute, 0.2)
    levels.reviewed(BAG.id, START.timestamp(), 0.7, False)
    body = levels.dump()
    fresh.stores.learned.save([Learned("yard", "loitering", LearnedKind.CALIBRATION, "b", seconds(60), body)])
    fresh.client().post(f"/api/v1/incidents/{BAG.id}/reject")
    text = page(fresh.client(), f"/review/{BAG.id}/learned")
    assert f"<strong>{levels.threshold:.3f}</strong>" in text
    assert "it would be told again" in text  # 1.0 is above any threshold
    assert "0 right, 1 false alarms on this camera" in text
    assert '<td class="number">0</td><td class="number">1</td>' in text


def test_the_last_day_is_summed_up(shown: Desk) -> None:
    """What was told, what waits, what was not watched."""
    text = page(shown.client(), "/review/lately")
    assert re.findall(r"<strong>(\d+)</strong>", text) == ["4", "4", "0"]
    assert "yard was not watched" in text


def test_a_viewer_of_one_group_is_told_of_it_alone(shown: Desk) -> None:
    """Rows, names to filter by, what was not watched."""
    text = page(shown.client("gus"), "/review?show=all") + page(shown.client("gus"), "/review/lately")
    assert rows(text) == [GATE.id]
    assert [word for word in ("yard", "loitering") if word in text] == []


def test_nothing_is_said_of_clips_that_are_long_overdue(shown: Desk) -> None:
    """A clip follows in some seconds, or never."""
    assert "The clip follows" not in page(shown.client(), f"/review/{BAG.id}")
    assert shown.clock.now() - BAG.opened_at > timedelta(minutes=1)
